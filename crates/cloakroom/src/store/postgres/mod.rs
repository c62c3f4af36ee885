//! Sessions in PostgreSQL, in connect-pg-simple's table.
//!
//! Each operation is one statement, prepared once per connection: one round trip. Concurrent reads of
//! sessions share one. The connection's `TimeZone` is the server's, as for Express, for it decides the
//! meaning of the column `expire`.

mod connection;
mod ddl;
#[cfg(feature = "inspect")]
mod inspect;
mod names;
mod options;
mod read_pool;
mod schema;
mod session;
mod subscription;
mod user_index;

use std::fmt;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use deadpool_postgres::Pool;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

pub use self::ddl::Ddl;
pub use self::options::PostgresOptions;

#[cfg(feature = "inspect")]
pub(super) use self::inspect::inspect;

use self::connection::connect;
use self::connection::full::PoolExhausted;
use self::connection::pooler::Pooler;
use self::connection::url;
use self::names::TableNames;
use self::read_pool::ReadPool;
use self::session::prune;
use self::session::sid::Sid;
use self::session::sql::{Column, Expire, Layout, Sql};
use self::subscription::{changes, ends};
use self::user_index::UserIndex;
use super::completion::to_completion;
use super::transfer::bounded;
use super::{
    CasOutcome, Changes, Ends, InvalidationSink, NewRecord, Page, PutIf, PutOutcome, RecordPage,
    RetiredId, Store, StoreError, StoreFuture, StoreOptions, StoredRecord, UserKeys,
};
use crate::clock::{Clock, Timestamp};
use crate::id::SessionId;
use crate::record::RecordText;

/// A store in one table of PostgreSQL 12 or newer; clones are the same store.
///
/// A column `sess` of the type `json` keeps records byte for byte. One of the type `jsonb` keeps
/// their values, and takes no `\u0000` and no lone surrogate. A column `expire` with a time zone does
/// as well as connect-pg-simple's without; `sid` may be `varchar`, `text`, `char(n)` or `uuid`, which
/// takes a policy whose ids are UUIDs.
///
/// An acknowledged write is as durable as `synchronous_commit` makes it, except a touch, which never waits
/// for the disk.
///
/// Connections come from a pool and recover by themselves after an outage of the server. With
/// `sslmode=require` or `verify-full` in the URL they are encrypted, and the server's certificate and name
/// are checked against the system's roots (or the file in `SSL_CERT_FILE`, or the one that the URL's
/// `sslrootcert` names). `prefer` does so too, except for a server on this machine that has no TLS. Without
/// any they are plain, as in node-postgres, with a warning if the server is another machine.
///
/// A pooler in front of the server (`PgBouncer` in any of its modes) is detected when a connection is made:
/// statements are then unnamed, for another process may get the connection next. Listening to notifications
/// needs the server's own URL there ([`PostgresOptions::listen_url`]).
#[derive(Clone)]
pub struct PostgresStore(Arc<PostgresInner>);

struct PostgresInner {
    pool: Pool,
    full: PoolExhausted,
    pooler: Arc<Pooler>,
    lines: Arc<ReadPool>,
    names: TableNames,
    sql: Sql,
    layout: Layout,
    /// The server that subscriptions connect to.
    apart: connect::Server,
    notify_ends: bool,
    /// `true` if the database notifies of changes.
    notifies: bool,
    /// `true` if this store created the table.
    created: bool,
    clock: Clock,
    users: ArcSwap<UserIndex>,
    /// Limits the connections that wait at the same time for a row that others hold.
    waiting: Semaphore,
    pruner: OnceLock<AbortHandle>,
}

