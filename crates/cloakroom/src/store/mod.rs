//! Storage of records: the contract that every store keeps, ours and a third party's.
//!
//! A store does not interpret records. It returns the bytes that it holds, accepts new ones only where the
//! caller has seen the old ones, and drops what has expired.

mod any;
#[cfg(any(feature = "redis", feature = "postgres", feature = "mongodb"))]
mod completion;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
#[cfg(feature = "inspect")]
pub mod inspect;
#[cfg(feature = "memory")]
pub mod memory;
#[cfg(feature = "mongodb")]
pub mod mongodb;
#[cfg(feature = "near")]
pub mod near;
#[cfg(any(feature = "redis", feature = "postgres", feature = "mongodb"))]
mod plaintext;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;
mod retired;
mod says;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mongodb"))]
mod skew;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(any(feature = "memory", feature = "sqlite", feature = "mongodb"))]
mod steady;
mod subscription;
mod transfer;
mod url;
mod wrapper;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

pub use any::{AnyStore, ConnectError, StoreOptions};
pub use error::{StoreError, StoreErrorKind};
pub use retired::{RETIRED_FOR, RetiredId};
pub use subscription::{Changes, Ends, Invalidation, InvalidationSink};
pub use transfer::{ENDLESS, PutIf, PutOutcome, RecordPage};
pub use wrapper::StoreWrapper;

pub use crate::record::{NewRecord, RecordText, StoredRecord, UserKeys};

use crate::clock::Timestamp;
use crate::id::SessionId;

/// The future that the methods of a [`Store`] return, boxed so that a store can be used as `dyn Store`.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// The outcome of an [`update`](Store::update) or a [`replace`](Store::replace).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CasOutcome {
    /// The new record is stored.
    Stored,
    /// There was no live record of that id, and there is none now.
    NotFound,
    /// Another writer changed the record meanwhile: nothing was written, and this is the stored record.
    Conflict(StoredRecord),
}

impl CasOutcome {
    /// Returns the outcome of a write in the place of `read` that must not be made, because the store holds
    /// something else, or nothing; `None` where it may be made. For a store that compares by itself.
    pub fn refusal(stored: Option<StoredRecord>, read: &RecordText) -> Option<Self> {
        match stored {
            None => Some(Self::NotFound),
            Some(stored) if stored.text == *read => None,
            Some(stored) => Some(Self::Conflict(stored)),
        }
    }
}

/// A page of the ids in a store.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The ids of live sessions; over the pages of a scan, each that lived throughout is included.
    pub ids: Vec<SessionId>,
    /// The cursor for the next call of [`scan`](Store::scan); `None` after the last page.
    pub next: Option<String>,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In some stores the cursor contains the id that the next page begins after.
        f.debug_struct("Page")
            .field("ids", &self.ids)
            .field("has_next", &self.next.is_some())
            .finish()
    }
}

