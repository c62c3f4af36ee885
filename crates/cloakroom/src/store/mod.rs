//! Storage of records: the contract that every store keeps, ours and a third party's.
//!
//! A store does not interpret records. It returns the bytes that it holds, accepts new ones only where the
//! caller has seen the old ones, and drops what has expired.

mod any;
#[cfg(any(feature = "redis", feature = "postgres", feature = "mongodb"))]
mod completion;
#[cfg(feature = "conformance")]
pub mod conformance;
mod delegate;
mod error;
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
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mongodb"))]
mod skew;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(any(feature = "memory", feature = "sqlite", feature = "mongodb"))]
mod steady;
mod subscription;
mod url;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

pub use any::{AnyStore, ConnectError, StoreOptions};
pub(crate) use delegate::{delegate, delegate_many, delegate_rest};
pub use error::{StoreError, StoreErrorKind};
pub use retired::{RETIRED_FOR, RetiredId};
pub use subscription::{Changes, Ends, Invalidation, InvalidationSink};

pub use crate::record::{NewRecord, StoredRecord, UserKeys};

use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::record::RecordText;

/// The future that the methods of a [`Store`] return, boxed so that a store can be used as `dyn Store`.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// The outcome of an [`update`](Store::update) or a [`replace`](Store::replace).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CasOutcome {
    /// The new record is stored.
    Stored,
    /// There was no live record of that id, and there is none now.
    NotFound,
    /// Somebody else changed the record meanwhile: nothing was written, and here is what stands.
    Conflict(StoredRecord),
}

/// A part of all the sessions in a store.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The ids of live sessions; over the pages of a scan, each that lived all the time is there.
    pub ids: Vec<SessionId>,
    /// The cursor for the next call of [`scan`](Store::scan); `None` after the last page.
    pub next: Option<String>,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In some stores the next part is named by the id that it begins after.
        f.debug_struct("Page")
            .field("ids", &self.ids)
            .field("has_next", &self.next.is_some())
            .finish()
    }
}

