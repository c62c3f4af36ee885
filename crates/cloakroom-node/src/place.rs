//! A store by its URL, shared by the middlewares of a process that name it.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cloakroom::record::UserKeys;
use cloakroom::store::{AnyStore, CasOutcome, NewRecord, Store as _, StoreErrorKind, StoreOptions};
use cloakroom::{SessionId, Timestamp};
use napi::Result;
use napi::bindgen_prelude::External;
use napi_derive::napi;
use serde::Deserialize;

use crate::bell::{Bell, Outcome, run};
use crate::failure::Failure;
use crate::layer::refused;

/// Maximum number of attempts to write a record beside concurrent writers.
const TRIES: usize = 100;
/// Sessions asked for at once where all of them are asked for.
const PAGE: usize = 1000;

/// A store that is opened when it is first needed.
#[derive(Clone)]
pub struct Place(Arc<Inner>);

struct Inner {
    url: String,
    options: StoreOptions,
    store: OnceLock<AnyStore>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Options {
    prefix: Option<String>,
    mixed_fleet: bool,
    near_ms: Option<u64>,
}

/// Names a store; nothing is connected yet. `options` is a JSON object: `prefix`, `mixedFleet`, `nearMs`.
#[napi(catch_unwind)]
pub fn place(url: String, options: String) -> Result<External<Place>> {
    let said: Options = serde_json::from_str(&options).map_err(refused)?;
    let mut options = StoreOptions::default();
    options.prefix = said.prefix;
    options.mixed_fleet = said.mixed_fleet;
    options.near = said.near_ms.map(Duration::from_millis);
    let store = OnceLock::new();
    Ok(External::new(Place(Arc::new(Inner {
        url,
        options,
        store,
    }))))
}

/// Opens the store, unless it is open.
#[napi(catch_unwind)]
pub fn connect(
    place: &External<Place>,
    bell: &External<Bell>,
    number: u32,
) -> Result<Option<String>> {
    // A host has one provider for all that speak TLS in it; the first that is chosen stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let place = (**place).clone();
    run(bell, number, async move {
        if place.0.store.get().is_none() {
            let store = AnyStore::connect_with(&place.0.url, &place.0.options).await?;
            let _ = place.0.store.set(store);
        }
        Ok(String::new())
    })
}

impl Place {
    /// Says whether an operation has to be waited for: not in this process's memory, and a near cache may answer at once.
    pub(crate) fn is_remote(&self) -> bool {
        !self.0.url.starts_with("memory:") && self.0.options.near.is_none()
    }

    pub(crate) fn store(&self) -> std::result::Result<&AnyStore, Failure> {
        let unopened = || {
            Failure::new(
                "ESTOREUNAVAILABLE",
                503,
                "the session store is not connected yet",
            )
        };
        self.0.store.get().ok_or_else(unopened)
    }
}

/// Does what a store object's method of this name does: `get`, `set`, `touch`, `destroy`, `ids`, `length`,
/// `clear`. `expires` is in milliseconds since 1970.
#[napi(catch_unwind)]
pub fn store_op(
    place: &External<Place>,
    bell: &External<Bell>,
    number: u32,
    method: String,
    id: String,
    text: String,
    expires: f64,
) -> Result<Option<String>> {
    let place = (**place).clone();
    run(bell, number, async move {
        let store = place.store()?;
        let id = SessionId::from_store(&id);
        match method.as_str() {
            "get" => get(store, &id).await,
            "set" => set(store, &id, &entry(text, expires)).await,
            "touch" => touch(store, &id, expires).await,
            "destroy" => Ok(store.destroy(&id).await?.to_string()),
            "ids" => ids(store).await,
            "length" => Ok(store.count().await?.to_string()),
            "clear" => clear(store).await,
            _ => Err(Failure::new("EINTERNAL", 500, "no such operation")),
        }
    })
}

fn entry(text: String, expires: f64) -> NewRecord {
    let users = UserKeys::default().users_of(&text);
    NewRecord {
        users,
        text: text.into(),
        expires: instant(expires),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a JavaScript date has fewer digits than that"
)]
fn instant(millis: f64) -> Timestamp {
    Timestamp::from_millis(millis as i64)
}

async fn get(store: &AnyStore, id: &SessionId) -> Outcome {
    let stored = store.get_uncached(id).await?;
    Ok(stored.map_or_else(String::new, |stored| stored.text.to_string()))
}

async fn set(store: &AnyStore, id: &SessionId, entry: &NewRecord) -> Outcome {
    for _ in 0..TRIES {
        let Some(stored) = store.get_uncached(id).await? else {
            match store.create(id, entry).await {
                Err(error) if error.kind() == StoreErrorKind::IdTaken => continue,
                created => created?,
            }
            return Ok(String::new());
        };
        if store.update(id, &stored.text, entry).await? == CasOutcome::Stored {
            return Ok(String::new());
        }
    }
    Err(Failure::new(
        "ESESSIONCONFLICT",
        503,
        "others kept changing the session",
    ))
}

async fn touch(store: &AnyStore, id: &SessionId, expires: f64) -> Outcome {
    let Some(stored) = store.get_uncached(id).await? else {
        return Ok(false.to_string());
    };
    let moved = entry(stored.text.to_string(), expires);
    Ok(store.touch(id, &stored.text, &moved).await?.to_string())
}

async fn ids(store: &AnyStore) -> Outcome {
    let mut all = Vec::new();
    let mut cursor = None;
    loop {
        let page = store.scan(cursor.as_deref(), PAGE).await?;
        all.extend(page.ids.iter().map(|id| id.expose().to_owned()));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    all.sort_unstable();
    all.dedup();
    serde_json::to_string(&all).map_err(|_| Failure::panicked())
}

async fn clear(store: &AnyStore) -> Outcome {
    loop {
        let page = store.scan(None, PAGE).await?;
        if page.ids.is_empty() && page.next.is_none() {
            return Ok(String::new());
        }
        for id in &page.ids {
            store.destroy(id).await?;
        }
        if page.ids.is_empty() {
            return Ok(String::new());
        }
    }
}

/// An instant as JavaScript's dates have it.
pub(crate) fn millis(instant: SystemTime) -> u64 {
    let since = instant.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
