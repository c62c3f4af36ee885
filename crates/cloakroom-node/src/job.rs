//! Sessions outside every request: by their ids, by their users.

use cloakroom::record::UserKeys;
use cloakroom::{Manager, SessionError, SessionId};
use napi::Result;
use napi::bindgen_prelude::External;
use napi_derive::napi;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::bell::{Bell, Outcome, run};
use crate::failure::Failure;
use crate::keep::Keep;

/// The operations of a job on the session that has an id.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Job {
    /// Reads its record; nothing where it is not there.
    Read,
    /// Sets and removes keys: whether it was there.
    Change {
        set: Vec<(String, Box<RawValue>)>,
        removed: Vec<String>,
    },
    /// Sets a key where it still has the JSON `expected`, an empty text for none: `=` where it had, `!` where
    /// the session is not there, else what the key has by now.
    Exchange {
        key: String,
        expected: String,
        next: Box<RawValue>,
    },
    /// Ends it: whether it was there.
    End,
    /// The ids of a user's sessions.
    SessionsOf { user: String },
    /// Sets the roles in all sessions of a user: in how many.
    SetRolesOf { user: String, roles: Vec<String> },
}

/// Does a job: JSON of its name, `"read"`, or of its name and what it takes, `{"sessionsOf":{"user":"ada"}}`.
#[napi(catch_unwind)]
pub fn job(
    keep: &External<Keep>,
    bell: &External<Bell>,
    number: u32,
    id: String,
    job: String,
) -> Result<Option<String>> {
    let manager = keep.manager.clone();
    let job: Job = serde_json::from_str(&job).map_err(crate::layer::refused)?;
    run(bell, number, async move {
        done(&manager, &SessionId::from_store(&id), job).await
    })
}

async fn done(manager: &Manager, id: &SessionId, job: Job) -> Outcome {
    Ok(match job {
        Job::Read => read(manager, id).await?,
        Job::Change { set, removed } => {
            let is_there = manager.change(id, |session| {
                for key in &removed {
                    session.remove(key);
                }
                set.iter()
                    .try_for_each(|(key, value)| session.insert_raw(key, value))
            });
            is_there.await?.to_string()
        }
        Job::Exchange {
            key,
            expected,
            next,
        } => exchange(manager, id, &key, &expected, &next).await?,
        Job::End => manager.store().destroy(id).await?.to_string(),
        Job::SessionsOf { user } => {
            let ids = manager.sessions_of(&user).await?;
            let ids: Vec<&str> = ids.iter().map(SessionId::expose).collect();
            json!(ids).to_string()
        }
        Job::SetRolesOf { user, roles } => manager.set_roles_of(&user, roles).await?.to_string(),
    })
}

async fn read(manager: &Manager, id: &SessionId) -> Outcome {
    let stored = manager.store().get_uncached(id).await?;
    Ok(stored.map_or_else(String::new, |stored| stored.text.to_string()))
}

async fn exchange(
    manager: &Manager,
    id: &SessionId,
    key: &str,
    expected: &str,
    next: &RawValue,
) -> std::result::Result<String, Failure> {
    let mut current = None;
    let is_there = manager.change(id, |session| -> std::result::Result<(), SessionError> {
        let now = session.get_raw(key).unwrap_or_default();
        // Called again where another write came first: the last time counts.
        current = (now != expected).then(|| now.to_owned());
        if current.is_none() {
            session.insert_raw(key, next)?;
        }
        Ok(())
    });
    let is_there = is_there.await?;
    Ok(match current {
        _ if !is_there => "!".to_owned(),
        Some(current) => current,
        None => "=".to_owned(),
    })
}

/// Returns the signed-in user of a record, and all users that it names, as JSON: `user` and `users`.
#[napi(catch_unwind)]
pub fn users_of(record: String, keys: Option<Vec<String>>) -> String {
    let keys = keys.map_or_else(UserKeys::default, UserKeys::new);
    json!({ "user": keys.user_of(&record), "users": keys.users_of(&record) }).to_string()
}
