//! One request's session on a store by URL: opened, changed as JavaScript's object was, stored.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cloakroom::policy::RequestInfo;
use cloakroom::{Manager, Session, SessionError, SessionId};
use napi::bindgen_prelude::External;
use napi::{Error, Result, Status};
use napi_derive::napi;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::bell::{Bell, Outcome, run, run_later, runtime, spoken};
use crate::failure::Failure;
use crate::keep::Keep;
use crate::policy::assign;

/// The sessions of a few requests, by the numbers that JavaScript gives them, from 0 on.
///
/// Several together, because an object that JavaScript holds of the core costs it more, when it is collected, than a
/// request does: they go with the last of their requests.
pub struct Visits {
    manager: Manager,
    is_remote: bool,
    sessions: Mutex<Vec<Arc<OnceLock<Session>>>>,
}

/// The changes of a request to its session's object.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Changes {
    /// The changed keys, in the order of the object: a new key goes to the record's end.
    set: Vec<(String, Box<RawValue>)>,
    removed: Vec<String>,
    cookie: BTreeMap<String, Box<RawValue>>,
    /// `req.session` was dropped.
    unset: bool,
    /// `true` if it is stored although nothing changed.
    touched: bool,
}

/// Makes room for the sessions of a middleware's next requests.
#[napi(catch_unwind)]
pub fn visits(keep: &External<Keep>) -> External<Visits> {
    External::new(Visits {
        manager: keep.manager.clone(),
        is_remote: keep.is_remote,
        sessions: Mutex::default(),
    })
}

/// Returns the facts of a request that the library uses.
pub(crate) fn request_of(
    is_secure: bool,
    address: Option<String>,
    agent: Option<String>,
) -> RequestInfo {
    let mut request = RequestInfo::default();
    request.is_secure = is_secure;
    request.address = address.and_then(|text| text.parse::<IpAddr>().ok());
    if let Some(agent) = agent {
        request.set_user_agent(agent.as_bytes());
    }
    request
}

/// Opens the session that a request's cookies name, or a new one; answers it as [`look`] does. What it is told: the
/// Cookie field, whether the request is secure, where it came from and with which program.
#[allow(
    clippy::too_many_arguments,
    reason = "flat values, because an object of them would cost more than the call; the macro copies this"
)]
#[napi(catch_unwind)]
pub fn open_visit(
    visits: &External<Visits>,
    bell: &External<Bell>,
    number: u32,
    slot: u32,
    field: Option<String>,
    is_secure: bool,
    address: Option<String>,
    agent: Option<String>,
) -> Result<Option<String>> {
    let (manager, session) = (visits.manager.clone(), visits.place(slot));
    let request = request_of(is_secure, address, agent);
    // Who shows no cookie has a session without the store.
    let waits = visits.is_remote && field.is_some();
    let opening = async move {
        let opened = manager
            .open(field.iter().map(String::as_bytes), request)
            .await?;
        seen(session.get_or_init(|| opened))
    };
    if waits {
        run_later(bell, number, opening)
    } else {
        run(bell, number, opening)
    }
}

/// Gives a session that begins with this request the id and the attributes of its cookie, as JSON, that
/// the application's own functions say, where they say any.
#[napi(catch_unwind)]
pub fn choose(
    visits: &External<Visits>,
    slot: u32,
    id: Option<String>,
    cookie: Option<String>,
) -> Result<()> {
    let session = visits.session(slot)?;
    if let Some(id) = id {
        session
            .choose_id(SessionId::from_store(&id))
            .map_err(refused)?;
    }
    if let Some(cookie) = cookie {
        let attributes = serde_json::from_str(&cookie).map_err(internal)?;
        session.cookie_mut(|cookie| assign(cookie, &attributes));
    }
    Ok(())
}

/// Returns the session as it stands, as JSON: `id`, `isNew`, and the `record` with its cookie.
#[napi(catch_unwind)]
pub fn look(visits: &External<Visits>, slot: u32) -> Result<String> {
    seen(&visits.session(slot)?).map_err(thrown)
}

fn seen(session: &Session) -> std::result::Result<String, Failure> {
    let id = serde_json::to_string(session.id().expose()).map_err(|_| Failure::panicked())?;
    let data = session.to_json()?;
    let (cookie, is_new) = (session.cookie(), session.is_new());
    let rest = data.strip_prefix('{').unwrap_or("}");
    let comma = if rest == "}" { "" } else { "," };
    Ok(format!(
        r#"{{"id":{id},"isNew":{is_new},"record":{{"cookie":{cookie}{comma}{rest}}}"#
    ))
}

/// Takes over what the handler did to the session's object: JSON of `set`, `removed`, `cookie`, `unset`,
/// `touched`.
#[napi(catch_unwind)]
pub fn apply(visits: &External<Visits>, slot: u32, changes: String) -> Result<()> {
    applied(&visits.session(slot)?, &changes)
}

fn applied(session: &Session, changes: &str) -> Result<()> {
    let changes: Changes = serde_json::from_str(changes).map_err(internal)?;
    change(session, changes).map_err(refused)
}