/// A store of session records.
///
/// Each method is one step that happens as a whole or not at all, seen by all callers in one
/// order. An id whose record expired is an id that is absent, whatever the store still holds of
/// it; the store's own clock decides. Nothing is ever created but by [`create`](Self::create) and
/// [`replace`](Self::replace): a session that ended stays ended, whoever saves it still.
///
/// `store::conformance` tests all of this; run it on any store of your own.
pub trait Store: Send + Sync + 'static {
    /// The live record of `id`, `None` for one that is absent or expired.
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

    /// A link that tells a cache of every change to a record; `None`, the default, where the store has
    /// none.
    ///
    /// It is called within a Tokio runtime, and what it gives is dropped with the cache.
    fn changes(&self, hints: InvalidationSink) -> Option<Box<dyn Changes>> {
        drop(hints);
        None
    }

    /// For each of `ids`, in their order, when its live record expires; `None` for one that is absent
    /// or expired.
    ///
    /// It is asked for many at a time, twice a second, on behalf of open connections. The default asks
    /// for one after the other: a store that can answer in one round trip should.
    fn expiries<'a>(&'a self, ids: &'a [SessionId]) -> StoreFuture<'a, Vec<Option<Timestamp>>> {
        Box::pin(async move {
            let mut living = Vec::with_capacity(ids.len());
            for id in ids {
                living.push(match self.get(id).await {
                    // What cannot be read is there all the same.
                    Err(error) if error.kind() == StoreErrorKind::Corrupt => {
                        Some(Timestamp::from_millis(i64::MAX))
                    }
                    stored => stored?.map(|stored| stored.expires),
                });
            }
            Ok(living)
        })
    }

    /// A link that hints at ends as they happen; `None`, the default, where the store has none, and
    /// [`living`](Self::living) alone tells.
    ///
    /// It is called within a Tokio runtime, when somebody begins to watch sessions, and what it gives
    /// is dropped when nobody does any more.
    fn ends(&self, hints: InvalidationSink) -> Option<Box<dyn Ends>> {
        drop(hints);
        None
    }

    /// Stores a record under an id that has none.
    ///
    /// An entry that has already expired is no error; it is as if it was stored and let go.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::IdTaken`] where a live record has that id: draw another.
    fn create<'a>(&'a self, id: &'a SessionId, entry: &'a NewRecord) -> StoreFuture<'a, ()>;

    /// Stores a record in place of the one whose text is `read`, and only of that one.
    fn update<'a>(
        &'a self,
        id: &'a SessionId,
        read: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, CasOutcome>;

    /// Moves the expiry of a live record on to that of `entry`; `false` where there is none.
    ///
    /// It never moves one back, so that a process whose clock is slow takes nobody's session; whoever
    /// shortens a life on purpose changes the record, by [`update`](Self::update).
    ///
    /// The text of the record is the store's affair: it may take that of `entry` where it still
    /// holds `read`, and must leave any other alone.
    fn touch<'a>(
        &'a self,
        id: &'a SessionId,
        read: &'a RecordText,
        entry: &'a NewRecord,
    ) -> StoreFuture<'a, bool>;

    /// Ends a session; `false` where there was none. After it returned, no `get` finds it.
    fn destroy<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool>;

    /// Ends a session as [`destroy`](Self::destroy) does, and knows its id as
    /// [`RetiredId::Closed`] for [`RETIRED_FOR`], in one step; whether or not there was one. What is
    /// known of an id that is retired already stays as it is.
    ///
    /// The default destroys, and knows nothing afterwards: late requests of a visitor who signed out
    /// then get sessions of their own.
    fn retire<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        self.destroy(id)
    }

    /// Returns the reason why `id` has no session, for [`RETIRED_FOR`] after it was
    /// [retired](Self::retire) or [replaced](Self::replace); `None` where nothing is known.
    ///
    /// It is asked for only where a validly signed id is unknown.
    fn retired<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<RetiredId>> {
        let _ = id;
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Stores a record under the id `new`, ends `old` and knows it as `retired` for
    /// [`RETIRED_FOR`], so that at no time both are live.
    ///
    /// With `read`, only where `old` still has that text: [`CasOutcome::Conflict`] and
    /// [`CasOutcome::NotFound`] leave everything as it was. Without, whatever `old` holds, but not where it
    /// is retired already: that is [`CasOutcome::NotFound`].
    ///
    /// A store that cannot do both in one step stores `new` first: a crash in between leaves two
    /// sessions, not none.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::IdTaken`] where a live record has the id `new`; `old` then still lives.
    fn replace<'a>(
        &'a self,
        old: &'a SessionId,
        read: Option<&'a RecordText>,
        new: &'a SessionId,
        entry: &'a NewRecord,
        retired: &'a RetiredId,
    ) -> StoreFuture<'a, CasOutcome>;

    /// Asks whether sessions can be read and written just now, and changes none: for a health route
    /// ([`Manager::check`](crate::Manager::check)).
    ///
    /// The default looks for a session that is not there, and moves its expiry: a store that takes such a
    /// write and would refuse another needs a method of its own.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Unavailable`] where it cannot be reached or refuses writes, as a standby does.
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

    /// Lets go of what expired, and tells how many records went. Stores do so by themselves; this
    /// does it now.
    fn prune(&self) -> StoreFuture<'_, u64>;

    /// Some ids of live sessions, about `limit`, from where the last part ended; `None` begins.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Invalid`] for a cursor that this store did not give.
    fn scan<'a>(&'a self, cursor: Option<&'a str>, limit: usize) -> StoreFuture<'a, Page>;

    /// Returns the number of live sessions.
    fn count(&self) -> StoreFuture<'_, u64>;

    /// Told by the [`Manager`](crate::Manager) before it asks anything: where records name their user.
    ///
    /// A store whose records others write as well, so that no [`NewRecord`] says whose they are, looks
    /// there. The others need not care.
    fn set_user_keys(&self, _: &UserKeys) {}

    /// The ids of a user's live sessions: those whose record names the user, alone or as one of several
    /// ([`UserKeys::users_of`]); `user` is the name that indexes have, which also tells realms apart.
    fn list_by_user<'a>(&'a self, user: &'a str) -> StoreFuture<'a, Vec<SessionId>>;

    /// Ends all sessions of a user but `keep`, and tells how many: those of [`of_user`](Self::of_user).
    ///
    /// A session that was stored before this was called is ended; one whose login is still under
    /// way may outlive it.
    fn destroy_by_user<'a>(
        &'a self,
        user: &'a str,
        keep: Option<&'a SessionId>,
    ) -> StoreFuture<'a, u64>;
}

/// The year 2100: an expiry that every store can hold.
const CHECKED_UNTIL: Timestamp = Timestamp::from_millis(4_102_444_800_000);

/// Builds the error with which a logout everywhere gives up.
#[cfg(any(feature = "redis", feature = "postgres", feature = "mongodb"))]
fn too_many_id_changes() -> StoreError {
    let reason = "the user's sessions change their ids faster than they can be ended";
    StoreError::new(StoreErrorKind::Unavailable, reason)
}
