//! A record of a store object, as a session of the library, for the library's decisions on it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cloakroom::MemoryStore;
use cloakroom::cookie::cookie_value;
use cloakroom::policy::RequestInfo;
use cloakroom::store::{NewRecord, Store as _};
use cloakroom::{Clock, KeyRing, Manager, Session, SessionId};
use napi::Result;
use napi::bindgen_prelude::External;
use napi_derive::napi;
use serde_json::Value;

use crate::account::user_in;
use crate::bell::{Bell, run};
use crate::failure::Failure;
use crate::guard::{Wanted, admitted};
use crate::layer::Layer;
use crate::policy::policy;
use crate::visit::request_of;

/// Time for which a record is kept.
const WHILE: Duration = Duration::from_mins(1);

/// The records of one middleware's store object, each kept for a moment.
#[derive(Clone)]
pub struct Desk(Arc<Inner>);

struct Inner {
    manager: Manager,
    store: MemoryStore,
    name: String,
    keys: KeyRing,
}

/// Makes a desk for the records of a middleware.
#[napi(catch_unwind)]
pub fn desk(layer: &External<Layer>, options: String) -> Result<External<Desk>> {
    let store = MemoryStore::default();
    let policy = policy(layer.name.as_str(), &layer.keys, &options)?;
    let manager = Manager::with_clock(policy, Arc::new(store.clone()), Clock::System);
    Ok(External::new(Desk(Arc::new(Inner {
        manager,
        store,
        name: layer.name.as_str().to_owned(),
        keys: layer.keys.clone(),
    }))))
}

/// Decides whether the session of a record may pass, as [`admit`](crate::guard::admit) does.
#[napi(catch_unwind)]
pub fn admit_record(
    desk: &External<Desk>,
    bell: &External<Bell>,
    number: u32,
    record: String,
    wanted: String,
) -> Result<Option<String>> {
    let (desk, wanted) = ((**desk).clone(), Wanted::parse(&wanted)?);
    run(bell, number, async move {
        let id = desk.0.keep(record).await?;
        let session = desk.0.session(&id, RequestInfo::default()).await?;
        let admitted = admitted(&session, wanted).await;
        desk.0.store.destroy(&id).await?;
        admitted
    })
}

/// Returns what a login of `user`, JSON, notes in a record, under `_ck`: JSON, or nothing.
#[napi(catch_unwind)]
pub fn login_note(
    desk: &External<Desk>,
    bell: &External<Bell>,
    number: u32,
    record: String,
    user: String,
    address: Option<String>,
    agent: Option<String>,
) -> Result<Option<String>> {
    let desk = (**desk).clone();
    let request = request_of(false, address, agent);
    run(bell, number, async move {
        let id = desk.0.keep(record).await?;
        let session = desk.0.session(&id, request).await?;
        session.login(user_in(&user)?).await?;
        desk.0.manager.close(&session).await?;
        let id = session.id();
        let stored = desk.0.store.get(&id).await?;
        desk.0.store.destroy(&id).await?;
        Ok(stored.map_or_else(String::new, |stored| note_of(&stored.text)))
    })
}

impl Inner {
    async fn keep(&self, record: String) -> std::result::Result<SessionId, Failure> {
        let id = SessionId::random();
        let entry = NewRecord {
            users: Vec::new(),
            text: record.into(),
            expires: (SystemTime::now() + WHILE).into(),
        };
        self.store.create(&id, &entry).await?;
        Ok(id)
    }

    async fn session(
        &self,
        id: &SessionId,
        request: RequestInfo,
    ) -> std::result::Result<Session, Failure> {
        let field = format!("{}={}", self.name, cookie_value(id, &self.keys));
        Ok(self.manager.open([field.as_bytes()], request).await?)
    }
}

fn note_of(record: &str) -> String {
    let record: Option<Value> = serde_json::from_str(record).ok();
    let note = record.as_ref().and_then(|record| record.get("_ck"));
    note.map_or_else(String::new, Value::to_string)
}
