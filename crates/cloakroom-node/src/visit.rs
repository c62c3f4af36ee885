//! One request's session on a store by URL: opened, changed as JavaScript's object was, stored.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use cloakroom::policy::RequestInfo;
use cloakroom::{Manager, Session, SessionError, SessionId};
use napi::bindgen_prelude::External;
use napi::{Error, Result, Status};
use napi_derive::napi;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::bell::{Bell, Outcome, run};
use crate::failure::Failure;
use crate::keep::Keep;
use crate::policy::assign;

/// One request's session.
#[derive(Clone)]
pub struct Visit(Arc<Inner>);

struct Inner {
    manager: Manager,
    field: Option<String>,
    request: RequestInfo,
    session: OnceLock<Session>,
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

/// Begins a request: its Cookie field, whether it is secure, where it came from and with which program.
#[napi(catch_unwind)]
pub fn begin(
    keep: &External<Keep>,
    field: Option<String>,
    is_secure: bool,
    address: Option<String>,
    agent: Option<String>,
) -> External<Visit> {
    let request = request_of(is_secure, address, agent);
    External::new(Visit(Arc::new(Inner {
        manager: keep.manager.clone(),
        field,
        request,
        session: OnceLock::new(),
    })))
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

/// Opens the session that the request's cookies name, or a new one; answers it as [`look`] does.
#[napi(catch_unwind)]
pub fn open_visit(
    visit: &External<Visit>,
    bell: &External<Bell>,
    number: u32,
) -> Result<Option<String>> {
    let visit = (**visit).clone();
    run(bell, number, async move {
        let Inner {
            manager,
            field,
            request,
            session,
        } = &*visit.0;
        let fields = field.iter().map(String::as_bytes);
        let opened = manager.open(fields, request.clone()).await?;
        seen(session.get_or_init(|| opened))
    })
}

/// Gives a session that begins with this request the id and the attributes of its cookie, as JSON, that
/// the application's own functions say, where they say any.
#[napi(catch_unwind)]
pub fn choose(visit: &External<Visit>, id: Option<String>, cookie: Option<String>) -> Result<()> {
    let session = visit.session()?;
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
pub fn look(visit: &External<Visit>) -> Result<String> {
    seen(visit.session()?).map_err(thrown)
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
pub fn apply(visit: &External<Visit>, changes: String) -> Result<()> {
    applied(visit.session()?, &changes)
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
    visit: &External<Visit>,
    bell: &External<Bell>,
    number: u32,
    changes: Option<String>,
) -> Result<Option<String>> {
    let (session, manager) = (visit.session()?.clone(), visit.0.manager.clone());
    if let Some(changes) = changes {
        applied(&session, &changes)?;
    }
    run(bell, number, async move {
        let closing = manager.close(&session).await?;
        Ok(closing.set_cookie.unwrap_or_default())
    })
}

/// Does one of the session's own operations: `save`, `reload`, `destroy`, and those of its user's account.
#[napi(catch_unwind)]
pub fn act(
    visit: &External<Visit>,
    bell: &External<Bell>,
    number: u32,
    name: String,
    argument: String,
) -> Result<Option<String>> {
    let session = visit.session()?.clone();
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
pub fn reset(visit: &External<Visit>) -> Result<()> {
    visit.session()?.reset().map_err(refused)
}

/// Changes the session's id when it is stored; the data stays.
#[napi(catch_unwind)]
pub fn renew(visit: &External<Visit>) -> Result<()> {
    visit.session()?.regenerate().map_err(refused)
}

/// Changes one key where it still has the JSON `expected`, none for an empty text; stored at once. Answers
/// `=` where it did, else the JSON that it has by now.
#[napi(catch_unwind)]
pub fn exchange(
    visit: &External<Visit>,
    bell: &External<Bell>,
    number: u32,
    key: String,
    expected: String,
    next: String,
) -> Result<Option<String>> {
    let session = visit.session()?.clone();
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

impl Visit {
    pub(crate) fn session(&self) -> Result<&Session> {
        let unopened = || Error::new(Status::GenericFailure, Failure::panicked().to_json());
        self.0.session.get().ok_or_else(unopened)
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
