//! The write concern of what ends sessions.

use mongodb::options::{Acknowledgment, WriteConcern};

/// Returns the write concern of operations that end a session: no election and no crash undoes them.
pub(crate) fn durable() -> WriteConcern {
    WriteConcern::builder()
        .w(Acknowledgment::Majority)
        .journal(true)
        .build()
}
