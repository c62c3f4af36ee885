//! Options of the PostgreSQL store.

use std::fmt;
use std::time::Duration;

use crate::clock::Clock;
use crate::store::{StoreOptions, UserKeys};

/// The options of a [`PostgresStore`](super::PostgresStore) beside its URL.
#[derive(Clone)]
#[must_use]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent settings, each set by name"
)]
pub struct PostgresOptions {
    pub(super) schema: Option<String>,
    pub(super) table: String,
    pub(super) pool_size: usize,
    pub(super) connect_timeout: Duration,
    pub(super) mixed_fleet: bool,
    pub(super) notify_ends: bool,
    pub(super) notify_changes: bool,
    pub(super) listen_url: Option<String>,
    pub(super) prune_every: Option<Duration>,
    pub(super) create_table: bool,
    pub(super) read_only: bool,
    pub(super) user_keys: UserKeys,
    pub(super) clock: Clock,
}

impl PostgresOptions {
    /// Creates the options with their defaults.
    pub fn new() -> Self {
        Self {
            schema: None,
            table: "session".to_owned(),
            pool_size: 10,
            connect_timeout: Duration::from_secs(1),
            mixed_fleet: false,
            notify_ends: false,
            notify_changes: false,
            listen_url: None,
            prune_every: Some(Duration::from_mins(15)),
            create_table: true,
            read_only: false,
            user_keys: UserKeys::default(),
            clock: Clock::System,
        }
    }

    /// Returns the options that [`AnyStore`](crate::store::AnyStore) has for this store.
    pub(super) fn of(options: &StoreOptions) -> Self {
        let mut own = Self::new()
            .mixed_fleet(options.mixed_fleet)
            .create_table(!options.must_exist && !options.read_only);
        own.read_only = options.read_only;
        if options.read_only {
            own = own.without_pruning();
        }
        own.schema.clone_from(&options.schema);
        match &options.table {
            Some(table) => own.table(table),
            None => own,
        }
    }

    /// Sets the name of the table, unquoted: it is quoted here.
    ///
    /// Default: `session`, connect-pg-simple's.
    #[doc(alias = "tableName")]
    pub fn table(mut self, table: impl Into<String>) -> Self {
        self.table = table.into();
        self
    }

    /// Sets the schema of the table, unquoted: it is quoted here.
    ///
    /// Default: none, so that the connection's `search_path` decides, as in connect-pg-simple.
    #[doc(alias = "schemaName")]
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = Some(schema.into());
        self
    }

    /// Sets the size of the connection pool; at least one.
    ///
    /// Default: 10, as in node-postgres. Reads of single sessions share up to three of them, at most half;
    /// any other call holds one for a round trip.
    pub fn pool_size(mut self, connections: usize) -> Self {
        self.pool_size = connections.max(1);
        self
    }

    /// Sets the time-out for a TCP connection; the login may take as long again. A `connect_timeout` in the
    /// URL takes precedence.
    ///
    /// Default: 1 second, so that a request still has time to answer 503 within its two.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets whether Express writes to the table as well, and would resurrect sessions that are destroyed
    /// here.
    ///
    /// A destroyed session then leaves its id in the table `<table>_tomb`, for 15 minutes and until the next
    /// pruning. A row that Express writes under it is invisible here, and deleted with it. The statements
    /// `shield` of [`ddl`](super::PostgresStore::ddl) keep such rows from Express, too.
    ///
    /// Default: `false`; it costs a look into that table with each statement.
    pub fn mixed_fleet(mut self, mixed: bool) -> Self {
        self.mixed_fleet = mixed;
        self
    }

    /// Sets whether the database notifies of the end of a session at once, for
    /// [`Session::ended`](crate::Session::ended): by the trigger `ended` of
    /// [`ddl`](super::PostgresStore::ddl), which is created if it is missing and
    /// [`create_table`](Self::create_table) is on, and a connection of its own for as long as a session is
    /// watched.
    ///
    /// Default: `false`; then watched sessions are polled twice a second, a thousand in a statement. Behind a
    /// pooler it takes a [`listen_url`](Self::listen_url).
    pub fn notify_ends(mut self, notify: bool) -> Self {
        self.notify_ends = notify;
        self
    }

    /// Sets whether the database notifies of changes to records at once, for a cache in front of the store
    /// (`store::near`): by the triggers `notify` of [`ddl`](super::PostgresStore::ddl), which are created if
    /// they are missing and [`create_table`](Self::create_table) is on.
    ///
    /// Default: `false`. Existing triggers are used in any case; without them a cache serves what it read
    /// within its bound, and nothing older. A commit of a save then takes a lock that all notifying commits
    /// share. Behind a pooler it takes a [`listen_url`](Self::listen_url).
    pub fn notify_changes(mut self, notify: bool) -> Self {
        self.notify_changes = notify;
        self
    }

    /// Sets the URL of the server itself, if the store's own leads to a pooler: connections that listen to
    /// notifications go there.
    ///
    /// Default: none, the store's own URL. A pooler may pass no notifications on, or not for long, so that
    /// [`notify_ends`](Self::notify_ends) and [`notify_changes`](Self::notify_changes) are refused behind
    /// one.
    pub fn listen_url(mut self, url: impl Into<String>) -> Self {
        self.listen_url = Some(url.into());
        self
    }

    /// Sets the interval at which expired rows are deleted; each wait lasts 50 to 150 % of it, so that the
    /// processes of a fleet do not all prune at once.
    ///
    /// Default: 15 minutes, connect-pg-simple's.
    #[doc(alias = "pruneSessionInterval")]
    pub fn prune_every(mut self, interval: Duration) -> Self {
        self.prune_every = Some(interval);
        self
    }

    /// Leaves expired rows to another program: Express, a cron job, or calls of `prune`.
    pub fn without_pruning(mut self) -> Self {
        self.prune_every = None;
        self
    }

    /// Sets whether a missing table is created when the store connects, with the index of users. A table that
    /// exists is never altered.
    ///
    /// Default: `true`, as the other stores do; a role without the right to create needs it only if the table
    /// is missing.
    #[doc(alias = "createTableIfMissing")]
    pub fn create_table(mut self, create: bool) -> Self {
        self.create_table = create;
        self
    }

    /// Sets the keys under which records name their user, for the index that is created with the table.
    ///
    /// Default: as in [`UserKeys`]. A manager passes its policy's keys to the store when it starts.
    pub fn user_keys(mut self, keys: UserKeys) -> Self {
        self.user_keys = keys;
        self
    }

    /// Sets the clock of the caller's instants, for tests.
    ///
    /// Default: this machine's. Expiry is decided by the server's clock: an instant counts as a distance from
    /// now. A [`ManualClock`](crate::ManualClock) replaces both.
    pub fn clock(mut self, clock: impl Into<Clock>) -> Self {
        self.clock = clock.into();
        self
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A URL may hold a password.
        f.debug_struct("PostgresOptions")
            .field("schema", &self.schema)
            .field("table", &self.table)
            .field("pool_size", &self.pool_size)
            .field("connect_timeout", &self.connect_timeout)
            .field("mixed_fleet", &self.mixed_fleet)
            .field("notify_ends", &self.notify_ends)
            .field("notify_changes", &self.notify_changes)
            .field("listen_url", &self.listen_url.is_some())
            .field("prune_every", &self.prune_every)
            .field("create_table", &self.create_table)
            .field("user_keys", &self.user_keys)
            .finish_non_exhaustive()
    }
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self::new()
    }
}
