use std::time::Duration;

use testbed::{Redis, RedisCluster};

use super::{RedisOptions, RedisStore};
use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::store::NewRecord;
use crate::store::conformance::{self, Subject};

/// Returns options with a prefix of its own for each test: they share a server.
fn options() -> RedisOptions {
    let own = SessionId::random();
    RedisOptions::default()
        .prefix(format!("s{}:", own.expose()))
        .user_prefix(format!("u{}:", own.expose()))
}

async fn subject(url: &str, options: RedisOptions) -> Subject {
    Subject::new(RedisStore::connect_options(url, options).await.unwrap())
}

fn entry_of(user: Option<&str>) -> NewRecord {
    let data = user.map_or(String::new(), |user| format!(r#","userId":"{user}""#));
    NewRecord {
        text: format!(r#"{{"cookie":{{"path":"/"}}{data}}}"#).into(),
        expires: Timestamp::from(std::time::SystemTime::now()).after(Duration::from_mins(1)),
        users: user.map(Into::into).into_iter().collect(),
    }
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

mod valkey_8 {
    use super::*;

    async fn valkey_8() -> Subject {
        static SERVER: std::sync::OnceLock<Redis> = std::sync::OnceLock::new();
        let server = SERVER.get_or_init(|| {
            Redis::with(testbed::RedisOptions {
                program: testbed::RedisProgram::Valkey8,
                ..testbed::RedisOptions::default()
            })
        });
        subject(&server.url(), options()).await
    }
    conformance::suite!(valkey_8().await);
}

mod cluster {
    use super::*;
    conformance::suite!(subject(&RedisCluster::shared().url(), options()).await);
}

mod cluster_mixed {
    use super::*;
    conformance::suite!(subject(&RedisCluster::shared().url(), options().mixed_fleet(true)).await);
}

mod cluster_changes;
mod completion;
mod connecting;
mod faults;
mod odd;
mod repeated;
mod retired;
mod servers;
mod transfer;
mod users;
