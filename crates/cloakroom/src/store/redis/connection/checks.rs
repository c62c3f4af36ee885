//! Checks of a server when the store connects, so that a problem shows before the first save.

use std::collections::HashMap;

use redis::{ErrorKind, RedisError, ServerErrorKind, Value};

use super::command::Request;
use super::durability::Keeping;
use super::error::{GRANT, Idempotency};
use super::link::Link;
use super::server_info::ServerInfo;
use crate::store::StoreError;
use crate::store::redis::replay::text;
use crate::store::redis::session::scripts::Script;
use crate::store::redis::{RedisOptions, invalid};

const NO_SCRIPTS: &str = "this server runs no scripts (EVAL, EVALSHA), without which no save is safe: \
    connect to Redis 7.0 or newer, or to Valkey";
const READ_ONLY: &str = "this server is a read-only replica: connect to its primary, or to the sentinels \
    that know it, redis+sentinel://HOST:PORT/NAME";

/// The result of a script that deletes a key.
#[derive(Debug, PartialEq, Eq)]
enum Probed {
    Works,
    /// The user may not use the key.
    Denied,
    /// The server cannot be used, for a reason.
    Refused(&'static str),
    /// It cannot be decided just now: the first request that needs it will.
    Unknown,
}

impl Probed {
    fn of(said: Result<(), &RedisError>) -> Self {
        let Err(error) = said else {
            return Self::Works;
        };
        match (error.kind(), error.code()) {
            (ErrorKind::Server(ServerErrorKind::ReadOnly), _) => Self::Refused(READ_ONLY),
            (_, Some("NOPERM")) => Self::Denied,
            (_, Some("ERR")) => Self::Refused(NO_SCRIPTS),
            _ => Self::Unknown,
        }
    }
}

impl Link {
    /// Reads the server's description of itself.
    pub(crate) async fn facts(&self) -> (ServerInfo, String) {
        let asked = Request::Anywhere(redis::cmd("INFO"));
        let said = self.send(&asked, Idempotency::Idempotent).await;
        // The user may lack the right; then nothing is known.
        let info = said.ok().and_then(text).unwrap_or_default();
        (ServerInfo::of(&info), info)
    }

    /// Refuses a server that could read sessions but not save any.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Invalid`](crate::store::StoreErrorKind::Invalid), with the cure.
    pub(crate) async fn must_use(&self, key: &str) -> Result<(), StoreError> {
        match self.probe(key).await {
            Probed::Refused(why) => Err(invalid(why)),
            Probed::Denied => Err(invalid(GRANT)),
            Probed::Works | Probed::Unknown => Ok(()),
        }
    }

    /// Returns `true` if scripts may use a key, by the rights of the connection's user.
    pub(crate) async fn may_use(&self, key: &str) -> bool {
        self.probe(key).await != Probed::Denied
    }

    /// Deletes an absent key, by a script as saves are.
    async fn probe(&self, key: &str) -> Probed {
        let script = Script::probe();
        for (name, text) in [("EVAL", &script.code), ("EVALSHA", &script.hash)] {
            let mut call = redis::cmd(name);
            call.arg(text).arg(1).arg(key);
            let said = self.try_send(&call.into()).await;
            let probed = Probed::of(said.as_ref().map(|_| ()));
            if probed != Probed::Works {
                return probed;
            }
        }
        Probed::Works
    }

    /// Warns if the server may undo what it acknowledged.
    pub(crate) async fn warn_of_losses(&self, info: &str, options: &RedisOptions) {
        let mut asked = redis::cmd("CONFIG");
        asked.arg("GET");
        for name in ["appendfsync", "min-replicas-to-write", "save"] {
            asked.arg(name);
        }
        let said = self
            .send(&Request::Anywhere(asked), Idempotency::Idempotent)
            .await;
        let config = said.map_or_else(|_| HashMap::new(), settings);
        let keeping = Keeping::of(info, &config);
        let has_others = self.sentinels.is_some();
        if let Some(warning) = keeping.warning(has_others, options.wait_replicas > 0) {
            tracing::warn!("{warning}");
        }
    }
}

pub(crate) fn settings(said: Value) -> HashMap<String, String> {
    redis::from_redis_value(said).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use redis::RedisError;

    use super::{NO_SCRIPTS, Probed, READ_ONLY};

    #[test]
    fn r9_server_is_refused_only_for_missing_abilities() {
        let table = [
            (
                "READONLY You can't write against a read only replica.",
                Probed::Refused(READ_ONLY),
            ),
            (
                "ERR unknown command 'EVALSHA', with args beginning with: ",
                Probed::Refused(NO_SCRIPTS),
            ),
            ("NOPERM No permissions to access a key", Probed::Denied),
            (
                "NOREPLICAS Not enough good replicas to write.",
                Probed::Unknown,
            ),
            (
                "MISCONF Redis is configured to save RDB snapshots",
                Probed::Unknown,
            ),
            (
                "LOADING Redis is loading the dataset in memory",
                Probed::Unknown,
            ),
            (
                "OOM command not allowed when used memory > 'maxmemory'.",
                Probed::Unknown,
            ),
        ];
        for (said, expected) in table {
            let reply = format!("-{said}\r\n").into_bytes();
            let value = redis::parse_redis_value(&reply).and_then(redis::Value::extract_error);
            let error: RedisError = value.unwrap_err();
            assert_eq!(Probed::of(Err(&error)), expected, "{said}");
        }
        assert_eq!(Probed::of(Ok(())), Probed::Works);
    }
}