fn change(session: &Session, changes: Changes) -> std::result::Result<(), SessionError> {
    if changes.unset {
        session.unset();
        return Ok(());
    }
    for key in &changes.removed {
        session.remove(key)?;
    }
    for (key, value) in &changes.set {
        session.insert_raw(key, value.get())?;
    }
    if !changes.cookie.is_empty() {
        session.cookie_mut(|cookie| assign(cookie, &changes.cookie));
    }
    if changes.touched {
        session.touch();
    }
    Ok(())
}

/// Stores what the request did, `changes` as for [`apply`] first; answers the Set-Cookie field that its
/// response is to have, or nothing.
#[napi(catch_unwind)]
pub fn close_visit(
    visits: &External<Visits>,
    bell: &External<Bell>,
    number: u32,
    slot: u32,
    changes: Option<String>,
) -> Result<Option<String>> {
    let (session, manager) = (visits.session(slot)?, visits.manager.clone());
    if let Some(changes) = changes {
        applied(&session, &changes)?;
    }
    let _entered = runtime()?.enter();
    let closing = match manager.close_or_wait(session) {
        Ok(effects) => return Ok(Some(spoken(Ok(effects.set_cookie.unwrap_or_default())))),
        Err(closing) => async move { Ok(closing.await?.set_cookie.unwrap_or_default()) },
    };
    if visits.is_remote {
        run_later(bell, number, closing)
    } else {
        run(bell, number, closing)
    }
}

/// Does one of the session's own operations: `save`, `reload`, `destroy`, and those of its user's account.
#[napi(catch_unwind)]
pub fn act(
    visits: &External<Visits>,
    bell: &External<Bell>,
    number: u32,
    slot: u32,
    name: String,
    argument: String,
) -> Result<Option<String>> {
    let session = visits.session(slot)?;
    run(bell, number, async move {
        acted(&session, &name, argument).await
    })
}

async fn acted(session: &Session, name: &str, argument: String) -> Outcome {
    match name {
        "save" => session.save().await?,
        "reload" => session.reload().await?,
        "destroy" => session.destroy().await?,
        _ => return crate::account::acted(session, name, argument).await,
    }
    Ok(String::new())
}

/// Begins another session, without data, in the place of the request's own: Express's `regenerate`.
#[napi(catch_unwind)]
pub fn reset(visits: &External<Visits>, slot: u32) -> Result<()> {
    visits.session(slot)?.reset().map_err(refused)
}

/// Changes the session's id when it is stored; the data stays.
#[napi(catch_unwind)]
pub fn renew(visits: &External<Visits>, slot: u32) -> Result<()> {
    visits.session(slot)?.regenerate().map_err(refused)
}

/// Changes one key where it still has the JSON `expected`, none for an empty text; stored at once. Answers
/// `=` where it did, else the JSON that it has by now.
#[napi(catch_unwind)]
pub fn exchange(
    visits: &External<Visits>,
    bell: &External<Bell>,
    number: u32,
    slot: u32,
    key: String,
    expected: String,
    next: String,
) -> Result<Option<String>> {
    let session = visits.session(slot)?;
    run(bell, number, async move {
        exchanged(&session, &key, expected, next).await
    })
}

async fn exchanged(session: &Session, key: &str, expected: String, next: String) -> Outcome {
    let next: Box<RawValue> = serde_json::from_str(&next).map_err(|_| Failure::panicked())?;
    let is_exchanged = Arc::new(AtomicBool::new(false));
    let note = Arc::clone(&is_exchanged);
    let value = session
        .update(key, move |current: Option<Box<RawValue>>| {
            let is_expected = current.as_deref().map_or("", RawValue::get) == expected;
            // Called again where another write came first: the last time counts.
            note.store(is_expected, Ordering::Relaxed);
            if is_expected {
                next.clone()
            } else {
                current.unwrap_or_else(null)
            }
        })
        .await?;
    Ok(if is_exchanged.load(Ordering::Relaxed) {
        "=".to_owned()
    } else {
        value.get().to_owned()
    })
}

fn null() -> Box<RawValue> {
    RawValue::NULL.to_owned()
}

impl Visits {
    /// Returns where the session of a request is, or will be once it is open.
    fn place(&self, slot: u32) -> Arc<OnceLock<Session>> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let at = slot as usize;
        if at >= sessions.len() {
            sessions.resize_with(at + 1, Arc::default);
        }
        Arc::clone(&sessions[at])
    }

    pub(crate) fn session(&self, slot: u32) -> Result<Session> {
        let unopened = || Error::new(Status::GenericFailure, Failure::panicked().to_json());
        self.place(slot).get().cloned().ok_or_else(unopened)
    }
}

/// A failure that is thrown, for JavaScript to take apart.
pub(crate) fn refused(error: SessionError) -> Error {
    thrown(error.into())
}

fn thrown(failure: Failure) -> Error {
    Error::new(Status::GenericFailure, failure.to_json())
}

fn internal(error: serde_json::Error) -> Error {
    let failure = Failure::new("ESESSION", 500, error.to_string());
    Error::new(Status::GenericFailure, failure.to_json())
}
