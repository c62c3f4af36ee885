//! The server's clock, read when the store connects, and again from time to time.
//!
//! The server's TTL index, and Express, go by the dates in documents, so filters contain a date that an index
//! can compare; `$$NOW` would take an aggregation for each.

use std::time::{Duration, Instant};

use mongodb::Database;
use mongodb::bson::doc;
use tokio::runtime::Handle;

use super::error::read_failed;
use crate::clock::{Clock, Timestamp};
use crate::store::mongodb::MongoInner;
use crate::store::steady::Steady;
use crate::store::{StoreError, skew};
use crate::util::lock;

/// Time that a reading of the server's clock is used: another server may have become the primary, or its
/// clock been set.
const AGAIN: Duration = Duration::from_secs(30);

/// Reads the server's clock, sets the store's time by it, and warns if this machine's differs.
pub(crate) async fn begin(database: &Database, clock: &Clock) -> Result<Steady, StoreError> {
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
    // The server read its clock somewhere on the way.
    time.set(server.after(begin.elapsed() / 2));
    Ok(Some(server))
}

impl MongoInner {
    /// Reads the clock again, in a task of its own, if the last reading is old.
    pub(crate) fn hear_the_time(&self) {
        let mut heard = lock(&self.heard);
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
                tracing::debug!("MongoDB's clock was not read");
            }
        });
    }
}
