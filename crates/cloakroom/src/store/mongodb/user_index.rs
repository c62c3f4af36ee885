//! Sessions by user, decided by the session alone: Express writes it as well, and knows no field of ours. A
//! query on the server yields candidates and misses none; the text of each decides.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::TryStreamExt as _;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, Document, RawDocument, Uuid, doc};
use mongodb::options::IndexOptions;
use mongodb::{Collection, IndexModel};
use sha2::{Digest as _, Sha256};

use super::MongoInner;
use super::connection::error::read_failed;
use super::encoding::document::date;
use super::encoding::format::{SessionFormat, session_in};
use super::encryption::crypto::hex;
use super::encryption::encryptor::Encryptor;
use super::session::reads::BATCH;
use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::record::{DIVIDER, OF_OBJECT, stringify};
use crate::store::{StoreError, StoreErrorKind, UserKeys, too_many_id_changes};

/// Bound on the passes over a user's sessions while they are ended: a session that changed its id meanwhile
/// may have been missed.
const PASSES: usize = 64;
/// Number of queries in a row that find no session of a user before all are taken for ended.
///
/// A query reads no snapshot: a session that changes its id meanwhile may be missed under both, stored behind
/// the place where the query is by then, and deleted before it.
const NONE_IN_A_ROW: usize = 2;
/// Bound on a regular expression: MongoDB takes none of more than 32,764 bytes.
const LONGEST_PATTERN: usize = 30_000;
/// Length of an encrypted text's end that tells it from any other.
const TAIL: usize = 32;

impl MongoInner {
    pub(super) fn set_user_keys(&self, keys: &UserKeys) {
        self.user_keys.store(Arc::new(keys.clone()));
        self.indexed.store(false, Ordering::Release);
        self.create_user_indexes();
    }

    pub(super) async fn list_by_user(&self, user: &str) -> Result<Vec<SessionId>, StoreError> {
        let mut known = HashSet::new();
        for _ in 0..PASSES {
            let ids = self.ids_of(user).await?;
            let buried = self.buried(&ids).await?;
            // One with a new tombstone since the query may have changed its id, under which the query did not
            // find it.
            if buried.is_subset(&known) {
                let live = ids.iter().filter(|id| !buried.contains(*id));
                return Ok(live.map(|id| self.session_id(id)).collect());
            }
            known.extend(buried);
        }
        Err(too_many_id_changes())
    }

    pub(super) async fn destroy_by_user(
        &self,
        user: &str,
        keep: Option<&str>,
    ) -> Result<u64, StoreError> {
        let (mut ended, mut found_none) = (0, 0);
        for _ in 0..PASSES {
            let mut ids = self.ids_of(user).await?;
            ids.retain(|id| Some(&**id) != keep);
            found_none = if ids.is_empty() { found_none + 1 } else { 0 };
            if found_none == NONE_IN_A_ROW {
                return Ok(ended);
            }
            for some in ids.chunks(BATCH) {
                ended += self.destroy_all(some).await?;
            }
        }
        Err(too_many_id_changes())
    }

    /// Returns the `_id`s of a user's live sessions, those with a tombstone included.
    async fn ids_of(&self, user: &str) -> Result<Vec<String>, StoreError> {
        self.create_user_indexes();
        let keys = self.user_keys.load_full();
        let candidates = match &self.form {
            SessionFormat::Text => text_says(plain(user)),
            SessionFormat::Document => document_says(&keys, plain(user)),
            SessionFormat::Sealed(sealer) => sealed_may_say(sealer, &keys, user),
        };
        let filter = doc! { "$and": [self.live(), candidates] };
        let finding = self
            .sessions
            .find(filter)
            .projection(doc! { "session": 1, "userOf": 1 })
            .batch_size(500);
        let mut found = finding.await.map_err(read_failed)?;
        let mut ids = Vec::new();
        while let Some(candidate) = found.try_next().await.map_err(read_failed)? {
            if self.is_of(&candidate, &keys, user).await?
                && let Ok(id) = candidate.get_str("_id")
            {
                ids.push(id.to_owned());
            }
        }
        Ok(ids)
    }

    async fn is_of(
        &self,
        candidate: &RawDocument,
        keys: &UserKeys,
        user: &str,
    ) -> Result<bool, StoreError> {
        let Ok(session) = session_in(candidate) else {
            return Ok(false);
        };
        let text = match self.form.text(&session).await {
            // One unreadable session does not fail the operation.
            Err(error) if error.kind() == StoreErrorKind::Corrupt => return Ok(false),
            text => text?,
        };
        self.note_user(candidate, &session, &text).await;
        Ok(keys.users_of(&text).iter().any(|named| named == user))
    }

    /// Returns the fields of an encrypted session's document that spare decrypting it.
    pub(super) fn user_fields(&self, session: &Bson, text: &str) -> Document {
        let (SessionFormat::Sealed(sealer), Some(stored)) = (&self.form, session.as_str()) else {
            return Document::new();
        };
        let keys = self.user_keys.load();
        let users = keys.users_of(text);
        let mut users: Vec<Bson> = users.iter().map(|user| sealer.user(user).into()).collect();
        // Several are an array, of which a query matches each.
        let user = match users.len() {
            0 => Bson::Null,
            1 => users.remove(0),
            _ => users.into(),
        };
        let tail = stored.get(stored.len().saturating_sub(TAIL)..);
        let of = [&key_mark(&keys), tail.unwrap_or(stored)].concat();
        doc! { "userId": user, "userOf": of }
    }

