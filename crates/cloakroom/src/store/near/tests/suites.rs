//! The conformance rules, in front of each store with a subscription to changes, and of one without.

use std::sync::atomic::{AtomicU32, Ordering};

use testbed::{Postgres, Redis, RedisCluster};

use super::super::{NearOptions, NearStore};
use crate::clock::{ManualClock, Timestamp};
use crate::id::SessionId;
use crate::store::conformance::{self, Subject};
use crate::store::postgres::{PostgresOptions, PostgresStore};
use crate::store::redis::{RedisOptions, RedisStore};

async fn redis(url: &str, mixed: bool) -> Subject {
    let own = SessionId::random();
    let options = RedisOptions::default()
        .prefix(format!("s{}:", own.expose()))
        .user_prefix(format!("u{}:", own.expose()))
        .mixed_fleet(mixed);
    let store = RedisStore::connect_options(url, options).await.unwrap();
    Subject::new(NearStore::new(store))
}

async fn postgres(notify: bool) -> Subject {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let table = format!("near_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let clock = ManualClock::at(Timestamp::from_millis(1_767_323_045_678));
    let options = PostgresOptions::new()
        .table(table)
        .connect_timeout(std::time::Duration::from_secs(20))
        .notify_changes(notify)
        .clock(clock.clone());
    let url = Postgres::shared().url();
    let store = PostgresStore::connect_options(&url, options).await.unwrap();
    let options = NearOptions::default().clock(clock.clone());
    let near = NearStore::with(std::sync::Arc::new(store), &options);
    Subject::with_clock(near, clock).counting_in_seconds()
}

mod before_redis {
    use super::*;
    conformance::suite!(redis(&Redis::shared().url(), false).await);
}

mod before_redis_in_a_mixed_fleet {
    use super::*;
    conformance::suite!(redis(&Redis::shared().url(), true).await);
}

mod before_valkey {
    use super::*;
    conformance::suite!(redis(&Redis::shared_valkey().url(), false).await);
}

mod before_a_cluster {
    use super::*;
    conformance::suite!(redis(&RedisCluster::shared().url(), false).await);
}

mod before_postgres {
    use super::*;
    conformance::suite!(postgres(false).await);
}

mod before_postgres_that_notifies {
    use super::*;
    conformance::suite!(postgres(true).await);
}
