//! The session as a handler has it: one client's data, read and changed by key.

mod error;
mod events;
mod fields;
mod flash;
mod ids;
mod late;
mod memo;
mod passive;
#[cfg(any(feature = "ws", feature = "socketio"))]
mod presence;
mod remember;
mod state;
mod try_update;
mod typed;
mod value;
mod write;

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use crate::coordinator::{Coordinator, Followed, SaveError};
pub use error::SessionError;
use memo::Memo;
#[cfg(feature = "ws")]
pub use presence::HeldSocket;
#[cfg(any(feature = "ws", feature = "socketio"))]
pub(crate) use presence::Presence;
use state::Lazy;
pub use typed::Typed;
pub(crate) use value::check;
use value::{parse, read};

use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::lifecycle::{Phase, SessionState, set_within_limit};
use crate::policy::{CookieMut, Policy, RequestInfo};
pub use crate::record::ValueError;
use crate::record::{self, Field, LoginDevice, Metadata, UserKeys, is_reserved, stringify};
use crate::store::{StoreError, StoreErrorKind};
use crate::watch::{Ended, Watched};

/// One client's session, for as long as one request runs. Clones are the same session.
///
/// Reading and changing happen in memory. Changes are written before the response leaves, as a
/// patch over whatever the record has become by then: of two requests that change different keys
/// both are kept.
///
/// ```
/// # use cloakroom::session::{Session, SessionError};
/// fn visit(session: &Session) -> Result<u32, SessionError> {
///     let views = session.get::<u32>("views")?.unwrap_or(0) + 1;
///     session.insert("views", views)?;
///     Ok(views)
/// }
/// ```
#[derive(Clone)]
pub struct Session(Arc<SessionInner>);

struct SessionInner {
    coordinator: Arc<Coordinator>,
    request: RequestInfo,
    state: Mutex<Lazy>,
    /// `true` once the head of the response is on its way.
    head_sent: AtomicBool,
    /// `true` if something was changed since.
    late: AtomicBool,
    /// A value that the application has loaded for this request, to be loaded once.
    memo: Memo,
}

