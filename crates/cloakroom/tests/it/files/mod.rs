//! SQLite's file when it cannot be written, and when another process removes it.

mod lost;
mod refused;

use std::time::Duration;

use cloakroom::store::NewRecord;
use cloakroom::{Clock, SessionId};

/// A session of an hour.
fn entry() -> NewRecord {
    NewRecord {
        text: r#"{"cookie":{},"userId":"ada"}"#.into(),
        expires: Clock::System.now().after(Duration::from_hours(1)),
        users: vec!["ada".to_owned()],
    }
}

/// Returns so many new ids.
fn ids(count: usize) -> Vec<SessionId> {
    (0..count).map(|_| SessionId::random()).collect()
}
