//! A store named by its URL.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::url::split_near;
use super::{Store, StoreError};

/// Any of the stores that this build has, chosen by a URL when the program starts.
#[derive(Clone)]
pub struct AnyStore {
    store: Arc<dyn Store>,
    kind: &'static str,
    #[cfg(feature = "near")]
    near: Option<super::near::NearStore>,
}

/// The options of a store that its URL does not carry; each store reads those that concern it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct StoreOptions {
    /// The prefix of keys in Redis. `None`: `sess:`, connect-redis's default.
    pub prefix: Option<String>,
    /// The table in PostgreSQL, the collection in MongoDB. `None`: `session` and `sessions`, the defaults of
    /// connect-pg-simple and connect-mongo.
    pub table: Option<String>,
    /// The schema of the table in PostgreSQL. `None`: the connection's `search_path` decides.
    pub schema: Option<String>,
    /// `true` if nothing may be created that is missing: for a tool that looks at a store which another program
    /// serves. Default: `false`.
    pub must_exist: bool,
    /// `true` if nothing is written, and no right to write is needed: for a tool that only looks. Default:
    /// `false`.
    pub read_only: bool,
    /// `true` if Express writes to the store as well and would resurrect sessions that are destroyed here: a
    /// tombstone then takes the place of each. Default: `false`.
    pub mixed_fleet: bool,
    /// Bound on the age of a read from a near cache in front of the store, usually 1 s: see `manual::caching`.
    /// `None`, the default: no cache. `near=1s` in the URL takes precedence. Set the same bound on every
    /// server of a fleet.
    pub near: Option<Duration>,
}

impl StoreOptions {
    /// Creates options that add nothing to the URL.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the prefix of keys in Redis. Default: `sess:`, as connect-redis has it.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// Sets the table in PostgreSQL, or the collection in MongoDB. Default: `session` and `sessions`, as
    /// connect-pg-simple and connect-mongo have them.
    #[must_use]
    pub fn table(mut self, table: impl Into<String>) -> Self {
        self.table = Some(table.into());
        self
    }

    /// Sets the schema of the table in PostgreSQL. Default: the connection's `search_path` decides.
    #[must_use]
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = Some(schema.into());
        self
    }

    /// Sets whether the file of SQLite, the table in PostgreSQL and the index in MongoDB must be there already.
    /// Default: `false`, and missing ones are created.
    #[must_use]
    pub fn must_exist(mut self, must_exist: bool) -> Self {
        self.must_exist = must_exist;
        self
    }

    /// Sets whether the store is opened to be read alone: no lock is waited for, no right to write is needed,
    /// nothing is created or pruned, and what is missing is an error as with
    /// [`must_exist`](Self::must_exist). SQLite then refuses writes; the other stores leave that to the
    /// server's rights. Default: `false`.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Sets whether Express writes to the store as well, and would resurrect what is destroyed here.
    /// Default: false.
    #[must_use]
    pub fn mixed_fleet(mut self, mixed_fleet: bool) -> Self {
        self.mixed_fleet = mixed_fleet;
        self
    }

    /// Puts a cache in front of the store whose answers are never older than this, mostly 1 s; it needs the
    /// feature `near`. Default: there is none.
    #[must_use]
    pub fn near(mut self, staleness: Duration) -> Self {
        self.near = Some(staleness);
        self
    }
}

/// The reason why a URL led to no store; its `Debug` is its text with all causes, for a `main` that returns it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL has none of the schemes that [`AnyStore::connect`] knows.
    #[error("not a store's URL: give one of {}", AnyStore::SCHEMES.join(", "))]
    UnknownScheme,
    /// The store is known, but this build was made without it.
    #[error("this program was built without `{0}`: build it with the feature `{0}`")]
    NotBuilt(&'static str),
    /// The URL's `near` is not a duration.
    #[error("`near` takes how old an answer may be: write near=1s or near=500ms, once")]
    Near,
    /// The store could not be opened.
    #[error("the {0} store cannot be opened")]
    Store(&'static str, #[source] StoreError),
}

impl fmt::Debug for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::says::with_causes(self, f)
    }
}

impl AnyStore {
    /// The schemes that are known, whether or not this build has their stores.
    pub const SCHEMES: [&'static str; 10] = [
        "memory:",
        "sqlite:PATH",
        "redis://HOST:PORT/DB",
        "rediss://…",
        "redis+unix:PATH",
        "redis+cluster://HOST:PORT,HOST:PORT",
        "rediss+cluster://…",
        "redis+sentinel://HOST:PORT,HOST:PORT/NAME/DB",
        "postgres://USER@HOST/DATABASE",
        "mongodb://HOST/DATABASE",
    ];

