use testbed::{Redis, RedisCluster};

use super::{RedisOptions, RedisStore};
use crate::id::SessionId;
use crate::store::conformance::{self, Subject};

/// A prefix of its own for each test: they share a server.
fn options() -> RedisOptions {
    let own = SessionId::random();
    RedisOptions::default()
        .prefix(format!("s{}:", own.expose()))
        .user_prefix(format!("u{}:", own.expose()))
}

async fn subject(url: &str, options: RedisOptions) -> Subject {
    Subject::new(RedisStore::connect_options(url, options).await.unwrap())
}

mod alone {
    use super::*;
    conformance::suite!(subject(&Redis::shared().url(), options()).await);
}

mod mixed {
    use super::*;
    conformance::suite!(subject(&Redis::shared().url(), options().mixed_fleet(true)).await);
}

mod valkey {
    use super::*;
    conformance::suite!(subject(&Redis::shared_valkey().url(), options()).await);
}

mod cluster {
    use super::*;
    conformance::suite!(subject(&RedisCluster::shared().url(), options()).await);
}

mod cluster_mixed {
    use super::*;
    conformance::suite!(subject(&RedisCluster::shared().url(), options().mixed_fleet(true)).await);
}

mod servers;
mod users;
