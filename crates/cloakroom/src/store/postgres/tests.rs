use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use testbed::Postgres;

use super::{PostgresOptions, PostgresStore};
use crate::clock::{ManualClock, Timestamp};
use crate::store::conformance::{self, Subject};

/// A table's name that no other test has.
fn unique(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{what}_{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Options for a loaded machine.
fn options(table: &str) -> PostgresOptions {
    PostgresOptions::new()
        .table(table)
        .connect_timeout(Duration::from_secs(20))
}

async fn subject(options: PostgresOptions) -> Subject {
    let clock = ManualClock::at(Timestamp::from_millis(1_767_323_045_678));
    let options = options.clock(clock.clone());
    let store = PostgresStore::connect_options(&Postgres::shared().url(), options).await;
    Subject::with_clock(store.unwrap(), clock)
}

mod json {
    use super::*;
    conformance::suite!(subject(options(&unique("json"))).await);
}