    /// Opens the store that `url` names: one of [`SCHEMES`](Self::SCHEMES).
    ///
    /// `?near=1s` (`&near=1s` after other parameters) puts a cache in front of it, whose reads are never
    /// older than that: whole seconds, or milliseconds as in `near=500ms`. It needs the feature `near`;
    /// `manual::caching` describes its use.
    ///
    /// # Errors
    ///
    /// [`ConnectError`], whose text says what to do; it never contains the URL, which may hold a password.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::connect_with(url, &StoreOptions::default()).await
    }

    /// Connects with options that the URL does not carry.
    ///
    /// # Errors
    ///
    /// As for [`connect`](Self::connect).
    pub async fn connect_with(url: &str, options: &StoreOptions) -> Result<Self, ConnectError> {
        let (url, near) = split_near(url)?;
        let near = near.or(options.near);
        if near.is_some() && cfg!(not(feature = "near")) {
            return Err(ConnectError::NotBuilt("near"));
        }
        let store = Self::open(&url, options).await?;
        Ok(match near {
            Some(staleness) => store.near(staleness),
            None => store,
        })
    }

    async fn open(url: &str, options: &StoreOptions) -> Result<Self, ConnectError> {
        let opened = Self::open_scheme(url, options).await;
        opened.map_err(|error| match (error, place_of(url)) {
            (ConnectError::Store(kind, error), Some(place)) => {
                ConnectError::Store(kind, error.at(place))
            }
            (error, _) => error,
        })
    }

    async fn open_scheme(url: &str, options: &StoreOptions) -> Result<Self, ConnectError> {
        let (scheme, rest) = url.split_once(':').ok_or(ConnectError::UnknownScheme)?;
        match scheme {
            "memory" if !matches!(rest, "" | "//") => Err(no_memory_url()),
            "memory" => memory(),
            "sqlite" => sqlite(rest, options),
            "redis" | "rediss" | "redis+unix" | "redis+cluster" | "rediss+cluster"
            | "redis+sentinel" => redis(url, options).await,
            "postgres" | "postgresql" => postgres(url, options).await,
            "mongodb" | "mongodb+srv" => mongodb(url, options).await,
            _ => Err(ConnectError::UnknownScheme),
        }
    }

    /// Returns the kind of store: the name of its feature.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Returns the cache in front of the store, if the URL or the [options](StoreOptions::near) requested
    /// one: for its counters.
    #[cfg(feature = "near")]
    pub fn near_store(&self) -> Option<&super::near::NearStore> {
        self.near.as_ref()
    }

    #[cfg(feature = "near")]
    fn near(self, staleness: Duration) -> Self {
        let options = super::near::NearOptions::default().staleness(staleness);
        let near = super::near::NearStore::with(self.store, &options);
        Self {
            store: Arc::new(near.clone()),
            near: Some(near),
            ..self
        }
    }

    /// Does nothing: a build without caches refuses a request for one before.
    #[cfg(not(feature = "near"))]
    fn near(self, _: Duration) -> Self {
        self
    }

    #[cfg(any(
        feature = "memory",
        feature = "sqlite",
        feature = "redis",
        feature = "postgres",
        feature = "mongodb"
    ))]
    fn of(
        kind: &'static str,
        opened: Result<impl Store, StoreError>,
    ) -> Result<Self, ConnectError> {
        let store = opened.map_err(|error| ConnectError::Store(kind, error))?;
        Ok(Self {
            store: Arc::new(store),
            kind,
            #[cfg(feature = "near")]
            near: None,
        })
    }
}

/// The hosts that a URL names, without user and password; `None` where they cannot be told apart for sure.
pub(super) fn place_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let (before, place) = rest.rsplit_once('@').unwrap_or(("", rest));
    let place = place.split(['/', '?', '#']).next()?;
    let is_host = |c: char| c.is_ascii_alphanumeric() || ".-_:,[]".contains(c);
    let is_sure = !before.contains(['@', '?', '#']) && !place.is_empty();
    (is_sure && place.chars().all(is_host)).then_some(place)
}

/// Refuses what follows `memory:`: it is meant for another store, or asks for what this one does not do.
fn no_memory_url() -> ConnectError {
    let why = "the URL of the store in memory is `memory:` alone, it keeps nothing on disk and takes no \
               parameters but `near`: for a file write sqlite:PATH";
    ConnectError::Store(
        "memory",
        StoreError::new(super::StoreErrorKind::Invalid, why),
    )
}

#[cfg(feature = "memory")]
fn memory() -> Result<AnyStore, ConnectError> {
    AnyStore::of("memory", Ok(super::memory::MemoryStore::new()))
}

