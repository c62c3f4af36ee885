//! The scriptable server whose twin is `interop/lab.mjs`, on express-session: one contract, two
//! servers, so that any scenario runs against both and is compared.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use clap::{Parser, ValueEnum};
use cloakroom::policy::{PolicyBuilder, Unset};
use cloakroom::store::{AnyStore, StoreError, StoreOptions};
use cloakroom::{Clock, KeyRing, Manager, Policy, Session, SessionError, SessionLayer};
use http_body_util::channel::Channel;
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

#[path = "fronts/connections.rs"]
mod connections;
#[path = "lab/steps.rs"]
mod steps;

/// A server whose requests' bodies say what to do with the session.
#[derive(Parser)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
struct Flags {
    #[arg(long, default_value = "127.0.0.1:0")]
    addr: SocketAddr,
    #[arg(long, default_value = "memory:")]
    store: String,
    /// Signs; those after the first only verify.
    #[arg(
        long = "secret",
        env = "SESSION_SECRET",
        required = true,
        hide_env_values = true
    )]
    secrets: Vec<String>,
    #[arg(long, default_value = "connect.sid")]
    name: String,
    /// The prefix of keys in Redis.
    #[arg(long, default_value = "sess:")]
    prefix: String,
    /// Declares that Express writes to the store as well.
    #[arg(long)]
    mixed_fleet: bool,
    /// Installs, in PostgreSQL, the trigger that keeps Express from resurrecting sessions.
    #[arg(long)]
    shield: bool,
    /// The cookie's maxAge in milliseconds, or `none`.
    #[arg(long, default_value = "none")]
    max_age_ms: String,
    #[arg(long)]
    resave: bool,
    #[arg(long)]
    save_uninitialized: bool,
    #[arg(long)]
    rolling: bool,
    #[arg(long, value_enum, default_value = "keep")]
    unset: UnsetFlag,
    #[arg(long, default_value_t = 0)]
    touch_after_ms: u64,
    #[arg(long, default_value = "userId")]
    user_key: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum UnsetFlag {
    Keep,
    Destroy,
}

#[derive(Clone)]
struct Lab {
    manager: Manager,
    user_key: Arc<str>,
}

#[tokio::main]
async fn main() {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::ERROR)
        .with_writer(std::io::stderr)
        .init();
    if let Err(error) = run(Flags::parse()).await {
        let _ = writeln!(std::io::stderr(), "lab: {error}");
        std::process::exit(1);
    }
}

async fn run(flags: Flags) -> Result<(), Box<dyn std::error::Error>> {
    let mut options = StoreOptions::default();
    options.prefix = Some(flags.prefix.clone());
    options.mixed_fleet = flags.mixed_fleet;
    let store = AnyStore::connect_with(&flags.store, &options).await?;
    if flags.shield {
        shield(&flags.store).await?;
    }
    let policy = policy(&flags)?;
    let manager = Manager::with_clock(policy, store.into(), Clock::System);
    let listener = TcpListener::bind(flags.addr).await?;
    writeln!(
        std::io::stdout(),
        "listening on http://{}",
        listener.local_addr()?
    )?;
    let lab = Lab {
        manager,
        user_key: flags.user_key.into(),
    };
    connections::serve(listener, app(lab), terminated()).await;
    Ok(())
}

#[cfg(feature = "postgres")]
async fn shield(url: &str) -> Result<(), StoreError> {
    use cloakroom::store::UserKeys;
    use cloakroom::store::postgres::{PostgresOptions, PostgresStore};
    let options = PostgresOptions::new().mixed_fleet(true);
    let store = PostgresStore::connect_options(url, options.clone()).await?;
    for ddl in PostgresStore::ddl(&options, &UserKeys::default()) {
        if ddl.name == "shield" {
            store.apply(&ddl).await?;
        }
    }
    Ok(())
}

#[cfg(not(feature = "postgres"))]
async fn shield(_: &str) -> Result<(), StoreError> {
    Err(cloakroom::store::StoreErrorKind::Invalid.into())
}

fn policy(flags: &Flags) -> Result<Policy, Box<dyn std::error::Error>> {
    let keys = KeyRing::with_insecure_short_secrets(&flags.secrets)?;
    let unset = match flags.unset {
        UnsetFlag::Keep => Unset::Keep,
        UnsetFlag::Destroy => Unset::Destroy,
    };
    let builder = Policy::express(keys)
        .name(&flags.name)
        .resave(flags.resave)
        .save_uninitialized(flags.save_uninitialized)
        .rolling(flags.rolling)
        .unset(unset)
        .user_keys([flags.user_key.clone(), "passport.user".into()])
        .touch_after(Duration::from_millis(flags.touch_after_ms));
    Ok(max_age(builder, &flags.max_age_ms)?.build()?)
}

