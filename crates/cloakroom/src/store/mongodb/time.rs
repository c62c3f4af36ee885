//! The server's clock, asked for when the store connects, and again now and then.
//!
//! Documents hold dates that the server's TTL index goes by, and Express, so that filters name a date as they
//! do there and an index can answer them; `$$NOW` would take an aggregation for each.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use mongodb::Database;
use mongodb::bson::doc;
use tokio::runtime::Handle;

use super::MongoInner;
use super::error::read_failed;
use crate::clock::{Clock, Timestamp};
use crate::store::steady::Steady;
use crate::store::{StoreError, skew};

/// Time that a reading of the server's clock is used: another server may have become the primary, or its
/// clock been set.
const AGAIN: Duration = Duration::from_secs(30);

/// Asks the server for the time, sets the store's by it, and warns where this machine's is another.
pub(super) async fn begin(database: &Database, clock: &Clock) -> Result<Steady, StoreError> {
    let (time, asked) = (Steady::new(clock.clone()), clock.now());
    if let Some(server) = hear(database, &time).await? {
        skew::warn("MongoDB", clock, asked, server);
    }
    Ok(time)
}

async fn hear(database: &Database, time: &Steady) -> Result<Option<Timestamp>, StoreError> {
    let begin = Instant::now();
    let said = database.run_command(doc! { "hello": 1 }).await;
    let Ok(server) = said
        .map_err(read_failed)?
        .get_datetime("localTime")
        .cloned()
    else {
        return Ok(None);
    };
    let server = Timestamp::from_millis(server.timestamp_millis());
    // It looked at its clock somewhere on the way.
    time.set(server.after(begin.elapsed() / 2));
    Ok(Some(server))
}

impl MongoInner {
    /// Asks again, in a task of its own, where the last time is long ago.
    pub(super) fn hear_the_time(&self) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.elapsed() < AGAIN {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        *heard = Instant::now();
        drop(heard);
        let (database, time) = (self.database.clone(), self.time.clone());
        runtime.spawn(async move {
            if hear(&database, &time).await.is_err() {
                tracing::debug!("MongoDB was not asked for the time");
            }
        });
    }
}
