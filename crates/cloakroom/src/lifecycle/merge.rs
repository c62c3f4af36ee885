//! The three-way merge: a request's changes, applied to the record as it is stored by then.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::expiry::{expiry_of, new_metadata};
use super::session_state::{Rotation, SessionState};
use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::policy::Policy;
use crate::record::{
    COOKIE, CookieState, METADATA_KEY, Metadata, NewRecord, Owner, Patch, Record, RecordLimit,
    RecordText, ValueError, index_names, is_value, member_length,
};

/// Bytes by which the cookie and metadata of a record may grow until it is written.
const OWN: usize = 4096;

/// A function from a key's value as JSON, if it has one, to its next value; `None` removes it.
pub(crate) type Function = Box<dyn FnMut(Option<&str>) -> Result<Option<String>, EditError> + Send>;

/// The changes that one request writes.
pub(crate) struct Edit {
    pub(crate) patch: Patch,
    /// The cookie as this request set it; `None`: the stored one, touched.
    cookie: Option<CookieState>,
    /// The metadata as this request set it.
    metadata: Option<Arc<Metadata>>,
    change: Option<ComputedChange>,
    /// The reason for which the session gets another id, if it does.
    pub(crate) rotation: Option<Rotation>,
    /// The text of the session that must still be stored, although none of its data is kept.
    pub(crate) required: Option<RecordText>,
    /// The value that the change resulted in when it was last computed.
    pub(crate) value: Option<String>,
    now: Timestamp,
    /// The session's expiry, where the request is passive; a session that begins has its own.
    pub(crate) kept_expiry: Option<Timestamp>,
}

/// A change that is computed from the value that it replaces.
pub(crate) struct ComputedChange {
    pub(crate) key: String,
    pub(crate) function: Function,
}

impl fmt::Debug for ComputedChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ComputedChange").finish_non_exhaustive()
    }
}

/// The reason for which an edit could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EditError {
    /// Over a limit of bytes, keys or depth.
    #[error("the session is too large to be stored")]
    TooLarge,
    /// The key's value is not the one that the change was computed from.
    #[error("the value was changed meanwhile")]
    Stale,
    /// The key's value is of another type.
    #[error(transparent)]
    Value(ValueError),
    /// The application's function panicked, with this payload.
    #[error("the change panicked")]
    Panicked(Box<dyn Any + Send>),
}

impl Edit {
    pub(crate) fn of(held: &SessionState, now: Timestamp) -> Self {
        // A new record, or one under a new id, is this request's alone.
        let own_cookie = held.cookie.changed || held.data.base.is_none();
        Self {
            patch: held.data.patch.clone(),
            cookie: own_cookie.then(|| held.cookie.value.clone()),
            metadata: held
                .metadata
                .value
                .clone()
                .filter(|_| held.metadata.changed),
            change: None,
            rotation: held.identity.rotation,
            required: None,
            value: None,
            now,
            kept_expiry: held.keeps_expiry().then_some(held.identity.stored_expires),
        }
    }

    /// Changes nothing but the expiry.
    #[cfg(any(feature = "ws", feature = "socketio"))]
    pub(crate) fn touch(now: Timestamp) -> Self {
        Self {
            patch: Patch::default(),
            cookie: None,
            metadata: None,
            change: None,
            rotation: None,
            required: None,
            value: None,
            now,
            kept_expiry: None,
        }
    }

    /// Sets the session that must still be stored, for a user who goes on in one without its data.
    pub(crate) fn requiring(mut self, required: Option<RecordText>) -> Self {
        self.required = required;
        self
    }

    pub(crate) fn add(&mut self, change: ComputedChange) {
        self.change = Some(change);
    }
}

/// A record with one or more edits applied.
#[derive(Debug)]
pub(crate) struct Merged {
    pub(crate) entry: NewRecord,
    /// The parsed text.
    pub(crate) record: Arc<Record>,
}

