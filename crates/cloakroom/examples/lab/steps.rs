//! Carries out one step of a request on the session, as an application's handler would.

use std::collections::BTreeMap;
use std::time::Duration;

use cloakroom::record::renormalize;
use cloakroom::{Session, SessionError};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Lab, raw};

#[derive(Deserialize)]
struct Step<'a> {
    op: &'a str,
    key: Option<String>,
    by: Option<f64>,
    user: Option<Value>,
    #[serde(borrow)]
    roles: Option<&'a RawValue>,
    ms: Option<u64>,
}

type Outcome = Result<Box<RawValue>, String>;

/// Carries out one step; returns its result, or its error as a text.
pub(super) async fn run(lab: &Lab, session: &Session, json: &str) -> Outcome {
    let step: Step<'_> = serde_json::from_str(json).map_err(|error| error.to_string())?;
    if session.is_ended() && step.op != "sleep" {
        return Err("there is no session".into());
    }
    let key = || step.key.as_deref().ok_or("the step has no key");
    match step.op {
        "get" => json_text(
            session
                .get_raw(key()?)
                .map_err(text)?
                .unwrap_or("null".into()),
        ),
        "all" => json_text(session.to_json().map_err(text)?),
        "set" => done(session.insert_raw(key()?, &node_json(json)?)),
        "remove" => done(session.remove(key()?)),
        "add" => add(session, key()?, step.by.unwrap_or(1.0)).await,
        "save" => done(session.save().await),
        "reload" => done(session.reload().await),
        "regenerate" => done(session.reset()),
        "rotate" => done(session.regenerate()),
        "destroy" | "logout" => done(session.destroy().await),
        "touch" => {
            session.touch();
            done(Ok(()))
        }
        "drop" => {
            session.unset();
            done(Ok(()))
        }
        "cookie" => cookie(session, json),
        "login" => done(login(lab, session, &step)),
        "logout_everywhere" => logout_everywhere(lab, session).await,
        "sessions" => {
            let sessions = lab.manager.sessions_of(&user(lab, session)?).await;
            Ok(raw(&sessions
                .map_err(|error| error.to_string())?
                .len()
                .into()))
        }
        "sleep" => {
            tokio::time::sleep(Duration::from_millis(step.ms.unwrap_or(0))).await;
            done(Ok(()))
        }
        op => Err(format!("unknown op {op:?}")),
    }
}

fn done(outcome: Result<(), SessionError>) -> Outcome {
    outcome.map_err(text)?;
    Ok(raw(&Value::Null))
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands it over")]
fn text(error: SessionError) -> String {
    error.to_string()
}

fn json_text(json: String) -> Outcome {
    RawValue::from_string(json).map_err(|error| error.to_string())
}

/// Returns a value as Node would keep it: its numbers pass through a double, for example.
fn node_json(step: &str) -> Result<String, String> {
    let step = members(step)?;
    let value = step.get("value").ok_or("the step has no value")?;
    renormalize(value.get()).ok_or_else(|| "the value is not JSON".into())
}

async fn add(session: &Session, key: &str, by: f64) -> Outcome {
    // As in JavaScript's `(value ?? 0) + by`: null counts as zero.
    let add = move |number: Option<Option<f64>>| Some(number.flatten().unwrap_or(0.0) + by);
    session.update(key, add).await.map_err(text)?;
    json_text(session.get_raw(key).map_err(text)?.unwrap_or("null".into()))
}

/// Returns the members of a step; `null` is a value.
fn members(step: &str) -> Result<BTreeMap<&str, &RawValue>, String> {
    serde_json::from_str(step).map_err(|error| error.to_string())
}

/// Sets attributes: every member of the step but `op`.
fn cookie(session: &Session, json: &str) -> Outcome {
    let attributes = members(json)?;
    session.cookie_mut(|cookie| {
        for (name, value) in attributes.iter().filter(|(name, _)| **name != "op") {
            cookie
                .assign_json(name, value.get())
                .map_err(|error| error.to_string())?;
        }
        Ok::<_, String>(())
    })?;
    done(Ok(()))
}

fn login(lab: &Lab, session: &Session, step: &Step<'_>) -> Result<(), SessionError> {
    session.regenerate()?;
    session.insert(&lab.user_key, &step.user)?;
    match step.roles {
        Some(roles) => session.insert("roles", roles),
        None => Ok(()),
    }
}

async fn logout_everywhere(lab: &Lab, session: &Session) -> Outcome {
    let user = user(lab, session)?;
    let ended = lab
        .manager
        .end_sessions_of(&user, None)
        .await
        .map_err(|error| error.to_string())?;
    session.destroy().await.map_err(text)?;
    Ok(raw(&ended.into()))
}

fn user(lab: &Lab, session: &Session) -> Result<String, String> {
    match session.get::<Value>(&lab.user_key).map_err(text)? {
        Some(Value::String(user)) => Ok(user),
        Some(user @ Value::Number(_)) => Ok(user.to_string()),
        _ => Err("nobody is logged in".into()),
    }
}
