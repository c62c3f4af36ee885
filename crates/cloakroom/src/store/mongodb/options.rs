//! Options of the MongoDB store: the format of documents, and their removal.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::encryption::Encryption;
use super::encryption::crypto::hex;
use crate::clock::Clock;
use crate::store::StoreOptions;

/// The format of sessions in MongoDB: each setting has the name that connect-mongo gives it.
///
/// Every process that shares the collection, in whichever language, must use the same
/// [`stringify`](Self::stringify), [`transform_id`](Self::transform_id) and [`encryption`](Self::encryption).
#[derive(Clone)]
#[must_use]
pub struct MongoOptions {
    pub(super) database: Option<String>,
    pub(super) collection: String,
    pub(super) stringify: bool,
    pub(super) encryption: Option<Encryption>,
    pub(super) transform_id: Option<TransformId>,
    pub(super) touch_after: Duration,
    pub(super) timestamps: bool,
    pub(super) ttl: Duration,
    pub(super) auto_remove: AutoRemove,
    pub(super) mixed_fleet: bool,
    pub(super) clock: Clock,
}

pub(super) type TransformId = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// The removal of expired documents, which are invisible to readers in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AutoRemove {
    /// MongoDB deletes them, by a TTL index on `expires` that the store creates: about once a minute.
    #[default]
    Native,
    /// This process deletes them, at this interval; for deployments without TTL indexes.
    Interval(Duration),
    /// The store deletes none: another program does, or calls [`prune`](crate::store::Store::prune).
    Disabled,
}

impl Default for MongoOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl MongoOptions {
    /// Creates the options with connect-mongo's defaults.
    pub fn new() -> Self {
        Self {
            database: None,
            collection: "sessions".to_owned(),
            stringify: true,
            encryption: None,
            transform_id: None,
            touch_after: Duration::ZERO,
            timestamps: false,
            ttl: Duration::from_hours(14 * 24),
            auto_remove: AutoRemove::Native,
            mixed_fleet: false,
            clock: Clock::System,
        }
    }

    /// Returns the options that [`AnyStore`](crate::store::AnyStore) has for this store.
    pub(super) fn of(options: &StoreOptions) -> Self {
        let own = Self::new().mixed_fleet(options.mixed_fleet);
        let own = if options.must_exist || options.read_only {
            own.auto_remove(AutoRemove::Disabled)
        } else {
            own
        };
        match &options.table {
            Some(collection) => own.collection(collection),
            None => own,
        }
    }

    /// Sets the database. Default: the URL's, else `test`, the Node driver's default.
    #[doc(alias = "dbName")]
    pub fn database(mut self, name: impl Into<String>) -> Self {
        self.database = Some(name.into());
        self
    }

    /// Sets the collection. Default: `sessions`.
    #[doc(alias = "collectionName")]
    pub fn collection(mut self, name: impl Into<String>) -> Self {
        self.collection = name.into();
        self
    }

    /// Sets whether a session is stored as its JSON text (`true`) or as a BSON document.
    ///
    /// Default: `true`. A text comes back byte for byte. A document can be queried, and
    /// [`list_by_user`](crate::store::Store::list_by_user) finds a user's sessions by an index; with texts,
    /// the server scans all of them. BSON has no lone surrogates (they become U+FFFD) and no keys with a NUL
    /// (refused); its numbers are JavaScript's.
    pub fn stringify(mut self, stringify: bool) -> Self {
        self.stringify = stringify;
        self
    }

    /// Encrypts sessions, in one of connect-mongo's two formats. Default: no.
    ///
    /// An encrypted session is a text, whatever [`stringify`](Self::stringify) is. Its document has two more
    /// fields, by which a user's sessions are found without decrypting all: `userId`, a keyed hash of the
    /// user, and `userOf`, the end of the text that it belongs to.
    #[doc(alias = "crypto")]
    #[doc(alias = "cryptoAdapter")]
    pub fn encryption(mut self, encryption: impl Into<Encryption>) -> Self {
        self.encryption = Some(encryption.into());
        self
    }

    /// Sets the function from a session's id to a document's `_id`. Default: the id itself.
    ///
    /// The store cannot recover the id from the `_id`: [`scan`](crate::store::Store::scan) and
    /// [`list_by_user`](crate::store::Store::list_by_user) then return `stored:` and the `_id`, and all
    /// methods accept such an id. No cookie can hold it: the colon is in no id that
    /// [`IdGrammar::token`](crate::id::IdGrammar::token) allows.
    ///
    /// # Security
    ///
    /// With [`IdGrammar::any`](crate::id::IdGrammar::any) a visitor's own signed text may begin with
    /// `stored:`, and `transform` then hides nothing from anyone who has read the database.
    #[doc(alias = "transformId")]
    pub fn transform_id(
        mut self,
        transform: impl Fn(&str) -> String + Send + Sync + 'static,
    ) -> Self {
        self.transform_id = Some(Arc::new(transform));
        self
    }

    /// Stores documents under the SHA-256 of their ids in hexadecimal: a reader of the database learns no
    /// session id.
    ///
    /// In Node: `transformId: id => createHash('sha256').update(id).digest('hex')`. The restrictions of
    /// [`transform_id`](Self::transform_id) apply.
    pub fn hash_ids(self) -> Self {
        self.transform_id(|id| hex(&Sha256::digest(id.as_bytes())))
    }

    /// Sets the time after a save or touch for which a session is not touched again.
    ///
    /// Default: zero, every touch is a write; the policy has a `touch_after` of its own, which saves the
    /// query as well. Otherwise documents have a `lastModified`.
    pub fn touch_after(mut self, touch_after: Duration) -> Self {
        self.touch_after = touch_after;
        self
    }

    /// Sets whether documents have `createdAt` and `updatedAt`. Default: `false`.
    pub fn timestamps(mut self, timestamps: bool) -> Self {
        self.timestamps = timestamps;
        self
    }

    /// Sets the reported lifetime of a session whose document has no `expires`.
    ///
    /// Default: 14 days. Neither this store nor connect-mongo writes such documents.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Sets the removal of expired documents. Default: [`AutoRemove::Native`].
    pub fn auto_remove(mut self, auto_remove: AutoRemove) -> Self {
        self.auto_remove = auto_remove;
        self
    }

    /// Sets whether Express writes to the collection as well, and would resurrect sessions that are destroyed
    /// here: for a month a tombstone in the collection `<collection>_tombs` takes the place of each. Default:
    /// `false`.
    ///
    /// A read asks for session and tombstone at the same time; a session that Express resurrected is refused
    /// and deleted again.
    pub fn mixed_fleet(mut self, mixed_fleet: bool) -> Self {
        self.mixed_fleet = mixed_fleet;
        self
    }

    /// Sets the clock of the caller's instants, for tests. Default: the machine's.
    ///
    /// Expiry is decided by the server's clock, which is queried when the store connects and every 30
    /// seconds. A [`ManualClock`](crate::ManualClock) replaces both.
    pub fn clock(mut self, clock: impl Into<Clock>) -> Self {
        self.clock = clock.into();
        self
    }
}

impl fmt::Debug for MongoOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoOptions")
            .field("database", &self.database)
            .field("collection", &self.collection)
            .field("stringify", &self.stringify)
            .field("encryption", &self.encryption)
            .field("transform_id", &self.transform_id.is_some())
            .field("touch_after", &self.touch_after)
            .field("timestamps", &self.timestamps)
            .field("ttl", &self.ttl)
            .field("auto_remove", &self.auto_remove)
            .field("mixed_fleet", &self.mixed_fleet)
            .finish_non_exhaustive()
    }
}