/// Applies edits, in order, to the stored record; `None`: to an empty one. The result is for the store's
/// `key`.
pub(crate) fn merge(
    policy: &Policy,
    key: &SessionId,
    base: Option<&Record>,
    edits: &mut [&mut Edit],
) -> Result<Merged, EditError> {
    let depth = policy.write_limit().depth;
    let mut patch = Patch::default();
    let mut cookie = base.map_or_else(CookieState::default, |base| base.cookie().clone());
    let mut metadata = base.and_then(Record::metadata).cloned();
    let mut metadata_changed = false;
    let mut latest = None;
    let kept = base.and_then(|base| kept_expiry(base, edits));
    for edit in edits {
        patch.extend(&edit.patch);
        if let Some(change) = &mut edit.change {
            edit.value = make(change, &mut patch, base, depth)?;
        }
        if let Some(own) = &edit.cookie {
            cookie.clone_from(own);
        }
        if let Some(own) = &edit.metadata {
            metadata = Some(Arc::clone(own));
            metadata_changed = true;
        }
        latest = latest.max(Some(edit.now));
    }
    let now = latest.unwrap_or(Timestamp::from_millis(0));
    match &metadata {
        None => {
            metadata = new_metadata(policy, now);
            metadata_changed = metadata.is_some();
        }
        Some(read) => {
            if let Some(clamped) = read.clamped(policy.times(), now) {
                metadata = Some(Arc::new(clamped));
                metadata_changed = true;
            }
        }
    }
    let owner = owner_after(policy, &patch, base);
    metadata_changed |= note_last(policy, &owner, metadata.as_mut());
    let deadline = metadata.as_ref().and_then(|metadata| metadata.deadline());
    if kept.is_none() {
        cookie.touch(now);
    }
    cookie.cap_expiry(deadline);
    let expires = kept.or_else(|| cookie.expires());
    let expires = expiry_of(policy, expires, deadline, now);
    let laid = Laid {
        base,
        patch: &patch,
        cookie: &cookie,
        metadata,
        metadata_changed,
    };
    laid.merged(policy, key, owner, expires)
}

/// Returns the expiry of a session if all these requests are passive: not before that of the last write.
fn kept_expiry(base: &Record, edits: &[&mut Edit]) -> Option<Timestamp> {
    let kept = edits.iter().map(|edit| edit.kept_expiry);
    let kept = kept.collect::<Option<Vec<_>>>()?.into_iter().max()?;
    Some(base.cookie().expires().map_or(kept, |said| said.max(kept)))
}

/// Changes data of a record outside a request: neither its cookie nor its expiry moves.
pub(crate) fn amend(
    policy: &Policy,
    key: &SessionId,
    base: &Record,
    patch: &Patch,
    expires: Timestamp,
) -> Result<Merged, EditError> {
    let owner = owner_after(policy, patch, Some(base));
    let laid = Laid {
        base: Some(base),
        patch,
        cookie: base.cookie(),
        metadata: base.metadata().cloned(),
        metadata_changed: false,
    };
    laid.merged(policy, key, owner, expires)
}

/// The parts of a new text.
struct Laid<'a> {
    base: Option<&'a Record>,
    patch: &'a Patch,
    cookie: &'a CookieState,
    metadata: Option<Arc<Metadata>>,
    metadata_changed: bool,
}

impl Laid<'_> {
    fn merged(
        self,
        policy: &Policy,
        key: &SessionId,
        owner: Owner,
        expires: Timestamp,
    ) -> Result<Merged, EditError> {
        let limit = policy.write_limit();
        let Self {
            base,
            patch,
            cookie,
            metadata,
            metadata_changed,
        } = self;
        let written = metadata.as_ref().filter(|_| metadata_changed);
        let stamp_json = written.map(|metadata| metadata.to_json());
        let cookie_json = cookie.to_json();
        let fields = patch.lay(base, &cookie_json, stamp_json.as_deref());
        let realm = metadata.as_ref().and_then(|metadata| metadata.realm());
        let by = metadata.as_ref().and_then(|metadata| metadata.by());
        let users = index_names(owner, realm, by.map(|(by, _)| by));
        // A store in memory keeps it like this, and need not copy it.
        let joined = NewRecord::joined(&users);
        let record = Record::of([key.expose(), &joined], &fields, cookie, metadata.clone());
        if !patch.is_empty() && grows(base, &record, limit) {
            return Err(EditError::TooLarge);
        }
        debug_assert!(
            Record::parse(record.text().clone(), policy.settings().record_limit)
                .is_ok_and(|read| read == record)
                || record.text().len() > limit.bytes,
            "a record equals its parsed text"
        );
        Ok(Merged {
            entry: NewRecord {
                text: record.text().clone(),
                expires,
                users,
            },
            record: Arc::new(record),
        })
    }
}

