//! Options of the Redis store.

use std::time::Duration;

use redis::{ClientTlsConfig, TlsCertificates};

use super::replay::LogLimits;
use crate::clock::Clock;
use crate::store::StoreOptions;

/// The options of a store in Redis. The defaults are connect-redis's.
#[derive(Clone, Debug)]
#[must_use]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent settings, each set by name"
)]
pub struct RedisOptions {
    pub(super) prefix: String,
    pub(super) user_prefix: String,
    pub(super) mixed_fleet: bool,
    pub(super) read_only: bool,
    pub(super) express_indexes: bool,
    pub(super) connect_timeout: Duration,
    pub(super) response_timeout: Duration,
    pub(super) certificates: Option<TlsCertificates>,
    pub(super) replay: LogLimits,
    pub(super) wait_replicas: u32,
    pub(super) wait_timeout: Duration,
    pub(super) wait_for_writes: bool,
    pub(super) clock: Clock,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self {
            prefix: "sess:".into(),
            user_prefix: "user:".into(),
            mixed_fleet: false,
            read_only: false,
            express_indexes: false,
            connect_timeout: Duration::from_secs(1),
            response_timeout: Duration::from_millis(1500),
            certificates: None,
            replay: LogLimits {
                age: Duration::from_mins(70),
                ids: 65_536,
            },
            wait_replicas: 0,
            wait_timeout: Duration::from_millis(300),
            wait_for_writes: false,
            clock: Clock::System,
        }
    }
}

impl RedisOptions {
    /// Returns the options that [`AnyStore`](crate::store::AnyStore) has for this store.
    pub(super) fn of(options: &StoreOptions) -> Self {
        let own = Self {
            read_only: options.read_only,
            ..Self::default().mixed_fleet(options.mixed_fleet)
        };
        match &options.prefix {
            Some(prefix) => own.prefix(prefix),
            None => own,
        }
    }

    /// Sets the prefix of the keys of sessions. Default: `sess:`, as in connect-redis.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets the prefix of the keys of the index of users. Default: `user:`, for keys of the form
    /// `user:42:sessions`.
    pub fn user_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.user_prefix = prefix.into();
        self
    }

    /// Sets whether Express writes to the store as well. Default: `false`.
    ///
    /// Express writes a session back whole at the end of a request, even one that was destroyed meanwhile.
    /// With this set, a key `tomb:{sess:<id>}` stands in place of a destroyed session for longer than
    /// Express's copy of it may live, and a session that Express resurrects is refused and removed here.
    pub fn mixed_fleet(mut self, mixed: bool) -> Self {
        self.mixed_fleet = mixed;
        self
    }

    /// Sets whether Express maintains the index of each user's sessions at its logins. Default: `false`.
    ///
    /// Express's own session store does not. In a mixed fleet a list of a user's sessions and a logout
    /// everywhere therefore read every session that Redis holds, some hundreds in a round trip. With more
    /// than a hundred thousand, let Express run `SADD user:<id>:sessions <session id>`, `EXPIRE … NX` and
    /// `EXPIRE … GT` at each login, and set this.
    pub fn express_indexes(mut self, indexes: bool) -> Self {
        self.express_indexes = indexes;
        self
    }

    /// Sets the time-out for making a connection. Default: 1 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets the time-out for a reply, after which the connection is given up. Default: 1.5 s, less than the
    /// policy's `store_timeout`.
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout;
        self
    }

    /// Sets the authority that must have issued a server's certificate, in PEM. Default: those that the
    /// system trusts.
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.certificates().root_cert = Some(pem.into());
        self
    }

    /// Sets the client certificate and its key, in PEM. Default: none.
    pub fn client_certificate(
        mut self,
        certificate: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.certificates().client_tls = Some(ClientTlsConfig {
            client_cert: certificate.into(),
            client_key: key.into(),
        });
        self
    }

    /// Sets the time for which this process keeps the ids of sessions whose end the server has acknowledged,
    /// and their number. Default: 70 minutes, 65,536 ids.
    ///
    /// A server that restarts from a snapshot, and a replica that takes over, may bring back sessions that
    /// were ended. The logged ends are repeated before this process uses such a server; so an end is undone
    /// only if every process that made it is gone. By its default settings Redis takes a snapshot within an
    /// hour of a change, within five minutes of a hundred and within one of ten thousand; 65,536 ids are an
    /// hour of 18 ends a second, five minutes of 218, one of 1,092. An id takes about 180 bytes, a replaced
    /// one some hundred more, so that all of them take 12 to 20 MB.
    ///
    /// Servers are told apart by `INFO`: a user of few rights needs `+info`, or all ends are repeated on each
    /// new connection.
    pub fn replay_ends(mut self, age: Duration, ids: usize) -> Self {
        self.replay = LogLimits { age, ids };
        self
    }

    /// Turns the repetition of ends off: sessions that were ended may come back.
    pub fn without_replay(self) -> Self {
        self.replay_ends(Duration::ZERO, 0)
    }

    /// Sets the number of replicas that must have an end (a logout, a replaced id, a user's sessions) before
    /// it is reported as done. Default: 0, without waiting. In the URL: `?wait_replicas=1`.
    ///
    /// Ends then go over a connection of their own, each followed by a `WAIT`, and a failover to one of these
    /// replicas undoes none. If fewer have it in time, the outcome is
    /// [`Unknown`](crate::store::StoreErrorKind::Unknown): the session is gone from the primary, and may come
    /// back with a failover.
    pub fn wait_replicas(mut self, replicas: u32) -> Self {
        self.wait_replicas = replicas;
        self
    }

    /// Sets the time to wait for replicas, half of the response time-out at most. Default: 300 ms.
    ///
    /// Once too few have answered, the next ends ask without waiting, until there are enough again.
    pub fn wait_timeout(mut self, timeout: Duration) -> Self {
        self.wait_timeout = timeout;
        self
    }

    /// Sets whether all writes wait for replicas, not ends alone. Default: `false`, because each save then
    /// takes as long as the slowest of them.
    pub fn wait_for_writes(mut self, wait: bool) -> Self {
        self.wait_for_writes = wait;
        self
    }

    /// Sets the clock by which a session's remaining time is computed, for tests. Default: the machine's.
    /// Redis itself goes by its own.
    pub fn clock(mut self, clock: impl Into<Clock>) -> Self {
        self.clock = clock.into();
        self
    }

    fn certificates(&mut self) -> &mut TlsCertificates {
        self.certificates.get_or_insert(TlsCertificates {
            client_tls: None,
            root_cert: None,
        })
    }
}