#[cfg(not(feature = "memory"))]
fn memory() -> Result<AnyStore, ConnectError> {
    Err(ConnectError::NotBuilt("memory"))
}

#[cfg(feature = "sqlite")]
fn sqlite(path: &str, options: &StoreOptions) -> Result<AnyStore, ConnectError> {
    // Both `sqlite:///path` and `sqlite:path` are in use.
    let path = path.strip_prefix("//").unwrap_or(path);
    // Other programs' URLs have parameters, which would become part of the file's name here.
    let has_parameters = path
        .split_once('?')
        .is_some_and(|(_, query)| query.contains('='));
    let must_exist = options.must_exist || options.read_only;
    let opened = if must_exist && !std::path::Path::new(path).exists() {
        let why = "there is no such file: give the path that the serving program has";
        Err(StoreError::new(super::StoreErrorKind::Invalid, why))
    } else if has_parameters {
        let why = "the URL of SQLite takes no parameters: write sqlite:PATH";
        Err(StoreError::new(super::StoreErrorKind::Invalid, why))
    } else if options.read_only {
        super::sqlite::SqliteStore::open_read_only(path)
    } else {
        super::sqlite::SqliteStore::open(path)
    };
    AnyStore::of("sqlite", opened)
}

#[cfg(not(feature = "sqlite"))]
fn sqlite(_: &str, _: &StoreOptions) -> Result<AnyStore, ConnectError> {
    Err(ConnectError::NotBuilt("sqlite"))
}

#[cfg(feature = "redis")]
async fn redis(url: &str, options: &StoreOptions) -> Result<AnyStore, ConnectError> {
    let store = super::redis::RedisStore::connect_with(url, options).await;
    AnyStore::of("redis", store)
}

#[cfg(not(feature = "redis"))]
#[expect(clippy::unused_async, reason = "the build with it waits")]
async fn redis(_: &str, _: &StoreOptions) -> Result<AnyStore, ConnectError> {
    Err(ConnectError::NotBuilt("redis"))
}

#[cfg(feature = "postgres")]
async fn postgres(url: &str, options: &StoreOptions) -> Result<AnyStore, ConnectError> {
    let store = super::postgres::PostgresStore::connect_with(url, options).await;
    AnyStore::of("postgres", store)
}

#[cfg(not(feature = "postgres"))]
#[expect(clippy::unused_async, reason = "the build with it waits")]
async fn postgres(_: &str, _: &StoreOptions) -> Result<AnyStore, ConnectError> {
    Err(ConnectError::NotBuilt("postgres"))
}

#[cfg(feature = "mongodb")]
async fn mongodb(url: &str, options: &StoreOptions) -> Result<AnyStore, ConnectError> {
    let store = super::mongodb::MongoStore::connect_with(url, options).await;
    AnyStore::of("mongodb", store)
}

#[cfg(not(feature = "mongodb"))]
#[expect(clippy::unused_async, reason = "the build with it waits")]
async fn mongodb(_: &str, _: &StoreOptions) -> Result<AnyStore, ConnectError> {
    Err(ConnectError::NotBuilt("mongodb"))
}

impl fmt::Debug for AnyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyStore").field(&self.kind).finish()
    }
}

impl From<AnyStore> for Arc<dyn Store> {
    fn from(any: AnyStore) -> Self {
        any.store
    }
}

impl super::StoreWrapper for AnyStore {
    type Inner = dyn Store;

    fn inner(&self) -> &dyn Store {
        &*self.store
    }
}

#[cfg(test)]
mod tests {
    use super::place_of;

    #[test]
    fn z7_a_host_is_named_and_never_a_password() {
        #[rustfmt::skip]
        let table = [
            ("redis://127.0.0.1:6379/0",                 Some("127.0.0.1:6379")),
            ("redis://user:hunter2@cache.example/0",     Some("cache.example")),
            ("redis://:hun/ter2@cache.example:1/0",      Some("cache.example:1")),
            ("postgres://u:p@[::1]:5432/db?x=y",         Some("[::1]:5432")),
            ("redis+cluster://a:1,b:2?near=1s",          Some("a:1,b:2")),
            ("mongodb://h/db?authSource=a@hunter2",      None),
            ("redis://u:hunter2@x@cache.example/0",      None),
            ("redis://u:hun?ter2@cache.example/0",       None),
            ("postgres:///db?password=hunter2",          None),
            ("sqlite:/var/lib/x.db",                     None),
        ];
        for (url, place) in table {
            assert_eq!(place_of(url), place, "{url}");
        }
    }
}