/// Returns the user who is signed in once a patch is applied to a record.
fn owner_after(policy: &Policy, patch: &Patch, base: Option<&Record>) -> Owner {
    let value_of = |key: &str| match patch.get(key) {
        _ if key == COOKIE || key == METADATA_KEY => None,
        Some(change) => change,
        None => base?.get(key),
    };
    policy.settings().user_keys.owner_by(value_of)
}

/// Notes a user who signed in through another writer, such as Express, where none is noted yet: the note
/// stays when that user is signed out there, so that the next user finds none of their data.
fn note_last(policy: &Policy, owner: &Owner, metadata: Option<&mut Arc<Metadata>>) -> bool {
    let (Owner::User(user), Some(metadata)) = (owner, metadata) else {
        return false;
    };
    if metadata.last().is_some() {
        return false;
    }
    let fingerprint = policy.keys().fingerprints_of(user).into_iter().next();
    Arc::make_mut(metadata).note_last(fingerprint);
    true
}

/// Sets keys, or removes them (`None`): all of them or, where the session would be too large, none.
///
/// Lengths alone show that most sessions are far from their limits; only near them is the record built that
/// would be written now.
pub(crate) fn set_within_limit(
    policy: &Policy,
    held: &mut SessionState,
    changes: &mut [(&str, Option<String>)],
    now: impl FnOnce() -> Timestamp,
) -> Result<(), EditError> {
    if is_far_from_limit(policy.write_limit(), held, changes) {
        lay(&mut held.data.patch, changes);
        return Ok(());
    }
    let mut edit = Edit::of(held, now());
    lay(&mut edit.patch, changes);
    merge(
        policy,
        &held.identity.id,
        held.data.base.as_deref(),
        &mut [&mut edit],
    )?;
    held.data.patch = edit.patch;
    Ok(())
}

fn is_far_from_limit(
    limit: RecordLimit,
    held: &SessionState,
    changes: &[(&str, Option<String>)],
) -> bool {
    if changes.iter().all(|(_, value)| value.is_none()) {
        return true;
    }
    let base = held.data.base.as_deref();
    let (mut bytes, mut keys) = held.data.patch.adds();
    for (key, value) in changes {
        bytes += value.as_ref().map_or(0, |value| member_length(key, value));
        keys += 1;
    }
    bytes + base.map_or(0, |base| base.text().len()) + OWN <= limit.bytes
        && keys + base.map_or(0, Record::count) <= limit.keys
}

fn lay(patch: &mut Patch, changes: &mut [(&str, Option<String>)]) {
    for (key, value) in changes {
        match value.take() {
            Some(value) => patch.set(key, value),
            None => patch.remove(key),
        }
    }
}

/// Returns `true` if a record grew over a limit. One that another writer took over it may be read, touched
/// and made smaller.
fn grows(base: Option<&Record>, record: &Record, limit: RecordLimit) -> bool {
    let bytes = base.map_or(0, |base| base.text().len());
    let keys = || base.map_or(0, Record::count);
    record.text().len() > limit.bytes.max(bytes)
        || (record.count() > limit.keys && record.count() > keys())
}

/// Computes the next value of a key, and patches it in.
fn make(
    ComputedChange { key, function }: &mut ComputedChange,
    patch: &mut Patch,
    base: Option<&Record>,
    depth: usize,
) -> Result<Option<String>, EditError> {
    let current = match patch.get(key) {
        Some(changed) => changed,
        None => base.and_then(|base| base.get(key)),
    };
    // Others' edits may be merged with this one: they must not fail with it.
    let next = catch_unwind(AssertUnwindSafe(|| function(current)))
        .map_err(EditError::Panicked)
        .flatten()?;
    let Some(next) = next else {
        patch.remove(key);
        return Ok(None);
    };
    // The record itself is the first level.
    if !is_value(&next, depth.saturating_sub(1)) {
        return Err(EditError::TooLarge);
    }
    patch.set(key, next.as_str());
    Ok(Some(next))
}
