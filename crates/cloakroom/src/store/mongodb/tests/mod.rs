//! Against a real server.

mod suites;
mod vectors;

use std::sync::atomic::{AtomicU32, Ordering};

use mongodb::{Client, Collection};
use testbed::Mongo;

use super::{MongoOptions, MongoStore};
use crate::clock::{ManualClock, Timestamp};
use crate::store::conformance::Subject;

/// 2100-01-01: the server, which goes by its own clock, deletes nothing.
const NOW: i64 = 4_102_444_800_000;

fn clock() -> ManualClock {
    ManualClock::at(Timestamp::from_millis(NOW))
}

/// A database that no other test has.
fn database() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("cloakroom_{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

async fn connect(database: &str, options: MongoOptions) -> MongoStore {
    let url = Mongo::shared().url(database);
    MongoStore::connect_options(&url, options).await.unwrap()
}

async fn collection<T: Send + Sync>(database: &str, name: &str) -> Collection<T> {
    let client = Client::with_uri_str(Mongo::shared().url(database)).await;
    client.unwrap().database(database).collection(name)
}

async fn subject(options: MongoOptions) -> Subject {
    let clock = clock();
    let store = connect(&database(), options.clock(clock.clone())).await;
    Subject::with_clock(store, clock)
}