fn max_age(builder: PolicyBuilder, flag: &str) -> Result<PolicyBuilder, String> {
    if flag == "none" {
        return Ok(builder);
    }
    let millis = flag
        .parse()
        .map_err(|_| "--max-age-ms takes milliseconds or `none`")?;
    Ok(builder.idle_timeout(Duration::from_millis(millis)))
}

async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    if let Ok(mut terminate) = signal(SignalKind::terminate()) {
        terminate.recv().await;
    }
}

fn app(lab: Lab) -> Router {
    Router::new()
        .route("/run", post(run_steps))
        .route("/me", get(me))
        .route("/plain", get(|| async { "ok" }))
        .route("/flush", get(flush))
        .route("/records", get(records))
        .layer(SessionLayer::new(lab.manager.clone()))
        .with_state(lab)
}

async fn run_steps(State(lab): State<Lab>, session: Session, body: String) -> Response {
    let Ok(steps) = serde_json::from_str::<Vec<&RawValue>>(&body) else {
        let error = json!({ "error": "the body must be a JSON array of steps" });
        return (StatusCode::BAD_REQUEST, Json(error)).into_response();
    };
    let mut results = Vec::with_capacity(steps.len());
    for step in steps {
        let result = steps::run(&lab, &session, step.get()).await;
        results.push(result.unwrap_or_else(|error| raw(&json!({ "error": error }))));
    }
    let sid = (!session.is_ended()).then(|| session.id().expose().to_owned());
    let answer = format!(
        r#"{{"sid":{},"steps":[{}]}}"#,
        json!(sid),
        results
            .iter()
            .map(|result| result.get())
            .collect::<Vec<_>>()
            .join(",")
    );
    (
        [("content-type", "application/json; charset=utf-8")],
        answer,
    )
        .into_response()
}

fn raw(value: &Value) -> Box<RawValue> {
    to_raw_value(value).expect("a JSON value is JSON")
}

async fn me(State(lab): State<Lab>, session: Session) -> Result<Response, SessionError> {
    let user = session
        .get::<Value>(&lab.user_key)?
        .filter(|user| !user.is_null());
    let Some(user) = user else {
        let error = json!({ "error": "nobody is logged in" });
        return Ok((StatusCode::UNAUTHORIZED, Json(error)).into_response());
    };
    Ok(Json(json!({ "userId": user })).into_response())
}

#[derive(Deserialize)]
struct Flush {
    key: String,
    value: String,
    #[serde(default)]
    after: u64,
}

/// Sends the head first, then changes the session: it must be saved explicitly.
async fn flush(session: Session, Query(flush): Query<Flush>) -> Response {
    let (mut sender, body) = Channel::<axum::body::Bytes>::new(2);
    tokio::spawn(async move {
        let _ = sender.send_data("first\n".into()).await;
        tokio::time::sleep(Duration::from_millis(flush.after)).await;
        if let Err(error) = change_late(&session, &flush).await {
            tracing::error!(%error, "a late change was not saved");
        }
        let _ = sender.send_data("last\n".into()).await;
    });
    (
        [("content-type", "text/plain; charset=utf-8")],
        Body::new(body),
    )
        .into_response()
}

async fn change_late(session: &Session, flush: &Flush) -> Result<(), SessionError> {
    session.insert(&flush.key, &flush.value)?;
    session.save().await
}

#[derive(Deserialize)]
struct Records {
    sid: Option<String>,
}

/// Returns the store's records: all of them, or the ids that `sid=a,b,c` names.
async fn records(
    State(lab): State<Lab>,
    Query(wanted): Query<Records>,
) -> Result<Response, SessionError> {
    let wanted: Option<Vec<&str>> = wanted.sid.as_ref().map(|sids| sids.split(',').collect());
    let mut found = Map::new();
    let mut cursor = None;
    loop {
        let page = lab.manager.store().scan(cursor.as_deref(), 1000).await?;
        for id in page.ids {
            if wanted
                .as_ref()
                .is_some_and(|wanted| !wanted.contains(&id.expose()))
            {
                continue;
            }
            if let Some(stored) = lab.manager.store().get(&id).await? {
                found.insert(id.expose().to_owned(), json!(&*stored.text));
            }
        }
        cursor = page.next;
        if cursor.is_none() {
            return Ok(Json(Value::Object(found)).into_response());
        }
    }
}