impl PostgresStore {
    /// Opens the table `session` of the database that `url` names:
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with libpq's parameters behind a `?`.
    ///
    /// Parameters of node-postgres and Prisma are heeded if they mean something here (`max`,
    /// `connection_limit`, `connectionTimeoutMillis`, `statement_timeout`, `ssl`, `sslrootcert`), and take
    /// precedence over the options; a warning names the others.
    ///
    /// # Errors
    ///
    /// As for [`connect_options`](Self::connect_options).
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::connect_options(url, PostgresOptions::new()).await
    }

    /// Connects with the options of [`AnyStore`](super::AnyStore).
    ///
    /// # Errors
    ///
    /// As for [`connect_options`](Self::connect_options).
    pub(crate) async fn connect_with(
        url: &str,
        options: &StoreOptions,
    ) -> Result<Self, StoreError> {
        Self::connect_options(url, PostgresOptions::of(options)).await
    }

    /// Opens the table that `options` name, or creates it, and checks it.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Invalid`](super::StoreErrorKind::Invalid) for an unusable URL or table,
    /// [`StoreErrorKind::Unavailable`](super::StoreErrorKind::Unavailable) if the server cannot be reached or
    /// refuses; `source` says what to mend, and never contains the URL.
    pub async fn connect_options(url: &str, options: PostgresOptions) -> Result<Self, StoreError> {
        let said = url::read(url)?;
        let options = match said.pool_size {
            Some(size) => options.pool_size(size),
            None => options,
        };
        let is_brief = !said.has_lock_timeout;
        let server = connect::Server::new(said, &options)?;
        let apart = match &options.listen_url {
            Some(url) => connect::Server::new(url::read(url)?, &options)?,
            None => server.clone(),
        };
        let pooler = Arc::<Pooler>::default();
        let pool = connect::pool(&server, &options, &pooler)?;
        let mut options = options;
        let names = TableNames::new(options.schema.as_deref(), &options.table);
        let mut inner = PostgresInner::new(pool, pooler, apart, names, is_brief, &options);
        let can_listen = connect::can_listen(&inner, &options).await?;
        let ready = schema::prepare(&inner, &options).await?;
        inner.created = ready.created;
        inner.notifies = ready.notifies && can_listen;
        let layout = ready.fit(inner.layout);
        if connect::is_too_many(options.pool_size, ready.connections, &inner.pooler) {
            options = options.pool_size(ready.connections);
            inner.pool = connect::pool(&server, &options, &inner.pooler)?;
            inner.fit(layout, &options);
        } else if layout != inner.layout {
            inner.fit(layout, &options);
        }
        // The connection that did so becomes the first shared one, before readers contend for the pool.
        ReadPool::add(&inner.lines).await;
        let inner = Arc::new(inner);
        if let Some(interval) = options.prune_every {
            let _ = inner.pruner.set(prune::spawn(&inner, interval));
        }
        Ok(Self(inner))
    }

    /// Returns the objects that can be created in the database: `table`, `user_index`, `tombstones`,
    /// `retired`, `shield`, `notify`, `ended`. All but `table` are optional, and `tombstones` is needed with
    /// [`mixed_fleet`](PostgresOptions::mixed_fleet). Without `retired`, late requests of a visitor who has
    /// just signed in or out may get sessions of their own; a store that may create it does.
    pub fn ddl(options: &PostgresOptions, keys: &UserKeys) -> Vec<Ddl> {
        let names = TableNames::new(options.schema.as_deref(), &options.table);
        ddl::all(&names, keys)
    }

    /// Runs the statements of [`ddl`](Self::ddl), in one transaction, after any other process that does so.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Unavailable`](super::StoreErrorKind::Unavailable) if the server refuses: mostly
    /// because the role does not own the table.
    pub async fn apply(&self, ddl: &Ddl) -> Result<(), StoreError> {
        Ok(self.0.run_batch(&ddl.sql).await?)
    }
}

impl PostgresInner {
    fn new(
        pool: Pool,
        pooler: Arc<Pooler>,
        apart: connect::Server,
        names: TableNames,
        is_brief: bool,
        options: &PostgresOptions,
    ) -> Self {
        // Columns as connect-pg-simple's, until they were inspected.
        let layout = Layout {
            sid: Sid::Text,
            column: Column::Json,
            expire: Expire::Local,
            mixed_fleet: options.mixed_fleet,
            retires: false,
            is_set: matches!(options.clock, Clock::Manual(_)),
            is_brief,
        };
        let sql = Sql::new(&names, layout);
        let users = UserIndex::new(&names, layout, &options.user_keys);
        Self {
            lines: ReadPool::new(&pool, &pooler, &sql, options.pool_size),
            pool,
            full: PoolExhausted::default(),
            pooler,
            sql,
            names,
            layout,
            apart,
            notify_ends: options.notify_ends,
            notifies: false,
            created: false,
            clock: options.clock.clone(),
            users: ArcSwap::from_pointee(users),
            waiting: Semaphore::new((options.pool_size / 4).max(1)),
            pruner: OnceLock::new(),
        }
    }

    /// Writes the statements for a table as it was found.
    fn fit(&mut self, layout: Layout, options: &PostgresOptions) {
        self.sql = Sql::new(&self.names, layout);
        self.lines = ReadPool::new(&self.pool, &self.pooler, &self.sql, options.pool_size);
        let users = UserIndex::new(&self.names, layout, &options.user_keys);
        self.users.store(Arc::new(users));
        self.layout = layout;
    }

    /// Returns now, as the statements take it: by this process's clock.
    fn now(&self) -> i64 {
        millis(self.clock.now())
    }

    fn set_user_keys(&self, keys: &UserKeys) {
        if self.users.load().keys() != keys {
            let users = UserIndex::new(&self.names, self.layout, keys);
            self.users.store(Arc::new(users));
        }
    }
}

impl Drop for PostgresInner {
    fn drop(&mut self) {
        if let Some(pruner) = self.pruner.get() {
            pruner.abort();
        }
    }
}

