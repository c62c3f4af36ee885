//! Sessions in MongoDB, in connect-mongo's documents: Express and this store share them.
//!
//! `{_id, session, expires}`, and the fields that the options add. `expires` decides if a session is live, by
//! the server's clock; MongoDB deletes expired documents about once a minute. A save succeeds only if the
//! stored session still is the one that was read.

mod connection;
mod encoding;
mod encryption;
#[cfg(feature = "inspect")]
mod inspect;
mod options;
mod session;
mod user_index;

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use arc_swap::ArcSwap;
use mongodb::bson::RawDocumentBuf;
use mongodb::{Client, Collection, Database};

pub use self::encryption::Encryption;
pub use self::encryption::crypto::{Algorithm, Encoding, Hashing};
pub use self::encryption::kruptein::Kruptein;
pub use self::encryption::webcrypto::WebCrypto;
pub use self::options::{AutoRemove, MongoOptions};

#[cfg(feature = "inspect")]
pub(super) use self::inspect::inspect;

use self::connection::connect;
use self::encoding::format::SessionFormat;
use self::session::bson_cache::BsonCache;
use self::session::retired::Notes;
use self::session::tombstones::Tombstones;
use super::completion::to_completion;
use super::steady::Steady;
use super::transfer::bounded;
use super::{
    CasOutcome, NewRecord, Page, PutIf, PutOutcome, RecordPage, RetiredId, Store, StoreError,
    StoreErrorKind, StoreFuture, StoreOptions, StoredRecord, UserKeys,
};
use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::record::RecordText;
use crate::util::lock;

/// A store in a collection of MongoDB; clones are the same store.
///
/// Reads go to the primary whatever the URL says: a secondary may still have a session that was destroyed.
/// Operations that end a session wait for a majority and its journals (`w: "majority", j: true`), so that no
/// election undoes them; other writes have the write concern of the URL.
///
/// A login that changes a session's id, [`replace`](Store::replace), takes two steps: the new document is
/// stored, and the old id noted as retired, before the old one is deleted; a crash in between leaves both. So
/// does a logout, [`retire`](Store::retire): it notes, then deletes.
///
/// With sessions as texts, [`list_by_user`](Store::list_by_user) makes the server scan all of them: no
/// index covers what Express wrote. With [`stringify(false)`](MongoOptions::stringify) there are indexes.
#[derive(Clone)]
pub struct MongoStore(Arc<MongoInner>);

struct MongoInner {
    database: Database,
    sessions: Collection<RawDocumentBuf>,
    tombs: Option<Tombstones>,
    notes: Option<Notes>,
    form: SessionFormat,
    options: MongoOptions,
    /// The time by which dates in documents are written.
    time: Steady,
    heard: Mutex<Instant>,
    seen: Mutex<BsonCache>,
    user_keys: ArcSwap<UserKeys>,
    /// `true` once the indexes for the keys above were requested.
    indexed: AtomicBool,
}

impl MongoStore {
    /// Connects to the server that `url` names, with connect-mongo's defaults.
    ///
    /// If the URL sets no `serverSelectionTimeoutMS` and `connectTimeoutMS`, both are one second, not the
    /// driver's thirty and ten: a request waits for it.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Invalid`] if `url` is no such URL, [`StoreErrorKind::Unavailable`] if no server
    /// answers, or it refuses to create the index.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::connect_options(url, MongoOptions::new()).await
    }

    /// Connects with the options of [`AnyStore`](super::AnyStore).
    ///
    /// # Errors
    ///
    /// As for [`connect`](Self::connect).
    pub(crate) async fn connect_with(
        url: &str,
        options: &StoreOptions,
    ) -> Result<Self, StoreError> {
        Self::connect_options(url, MongoOptions::of(options)).await
    }

    /// Connects with every option.
    ///
    /// # Errors
    ///
    /// As for [`connect`](Self::connect); [`StoreErrorKind::Invalid`] also for an impossible encryption.
    pub async fn connect_options(url: &str, options: MongoOptions) -> Result<Self, StoreError> {
        let parsed = connect::parse(url).await?;
        let client = Client::with_options(parsed).map_err(|_| connect::not_a_url())?;
        let inner = Arc::new(MongoInner::with_client(client, options).await?);
        inner.remove_at_intervals();
        Ok(Self(inner))
    }
}

