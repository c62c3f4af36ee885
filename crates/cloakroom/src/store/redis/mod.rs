//! Sessions in Redis or Valkey: one JSON string each, as connect-redis keeps them.
//!
//! A save is one script that compares and sets, in one round trip. An index of each user's sessions is kept
//! beside them by ordering rules, not by transactions, so that it holds on a cluster, too: an id is entered
//! before its session is stored, and removed after the session is deleted.

mod connection;
#[cfg(feature = "inspect")]
mod inspect;
mod keys;
mod options;
mod replay;
mod session;
mod subscription;
mod user_index;

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;

#[cfg(feature = "inspect")]
pub(super) use inspect::inspect;
pub use options::RedisOptions;

use self::connection::address::{Address, split_wait};
use self::connection::link::Link;
use self::keys::RedisKeys;
use self::replay::Replay;
use self::session::scripts::Scripts;
use self::subscription::{changes, ends};
use self::user_index::index_cache::IndexCache;
use super::completion::to_completion;
use super::transfer::bounded;
use super::{
    CasOutcome, Changes, Ends, InvalidationSink, NewRecord, Page, PutIf, PutOutcome, RecordPage,
    RetiredId, Store, StoreError, StoreErrorKind, StoreFuture, StoreOptions, StoredRecord,
    UserKeys,
};
use crate::clock::{Clock, Timestamp};
use crate::id::SessionId;
use crate::record::RecordText;

/// A store in Redis 7 or Valkey, standalone, behind Sentinel, or as a cluster; clones are the same store.
///
/// All operations share one connection, which is renewed when it breaks. Redis expires sessions by itself.
#[derive(Clone)]
pub struct RedisStore(Arc<RedisInner>);

const NO_PROVIDER: &str = "TLS needs a crypto provider: call \
    rustls::crypto::ring::default_provider().install_default() when the program starts";

#[expect(
    clippy::struct_excessive_bools,
    reason = "independent settings, and what the server allows"
)]
struct RedisInner {
    link: Link,
    keys: Arc<RedisKeys>,
    scripts: Scripts,
    mixed_fleet: bool,
    /// `true` if nothing is written: the index is not mended either.
    read_only: bool,
    /// `true` if retired ids are remembered for a while.
    retires: bool,
    /// `true` if sessions may be missing from the index.
    looks_at_all: bool,
    user_keys: ArcSwap<UserKeys>,
    seen: Arc<IndexCache>,
    clock: Clock,
}

impl RedisStore {
    /// Connects to the server that `url` names, with connect-redis's defaults.
    ///
    /// `redis://USER:PASSWORD@HOST:PORT/DB`, `rediss://` for TLS, `redis+unix:PATH`;
    /// `redis+cluster://HOST:PORT,HOST:PORT` (`rediss+cluster://`);
    /// `redis+sentinel://HOST:PORT,HOST:PORT/NAME/DB`.
    ///
    /// For TLS the program installs a crypto provider first, once; a library must not:
    ///
    /// ```
    /// # use cloakroom::store::{StoreErrorKind, redis::RedisStore};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # if rustls::crypto::CryptoProvider::get_default().is_none() {
    /// # let error = RedisStore::connect("rediss://localhost").await.unwrap_err();
    /// # assert_eq!(error.kind(), StoreErrorKind::Invalid);
    /// # }
    /// # });
    /// let _ = rustls::crypto::ring::default_provider().install_default();
    /// ```
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Invalid`] for a URL that is none of these, and for TLS without a crypto provider;
    /// [`StoreErrorKind::Unavailable`] if the server cannot be reached or refuses. The cause is in `source`.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::connect_options(url, RedisOptions::default()).await
    }

    pub(crate) async fn connect_with(
        url: &str,
        options: &StoreOptions,
    ) -> Result<Self, StoreError> {
        Self::connect_options(url, RedisOptions::of(options)).await
    }

    /// Connects to the server that `url` names, with every option.
    ///
    /// # Errors
    ///
    /// As for [`connect`](Self::connect).
    pub async fn connect_options(url: &str, mut options: RedisOptions) -> Result<Self, StoreError> {
        let (url, replicas) = split_wait(url)?;
        if let Some(replicas) = replicas {
            options = options.wait_replicas(replicas);
        }
        let address = Address::parse(&url)?;
        if address.uses_tls() && rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(invalid(NO_PROVIDER));
        }
        let keys = Arc::new(RedisKeys::new(&options, address.is_cluster()));
        let seen = Arc::<IndexCache>::default();
        let replay = Replay::new(
            options.replay,
            Arc::clone(&keys),
            options.mixed_fleet,
            Arc::clone(&seen),
        );
        let link = Link::open(&address, &options, Arc::new(replay)).await?;
        address.warn_of_plaintext();
        let (facts, info) = link.facts().await;
        if facts.too_old {
            return Err(invalid("Redis 7.0 or newer is needed, or Valkey"));
        }
        if facts.may_evict {
            tracing::warn!(
                "Redis evicts sessions when its memory is full: set maxmemory-policy noeviction"
            );
        }
        let probe = SessionId::from_store("probe");
        let retires = if options.read_only {
            false
        } else {
            link.must_use(&keys.session(&probe)).await?;
            link.warn_of_losses(&info, &options).await;
            link.may_use(&keys.retired(&probe)).await
        };
        if !retires && !options.read_only {
            tracing::warn!(
                "the user of Redis may not use the keys ~retired:*: late requests of visitors who have just \
                 signed in or out may get sessions of their own; grant them and connect again"
            );
        }
        let scripts = Scripts::new(facts.compares && !address.is_cluster());
        Ok(Self(Arc::new(RedisInner {
            link,
            keys,
            scripts,
            mixed_fleet: options.mixed_fleet,
            read_only: options.read_only,
            retires,
            looks_at_all: options.mixed_fleet && !options.express_indexes,
            user_keys: ArcSwap::default(),
            seen,
            clock: options.clock,
        })))
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisStore")
    }
}

impl Store for RedisStore {
    fn get<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredRecord>> {
        Box::pin(async move {
            let stored = self.0.get(id).await?;
            if let Some(stored) = &stored {
                self.index_what_was_read(id, stored);
            }
            Ok(stored)
        })
    }

    fn changes(&self, hints: InvalidationSink) -> Option<Box<dyn Changes>> {
        Some(Box::new(changes::ChangeSubscription::start(self, hints)))
    }

    fn expiries<'a>(&'a self, ids: &'a [SessionId]) -> StoreFuture<'a, Vec<Option<Timestamp>>> {
        Box::pin(self.0.expiries(ids))
    }

    fn ends(&self, hints: InvalidationSink) -> Option<Box<dyn Ends>> {
        let tracking = ends::EndSubscription::start(&self.0, hints)?;
        Some(Box::new(tracking))
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

    fn check(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.0.check())
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
        // Redis has expired them already.
        Box::pin(async { Ok(0) })
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
        self.0.user_keys.store(Arc::new(keys.clone()));
        self.0.seen.forget_owners();
    }

    fn has_unindexed(&self) -> bool {
        // A mixed fleet's lists read all sessions, or Express enters its own.
        !self.0.mixed_fleet
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

fn invalid(text: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Invalid, text)
}

#[cfg(test)]
mod tests;