    /// Adds those fields to a document that Express has written. Best effort: without them, it is decrypted
    /// again.
    async fn note_user(&self, candidate: &RawDocument, session: &Bson, text: &str) {
        let fields = self.user_fields(session, text);
        let noted = candidate.get_str("userOf").ok();
        let (Ok(of), Ok(id)) = (fields.get_str("userOf"), candidate.get_str("_id")) else {
            return;
        };
        if noted != Some(of) {
            let filter = doc! { "_id": id, "session": { "$eq": session } };
            let _ = self
                .sessions
                .update_one(filter, doc! { "$set": fields })
                .await;
        }
    }

    /// Creates indexes for the users in documents, in the background. Without them the server scans all.
    fn create_user_indexes(&self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if matches!(self.form, SessionFormat::Document)
            && !self.indexed.swap(true, Ordering::AcqRel)
        {
            let (sessions, keys) = (self.sessions.clone(), self.user_keys.load_full());
            runtime.spawn(async move {
                if index(&sessions, &keys).await.is_err() {
                    tracing::warn!("the indexes by user could not be created");
                }
            });
        }
    }
}

async fn index<T: Send + Sync>(
    sessions: &Collection<T>,
    keys: &UserKeys,
) -> mongodb::error::Result<()> {
    let sparse = IndexOptions::builder().sparse(true).build();
    let indexes: Vec<IndexModel> = fields(keys)
        .unwrap_or_default()
        .iter()
        .map(|field| {
            let keys = doc! { field.as_str(): 1 };
            IndexModel::builder()
                .keys(keys)
                .options(sparse.clone())
                .build()
        })
        .collect();
    if indexes.is_empty() {
        return Ok(());
    }
    sessions.create_indexes(indexes).await.map(drop)
}

/// Strips the realm from a user's name in an index: documents hold the realm elsewhere, and it is checked in
/// the text of each.
fn plain(name: &str) -> &str {
    let in_realm = name.strip_prefix(DIVIDER);
    in_realm
        .and_then(|rest| Some(rest.split_once(DIVIDER)?.1))
        .unwrap_or(name)
}

/// Returns the fields in which documents may name a user; `None` if a query cannot express one of them.
fn fields(keys: &UserKeys) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    for path in keys.paths() {
        let sayable = |step: &str| !step.is_empty() && !step.starts_with('$');
        if path.contains('\0') || !path.split('.').all(sayable) {
            return None;
        }
        fields.push(format!("session.{path}"));
        let inside = OF_OBJECT.iter().filter(|path| !path.contains('$'));
        fields.extend(inside.map(|inner| format!("session.{path}.{inner}")));
    }
    fields.push("session._ck.by".to_owned());
    Some(fields)
}

/// Returns a filter for documents that may name a user: in any type that JSON prints as that text.
fn document_says(keys: &UserKeys, user: &str) -> Document {
    let Some(fields) = fields(keys) else {
        return Document::new();
    };
    let mut forms: Vec<Bson> = vec![user.into()];
    forms.extend(user.parse::<f64>().ok().map(Bson::Double));
    forms.extend(ObjectId::parse_str(user).ok().map(Bson::ObjectId));
    forms.extend(Timestamp::parse_iso(user).map(|at| Bson::DateTime(date(at))));
    forms.extend(Uuid::parse_str(user).ok().map(Bson::from));
    let says = |field: &String| {
        // A field inside an object cannot be queried under every name: its text decides.
        let kinds: &[&str] = if field.ends_with("._id") {
            &["binData", "symbol", "object"]
        } else {
            &["binData", "symbol"]
        };
        let other = doc! { field: { "$type": kinds } };
        [doc! { field: { "$in": &forms } }, other]
    };
    let says: Vec<Document> = fields.iter().flat_map(says).collect();
    doc! { "$or": says }
}

/// Returns a filter for texts in which a user's name is a value, or a spelling is unusual.
fn text_says(user: &str) -> Document {
    let Ok(quoted) = stringify(user) else {
        return Document::new();
    };
    let pattern = format!(
        r":\s*(?:{}|{})\s*[,}}]|\\[u/]",
        literal(&quoted),
        literal(user)
    );
    if pattern.len() > LONGEST_PATTERN || user.contains('\0') {
        return Document::new();
    }
    doc! { "session": { "$regex": pattern } }
}

/// Returns a pattern that matches a text and nothing else.
fn literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        if char.is_ascii() && !char.is_ascii_alphanumeric() {
            pattern.push('\\');
        }
        pattern.push(char);
    }
    pattern
}

/// Returns a filter for encrypted sessions that name a user, or whose user was not noted yet.
fn sealed_may_say(sealer: &Encryptor, keys: &UserKeys, user: &str) -> Document {
    let length = doc! { "$strLenCP": "$session" };
    let tail = i64::try_from(TAIL).unwrap_or_default();
    let start = doc! { "$max": [0, { "$subtract": [length, tail] }] };
    let tail = doc! { "$substrCP": ["$session", start, tail] };
    let noted = doc! { "$concat": [key_mark(keys), tail] };
    let is_text = doc! { "$eq": [{ "$type": "$session" }, "string"] };
    let stale = doc! { "$cond": [is_text, { "$ne": ["$userOf", noted] }, false] };
    doc! { "$or": [{ "userId": sealer.user(user) }, { "$expr": stale }] }
}

/// Returns a fingerprint of the keys that users were looked for under: another program may have others.
fn key_mark(keys: &UserKeys) -> String {
    let paths: Vec<&str> = keys.paths().collect();
    let mut mark = hex(&Sha256::digest(paths.join("\n").as_bytes())[..4]);
    mark.push(':');
    mark
}