impl MongoInner {
    /// Prefix of the ids that are returned for `_id`s that are no session ids.
    const STORED: &str = "stored:";

    /// Returns the time by the server's clock.
    fn now(&self) -> Timestamp {
        self.hear_the_time();
        self.time.now()
    }

    /// Returns the `_id` of a session: always a text, never an operator.
    fn stored_id(&self, id: &SessionId) -> String {
        match &self.options.transform_id {
            None => id.expose().to_owned(),
            Some(transform) => match id.expose().strip_prefix(Self::STORED) {
                Some(stored) => stored.to_owned(),
                None => transform(id.expose()),
            },
        }
    }

    fn session_id(&self, stored: &str) -> SessionId {
        match self.options.transform_id {
            None => SessionId::from_store(stored),
            Some(_) => SessionId::from_store(&[Self::STORED, stored].concat()),
        }
    }

    fn seen(&self) -> MutexGuard<'_, BsonCache> {
        lock(&self.seen)
    }
}

impl fmt::Debug for MongoStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MongoStore").field(&self.0.options).finish()
    }
}

impl Store for MongoStore {
    fn get<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredRecord>> {
        Box::pin(async move { self.0.get(&self.0.stored_id(id)).await })
    }

    fn expiries<'a>(&'a self, ids: &'a [SessionId]) -> StoreFuture<'a, Vec<Option<Timestamp>>> {
        Box::pin(async move {
            let ids: Vec<String> = ids.iter().map(|id| self.0.stored_id(id)).collect();
            self.0.expiries(&ids).await
        })
    }

    fn create<'a>(&'a self, id: &'a SessionId, entry: &'a NewRecord) -> StoreFuture<'a, ()> {
        let (store, id, entry) = (Arc::clone(&self.0), self.0.stored_id(id), entry.clone());
        to_completion(async move { store.create(&id, &entry).await })
    }

    fn update<'a>(
        &'a self,
        id: &'a SessionId,
        read: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, CasOutcome> {
        let (store, id) = (Arc::clone(&self.0), self.0.stored_id(id));
        let (read, entry) = (read.clone(), entry.clone());
        to_completion(async move { store.update(&id, &read, &entry).await })
    }

    fn touch<'a>(
        &'a self,
        id: &'a SessionId,
        _: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, bool> {
        let (store, id) = (Arc::clone(&self.0), self.0.stored_id(id));
        let expires = entry.expires;
        to_completion(async move { store.touch(&id, expires).await })
    }

    fn destroy<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        let (store, id) = (Arc::clone(&self.0), self.0.stored_id(id));
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
        let (store, old, new) = (
            Arc::clone(&self.0),
            self.0.stored_id(old),
            self.0.stored_id(new),
        );
        let (read, entry, retired) = (read.cloned(), entry.clone(), retired.clone());
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
        let (store, id) = (Arc::clone(&self.0), self.0.stored_id(id));
        let retired = retired.clone();
        to_completion(async move { store.retire(&id, &retired).await })
    }

    fn retired<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<RetiredId>> {
        Box::pin(async move {
            match &self.0.notes {
                Some(notes) => notes.get(&self.0.stored_id(id), self.0.now()).await,
                None => Ok(None),
            }
        })
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
        let (store, id) = (Arc::clone(&self.0), self.0.stored_id(id));
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
        let (store, user) = (Arc::clone(&self.0), user.to_owned());
        let keep = keep.map(|id| self.0.stored_id(id));
        to_completion(async move { store.destroy_by_user(&user, keep.as_deref()).await })
    }
}

fn corrupt(why: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, why)
}

#[cfg(test)]
mod tests;