/// A store of session records.
///
/// Each method is atomic, and all callers see the calls in one order. An id whose record expired is absent,
/// whatever the store still holds of it; the store's own clock decides. Only [`create`](Self::create),
/// [`replace`](Self::replace) and [`put`](Self::put) ever create a record: a session that ended stays ended,
/// even if a save of it arrives later.
/// `store::conformance` tests all of this; run it on any store of your own.
pub trait Store: Send + Sync + 'static {
    /// Reads the live record of `id`; `None` if it is absent or expired.
    fn get<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredRecord>>;

    /// Reads the live record of `id` past every cache: the one that is stored at the time of the call.
    fn get_uncached<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<StoredRecord>> {
        self.get(id)
    }

    /// Returns the greatest age of a reply of [`get`](Self::get): zero, the default, for every store but a
    /// cache.
    ///
    /// Writes of this process are visible to it at once in any case.
    fn staleness(&self) -> Duration {
        Duration::ZERO
    }

    /// Subscribes a cache to every change to a record; `None`, the default, if the store has no such
    /// subscription.
    ///
    /// It is called within a Tokio runtime, and the subscription is dropped with the cache.
    fn changes(&self, hints: InvalidationSink) -> Option<Box<dyn Changes>> {
        drop(hints);
        None
    }

    /// Returns the expiry of the live record of each of `ids`, in their order; `None` for one that is absent
    /// or expired.
    ///
    /// It is called for many at a time, twice a second, on behalf of open connections. The default asks for
    /// one after the other: a store that can answer in one round trip should.
    fn expiries<'a>(&'a self, ids: &'a [SessionId]) -> StoreFuture<'a, Vec<Option<Timestamp>>> {
        Box::pin(async move {
            let mut living = Vec::with_capacity(ids.len());
            for id in ids {
                living.push(match self.get(id).await {
                    // A record that cannot be read is present all the same.
                    Err(error) if error.kind() == StoreErrorKind::Corrupt => {
                        Some(Timestamp::from_millis(i64::MAX))
                    }
                    stored => stored?.map(|stored| stored.expires),
                });
            }
            Ok(living)
        })
    }

    /// Subscribes to ends of sessions as they happen; `None`, the default, if the store has no such
    /// subscription, and [`expiries`](Self::expiries) is polled.
    ///
    /// It is called within a Tokio runtime, when the first session is watched, and the subscription is
    /// dropped when no session is watched any more.
    fn ends(&self, hints: InvalidationSink) -> Option<Box<dyn Ends>> {
        drop(hints);
        None
    }

    /// Stores a record under an id that has none.
    ///
    /// An entry that has already expired is no error; it counts as stored and expired.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::IdTaken`] if a live record has that id: generate another.
    fn create<'a>(&'a self, id: &'a SessionId, entry: &'a NewRecord) -> StoreFuture<'a, ()>;

    /// Stores a record in place of the one whose text is `read`, and only of that one: compare-and-set.
    fn update<'a>(
        &'a self,
        id: &'a SessionId,
        read: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, CasOutcome>;

    /// Extends the expiry of a live record to that of `entry`; `false` if there is none.
    ///
    /// It never shortens one, so that a process whose clock is slow ends no session; to shorten a life on
    /// purpose, change the record by [`update`](Self::update).
    ///
    /// The store may replace the text of the record by that of `entry` if it still holds `read`, and must
    /// leave any other alone.
    fn touch<'a>(
        &'a self,
        id: &'a SessionId,
        read: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, bool>;

    /// Ends a session; `false` if there was none. After it returned, no `get` finds it.
    fn destroy<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool>;

    /// Ends a session as [`destroy`](Self::destroy) does, and remembers its id as [`RetiredId::Closed`] for
    /// [`RETIRED_FOR`], in one step, whether or not there was a session. The reason of an id that is retired
    /// already stays as it is.
    ///
    /// The default destroys, and remembers nothing: late requests of a visitor who signed out then get
    /// sessions of their own.
    fn retire<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        self.destroy(id)
    }

    /// Ends a session as [`retire`](Self::retire) does, and remembers `retired` as the reason, unless the id is
    /// retired already: for what ended in another store from which sessions are moved.
    ///
    /// The default forgets the reason.
    fn retire_as<'a>(&'a self, id: &'a SessionId, retired: &'a RetiredId) -> StoreFuture<'a, bool> {
        let _ = retired;
        self.retire(id)
    }

    /// Returns the reason why `id` has no session, for [`RETIRED_FOR`] after it was [retired](Self::retire)
    /// or [replaced](Self::replace); `None` if the id is unknown.
    ///
    /// It is called only for a validly signed id without a record.
    fn retired<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<RetiredId>> {
        let _ = id;
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Stores a record under the id `new`, ends `old` and remembers it as `retired` for [`RETIRED_FOR`], so
    /// that at no time both are live.
    ///
    /// With `read`, only if `old` still has that text: [`CasOutcome::Conflict`] and [`CasOutcome::NotFound`]
    /// leave everything as it was. Without, whatever `old` holds, unless it is retired already: that is
    /// [`CasOutcome::NotFound`].
    ///
    /// A store that cannot do both in one step stores `new` first: a crash in between leaves two
    /// sessions, not none.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::IdTaken`] if a live record has the id `new`; `old` then still lives.
    fn replace<'a>(
        &'a self,
        old: &'a SessionId,
        read: Option<&'a RecordText>,
        new: &'a SessionId,
        entry: &'a NewRecord,
        retired: &'a RetiredId,
    ) -> StoreFuture<'a, CasOutcome>;

    /// Checks that sessions can be read and written just now, and changes none: for a health route
    /// ([`Manager::check`](crate::Manager::check)).
    ///
    /// The default reads and touches a session that does not exist: a store that accepts such a write and
    /// would refuse another needs a method of its own.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Unavailable`] if it cannot be reached or refuses writes, as a standby does.
    fn check(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            let (id, text) = (SessionId::random(), RecordText::from("{}"));
            let entry = NewRecord {
                text,
                expires: CHECKED_UNTIL,
                users: Vec::new(),
            };
            self.get_uncached(&id).await?;
            self.touch(&id, &entry.text, &entry).await?;
            Ok(())
        })
    }

    /// Deletes expired records, and returns their number. Stores do so by themselves; this does it now.
    ///
    /// The default deletes none: for a store that keeps no expired record, or whose server deletes them.
    fn prune(&self) -> StoreFuture<'_, u64> {
        Box::pin(std::future::ready(Ok(0)))
    }

    /// Returns some ids of live sessions, about `limit`, from a cursor on; `None` begins.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Invalid`] for a cursor that this store did not give.
    fn scan<'a>(&'a self, cursor: Option<&'a str>, limit: usize) -> StoreFuture<'a, Page>;

    /// Returns some live records with their ids, about `limit`, from a cursor on; `None` begins. A cache is
    /// bypassed, and nothing is changed.
    ///
    /// A record that cannot be read does not fail the page: its reason is in its place. A page may have fewer
    /// records than `limit`, or none, and yet not be the last. The default reads the ids of
    /// [`scan`](Self::scan) one after the other: a store that can answer in a few round trips should.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Invalid`] for a cursor that this store did not give.
    fn scan_records<'a>(
        &'a self,
        cursor: Option<&'a str>,
        limit: usize,
    ) -> StoreFuture<'a, RecordPage> {
        Box::pin(async move { transfer::read_each(self, self.scan(cursor, limit).await?).await })
    }

    /// Stores a record as it is, with its text and exactly its expiry, earlier or later than the stored one, if
    /// the store holds what `condition` requires: for imports, and for copies that follow another store.
    ///
    /// `id` may be one that a [scan](Self::scan_records) returned. An entry that has already expired counts as
    /// stored, and is absent; an expiry from [`ENDLESS`] on is one without end. The default takes several
    /// steps, between which others may write: a store that can do it in one should.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Invalid`] for an id or a text that this store cannot hold;
    /// [`StoreErrorKind::Corrupt`] if a record that cannot be read has the id.
    fn put<'a>(
        &'a self,
        id: &'a SessionId,
        entry: &'a NewRecord,
        condition: &'a PutIf,
    ) -> StoreFuture<'a, PutOutcome> {
        Box::pin(transfer::put_in_steps(self, id, entry, condition))
    }

    /// Returns the number of live sessions.
    ///
    /// The default counts the ids of a [`scan`](Self::scan), page after page: slow where there are many, and
    /// too many where a scan repeats ids. A store that can count should.
    fn count(&self) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let (mut cursor, mut count) = (None::<String>, 0);
            loop {
                let page = self.scan(cursor.as_deref(), COUNTED_AT_ONCE).await?;
                count += page.ids.len() as u64;
                match page.next {
                    Some(next) => cursor = Some(next),
                    None => return Ok(count),
                }
            }
        })
    }

    /// Sets the keys under which records name their user; the [`Manager`](crate::Manager) calls it first.
    ///
    /// A store whose records others write as well, so that no [`NewRecord`] carries their users, reads these
    /// keys. Other stores ignore them.
    fn set_user_keys(&self, _: &UserKeys) {}

    /// Returns `true` if the store may hold sessions of a user that [`list_by_user`](Self::list_by_user) does not
    /// return, because another program wrote them and enters none in the index: Redis with connect-redis. Who
    /// must find them all then reads all records as well.
    ///
    /// Default: `false`, the index has every session.
    fn has_unindexed(&self) -> bool {
        false
    }

    /// Returns the ids of a user's live sessions: those whose record names the user, alone or as one of
    /// several ([`UserKeys::users_of`]); `user` is the name that indexes have, which also separates realms.
    fn list_by_user<'a>(&'a self, user: &'a str) -> StoreFuture<'a, Vec<SessionId>>;

    /// Ends all sessions of a user but `keep`, and returns their number: those of
    /// [`list_by_user`](Self::list_by_user).
    ///
    /// A session that was stored before the call is ended; one whose login is still under way may outlive it.
    ///
    /// The default ends the listed sessions one after the other, and lists again until none is left, because
    /// one may get another id in between: at least two listings, and a call for each session. A store that can
    /// end them in one statement should.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Unavailable`] if sessions keep changing their ids faster than they can be ended.
    fn destroy_by_user<'a>(
        &'a self,
        user: &'a str,
        keep: Option<&'a SessionId>,
    ) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let mut ended = 0;
            for _ in 0..MAX_LISTINGS {
                let mut ids = self.list_by_user(user).await?;
                ids.retain(|id| Some(id) != keep);
                if ids.is_empty() {
                    return Ok(ended);
                }
                for id in &ids {
                    ended += u64::from(self.destroy(id).await?);
                }
            }
            Err(too_many_id_changes())
        })
    }
}

/// Number of ids in a page of the default [`count`](Store::count).
const COUNTED_AT_ONCE: usize = 1_000;
/// Number of listings after which the default [`destroy_by_user`](Store::destroy_by_user) gives up.
const MAX_LISTINGS: usize = 64;

/// The year 2100: an expiry that every store can hold.
const CHECKED_UNTIL: Timestamp = Timestamp::from_millis(4_102_444_800_000);

/// Builds the error with which a logout everywhere gives up.
fn too_many_id_changes() -> StoreError {
    let reason = "the user's sessions change their ids faster than they can be ended";
    StoreError::new(StoreErrorKind::Unavailable, reason)
}

#[cfg(test)]
mod tests;