/// Converts an instant to what the statements take: before 1970 is expired in any case, and PostgreSQL's
/// calendar begins later than JavaScript's.
fn millis(instant: Timestamp) -> i64 {
    instant.as_millis().max(0)
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgresStore")
    }
}

impl Store for PostgresStore {
    fn get<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredRecord>> {
        Box::pin(self.0.get(id))
    }

    fn changes(&self, hints: InvalidationSink) -> Option<Box<dyn Changes>> {
        let following = changes::ChangeSubscription::start(&self.0, hints)?;
        Some(Box::new(following))
    }

    fn expiries<'a>(&'a self, ids: &'a [SessionId]) -> StoreFuture<'a, Vec<Option<Timestamp>>> {
        Box::pin(self.0.expiries(ids))
    }

    fn ends(&self, hints: InvalidationSink) -> Option<Box<dyn Ends>> {
        let listening = ends::EndSubscription::start(&self.0, hints)?;
        Some(Box::new(listening))
    }

    fn create<'a>(&'a self, id: &'a SessionId, entry: &'a NewRecord) -> StoreFuture<'a, ()> {
        let (store, id, entry) = (Arc::clone(&self.0), id.clone(), entry.clone());
        to_completion(async move { store.create(&id, &entry).await })
    }

    fn update<'a>(
        &'a self,
        id: &'a SessionId,
        read: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, CasOutcome> {
        let (store, id, read, entry) =
            (Arc::clone(&self.0), id.clone(), read.clone(), entry.clone());
        to_completion(async move { store.update(&id, &read, &entry).await })
    }

    fn touch<'a>(
        &'a self,
        id: &'a SessionId,
        _: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, bool> {
        let (store, id, entry) = (Arc::clone(&self.0), id.clone(), entry.clone());
        to_completion(async move { store.touch(&id, &entry).await })
    }

    fn destroy<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        let (store, id) = (Arc::clone(&self.0), id.clone());
        to_completion(async move { store.destroy(&id).await })
    }

    fn replace<'a>(
        &'a self,
        old: &'a SessionId,
        read: Option<&'a RecordText>,
        new: &'a SessionId,
        entry: &'a NewRecord,
        retired: &'a RetiredId,
    ) -> StoreFuture<'a, CasOutcome> {
        let (store, old, read) = (Arc::clone(&self.0), old.clone(), read.cloned());
        let (new, entry, retired) = (new.clone(), entry.clone(), retired.clone());
        to_completion(async move {
            store
                .replace(&old, read.as_ref(), &new, &entry, &retired)
                .await
        })
    }

    fn retire<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        self.retire_as(id, &RetiredId::Closed)
    }

    fn retire_as<'a>(&'a self, id: &'a SessionId, retired: &'a RetiredId) -> StoreFuture<'a, bool> {
        let (store, id, retired) = (Arc::clone(&self.0), id.clone(), retired.clone());
        to_completion(async move { store.retire(&id, &retired).await })
    }

    fn retired<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<RetiredId>> {
        Box::pin(self.0.retired(id))
    }

    fn prune(&self) -> StoreFuture<'_, u64> {
        Box::pin(self.0.prune())
    }

    fn scan<'a>(&'a self, cursor: Option<&'a str>, limit: usize) -> StoreFuture<'a, Page> {
        Box::pin(self.0.scan(cursor, limit))
    }

    fn scan_records<'a>(
        &'a self,
        cursor: Option<&'a str>,
        limit: usize,
    ) -> StoreFuture<'a, RecordPage> {
        Box::pin(self.0.scan_records(cursor, limit))
    }

    fn put<'a>(
        &'a self,
        id: &'a SessionId,
        entry: &'a NewRecord,
        condition: &'a PutIf,
    ) -> StoreFuture<'a, PutOutcome> {
        let (store, id) = (Arc::clone(&self.0), id.clone());
        let (entry, condition) = (bounded(entry), condition.clone());
        to_completion(async move { store.put(&id, &entry, &condition).await })
    }

    fn count(&self) -> StoreFuture<'_, u64> {
        Box::pin(self.0.count())
    }

    fn set_user_keys(&self, keys: &UserKeys) {
        self.0.set_user_keys(keys);
    }

    fn list_by_user<'a>(&'a self, user: &'a str) -> StoreFuture<'a, Vec<SessionId>> {
        Box::pin(self.0.list_by_user(user))
    }

    fn destroy_by_user<'a>(
        &'a self,
        user: &'a str,
        keep: Option<&'a SessionId>,
    ) -> StoreFuture<'a, u64> {
        let (store, user, keep) = (Arc::clone(&self.0), user.to_owned(), keep.cloned());
        to_completion(async move { store.destroy_by_user(&user, keep.as_ref()).await })
    }
}

#[cfg(test)]
mod tests;