impl Session {
    /// Returns the value of `key`; `None` where it has none or `null`, whatever `T` is: Express's
    /// applications clear a value that way (`req.session.user = null`).
    ///
    /// Half a surrogate pair, which JavaScript may store and Rust cannot hold, reads as U+FFFD.
    ///
    /// # Errors
    ///
    /// [`SessionError::Ended`] after `destroy` or `unset`, [`SessionError::Value`] where the value
    /// is of another type than `T`.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, SessionError> {
        let value = self.peek(|held| held.get(key).map(|json| read(key, json)))?;
        Ok(value.flatten().transpose()?.flatten())
    }

    /// Returns the value of `key` as it is written in the record: JSON.
    ///
    /// # Errors
    ///
    /// [`SessionError::Ended`] after `destroy` or `unset`.
    pub fn get_raw(&self, key: &str) -> Result<Option<String>, SessionError> {
        let value = self.peek(|held| {
            held.get(key)
                .filter(|_| !is_reserved(key))
                .map(str::to_owned)
        })?;
        Ok(value.flatten())
    }

    /// Sets the value of `key`.
    ///
    /// # Errors
    ///
    /// [`SessionError::ReservedKey`] for a name that Express's `Session` object has itself, and would drop
    /// when it loads the record; [`SessionError::Value`] for a value that JSON cannot express;
    /// [`SessionError::TooLarge`] where the session would exceed the policy's `record_limit` with it, and
    /// stays as it was; [`SessionError::HeadersSent`] for a session that begins after the response's head;
    /// [`SessionError::Ended`].
    pub fn insert<T: Serialize>(&self, key: &str, value: T) -> Result<(), SessionError> {
        let json = stringify(&value).map_err(|error| ValueError::write::<T>(key, error))?;
        self.set_all(&mut [(key, Some(json))])
    }

    /// Sets the value of `key` to a JSON text.
    ///
    /// # Errors
    ///
    /// As for [`insert`](Self::insert).
    pub fn insert_raw(&self, key: &str, json: &str) -> Result<(), SessionError> {
        self.set_all(&mut [(key, Some(json.to_owned()))])
    }

    /// Sets keys, or removes them: all of them or none.
    fn set_all(&self, changes: &mut [(&str, Option<String>)]) -> Result<(), SessionError> {
        let policy = &self.0.coordinator.policy;
        for (key, json) in &mut *changes {
            if let Some(json) = json {
                check(key, json, policy.write_limit())?;
            }
        }
        let now = || self.0.coordinator.now();
        self.change(|held| {
            let set = set_within_limit(policy, held, changes, now);
            set.map_err(|error| SaveError::from(error).into())
        })
    }

    /// Removes `key`; one that is not there is no error.
    ///
    /// # Errors
    ///
    /// [`SessionError::Ended`] after `destroy` or `unset`.
    pub fn remove(&self, key: &str) -> Result<(), SessionError> {
        self.live(|held| {
            if !is_reserved(key) {
                held.data.patch.remove(key);
            }
        })?;
        self.note_late();
        Ok(())
    }

    /// Removes all keys; the session and its id stay.
    ///
    /// # Errors
    ///
    /// [`SessionError::Ended`] after `destroy` or `unset`.
    pub fn clear(&self) -> Result<(), SessionError> {
        self.live(|held| {
            for key in names(held) {
                held.data.patch.remove(&key);
            }
        })?;
        self.note_late();
        Ok(())
    }

    /// Returns the keys that have values, in the record's order; none after the session ended.
    pub fn keys(&self) -> Vec<String> {
        self.live(|held| names(held)).unwrap_or_default()
    }

    /// Returns all data as one JSON object.
    ///
    /// # Errors
    ///
    /// [`SessionError::Ended`] after `destroy` or `unset`.
    pub fn to_json(&self) -> Result<String, SessionError> {
        self.live(|held| record::object(&held.data.fields()))
    }

    /// Searches the values of keys; `None` after the session ended.
    pub(crate) fn find<R>(&self, with: impl FnOnce(&SessionState) -> Option<R>) -> Option<R> {
        self.peek(with).ok()??
    }

    /// Returns `true` if the client did not come with this session: it began, or changed its id, in this
    /// request.
    pub fn is_new(&self) -> bool {
        self.lock(|held| held.is_new())
    }

    /// Returns `true` if this request ended it, by [`destroy`](Self::destroy) or [`unset`](Self::unset).
    pub fn is_ended(&self) -> bool {
        let is_ended = |held: &SessionState| {
            matches!(
                held.progress.phase,
                Phase::Destroyed | Phase::NotEnded | Phase::Unset
            )
        };
        self.look(is_ended).unwrap_or(false)
    }

    /// Returns the address of the client, as a trusted proxy reports it where there is one: see
    /// [`TrustedProxy::client`](crate::policy::TrustedProxy::client).
    pub fn address(&self) -> Option<IpAddr> {
        self.0.request.address
    }

    /// Returns the time at which it began, or its user signed in last; `None` for a session of another
    /// writer, or of a policy without absolute and renewal time-outs, whose record does not hold it.
    pub fn created(&self) -> Option<SystemTime> {
        self.lock(|held| {
            held.metadata
                .value
                .as_ref()
                .map(|metadata| metadata.created().into())
        })
    }

    /// Returns its expiry, unless another request comes before.
    pub fn expires(&self) -> SystemTime {
        let now = self.0.coordinator.now();
        self.lock(|held| held.expires(&self.0.coordinator.policy, now))
            .into()
    }

    /// Returns the time of its absolute time-out; `None` without one.
    pub fn deadline(&self) -> Option<SystemTime> {
        self.lock(|held| held.deadline().map(SystemTime::from))
    }

    /// Returns its cookie's attributes, as JSON in Express's spelling.
    pub fn cookie(&self) -> String {
        self.lock(|held| held.cookie.value.to_json())
    }

    /// Changes its cookie's attributes, for this session only.
    ///
    /// The cookie is sent again with them. With [`Policy::express`](crate::Policy::express) that alone is no
    /// change to the session, as in Express: the cookie is sent again when data changed too, and the record
    /// keeps the attributes when it is written or [saved](Self::save).
    pub fn cookie_mut<R>(&self, change: impl FnOnce(&mut CookieMut<'_>) -> R) -> R {
        let mut cookie = self.lock(|held| held.cookie.value.clone());
        let result = change(&mut CookieMut::new(&mut cookie, self.0.coordinator.now()));
        self.lock(|held| held.cookie.set(cookie));
        self.note_late();
        result
    }

    /// Drops the session: changes of this request are discarded, and the record is kept or deleted as the
    /// policy's `unset` says. Express's `req.session = null`.
    pub fn unset(&self) {
        self.lock(SessionState::unset);
        self.note_late();
    }

    /// Moves the session's expiry at the end of this request, however recently that was done.
    pub fn touch(&self) {
        self.lock(|held| held.progress.touched = true);
    }

    /// Waits for the session's end: for a connection that outlives the request, such as a WebSocket or a
    /// stream.
    ///
    /// Ready within a second after the session was destroyed, got another id by a login, a logout or a
    /// renewal, was ended on another server, or expired; at once where this process did it. It watches the
    /// session as it is stored when this is called; one that is not stored has nothing that can end, and its
    /// future is never ready. Nor is it while the store is down: once that is back, it is polled again.
    ///
    /// All waiting futures together cost the store one query for a thousand of them, twice a second, fewer
    /// where it sends invalidations: see `manual::websockets`.
    ///
    /// ```
    /// # use cloakroom::{Session, watch::EndReason};
    /// # async fn read() {}
    /// async fn follow(session: Session) -> EndReason {
    ///     let ended = session.ended();
    ///     tokio::spawn(async { read().await });
    ///     ended.await
    /// }
    /// ```
    pub fn ended(&self) -> Ended {
        let coordinator = &self.0.coordinator;
        let watched = self.lock(|held| {
            Some(Watched {
                id: coordinator.key(held.identity.stored.as_ref()?).into_owned(),
                expires: held.identity.stored_expires,
                deadline: held.deadline(),
            })
        });
        watched.map_or_else(Ended::never, |watched| {
            Ended::of(Arc::clone(&coordinator.watch), watched)
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.coordinator.now()
    }

    /// Returns `true` if this request goes on without its session, because the store failed to return it.
    #[cfg(any(feature = "tower", feature = "actix"))]
    pub(crate) fn is_detached(&self) -> bool {
        self.look(|held| held.progress.phase == Phase::Detached)
            .unwrap_or(false)
    }

    pub(crate) fn user_keys(&self) -> UserKeys {
        self.0.coordinator.policy.settings().user_keys.clone()
    }

    pub(crate) fn note_login(
        &self,
        device: Option<&LoginDevice>,
        fingerprint: Option<String>,
    ) -> Result<(), SessionError> {
        let (policy, now) = (&self.0.coordinator.policy, self.0.coordinator.now());
        self.live(|held| held.note_login(policy, now, device, fingerprint))
    }

    pub(crate) fn note_by(&self, by: Option<(String, String)>) -> Result<(), SessionError> {
        let (policy, now) = (&self.0.coordinator.policy, self.0.coordinator.now());
        self.live(|held| held.note_by(policy, now, by))
    }

    /// Returns the device that its last login noted.
    pub(crate) fn login_device(&self) -> Option<LoginDevice> {
        self.lock(|held| held.metadata.value.as_ref()?.device())
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.0.coordinator.policy
    }

    pub(crate) fn coordinator(&self) -> &Coordinator {
        &self.0.coordinator
    }

    /// Notes that the store has ended it.
    pub(crate) fn was_destroyed(&self) {
        self.lock(|held| held.progress.phase = Phase::Destroyed);
    }

    /// Returns the session's metadata.
    pub(crate) fn metadata(&self) -> Option<Arc<Metadata>> {
        self.lock(|held| held.metadata.value.clone())
    }

    pub(crate) fn request(&self) -> &RequestInfo {
        &self.0.request
    }

    /// Returns the id under which it is stored, if it is.
    pub(crate) fn stored_id(&self) -> Option<SessionId> {
        self.lock(|held| held.identity.stored.clone())
    }

    /// Refuses an operation that would falsely be reported as done: without the store this request has
    /// nothing of the session.
    pub(crate) fn must_be_attached(&self) -> Result<(), SessionError> {
        if self.lock(|held| held.progress.phase == Phase::Detached) {
            let reason = "the store did not give this request its session";
            return Err(StoreError::new(StoreErrorKind::Unavailable, reason).into());
        }
        Ok(())
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

fn names(held: &SessionState) -> Vec<String> {
    let data = held.data.fields();
    data.iter()
        .map(|field: &Field<'_>| field.name().into_owned())
        .collect()
}
