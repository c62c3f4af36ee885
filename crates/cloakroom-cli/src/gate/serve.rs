//! The gate at work: its listeners, and the signals that change or end it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use cloakroom::observe::MetricsObserver;
use cloakroom::store::AnyStore;
use cloakroom::{KeyRing, Manager, Policy, Secure};
use cloakroom_gate::{Gate, Keys, Rotation, Rules};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::options::GateOptions;
use super::reload;
use super::rules_file::read_rules;
use crate::connections;
use crate::metrics::{Metrics, timed};
use crate::problem::{Problem, with_causes};

/// Time that requests under way may take after the signal to end.
const GRACE: Duration = Duration::from_secs(5);

pub(super) fn run(options: &GateOptions) -> Result<(), Problem> {
    options.check()?;
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Problem::failed(format!("no threads to serve with: {error}")))?;
    let served = runtime.block_on(open_and_serve(options));
    runtime.shutdown_timeout(Duration::from_secs(1));
    served
}

async fn open_and_serve(options: &GateOptions) -> Result<(), Problem> {
    let metrics = options
        .metrics_addr
        .map(|_| Metrics::install())
        .transpose()?;
    describe();
    let rules = match &options.rules {
        Some(path) => read_rules(path)?,
        None => Rules::parse("").map_err(|error| Problem::failed(error.to_string()))?,
    };
    let keys = keys(options)?;
    let manager = manager(options).await?;
    let settings = cloakroom_gate::GateOptions {
        issuer: options.issuer.clone(),
        audience: options.audience.clone(),
        trusted_proxy: options.proxies(),
    };
    let gate = Gate::new(manager.clone(), rules, keys, settings);
    let (end, ended) = watch::channel(false);
    let mut serving = JoinSet::new();
    for (listener, router) in listeners(options, &gate, metrics.as_ref()).await? {
        let mut ended = ended.clone();
        serving.spawn(connections::serve(listener, router, async move {
            let _ = ended.wait_for(|ended| *ended).await;
        }));
    }
    if let Some(metrics) = metrics {
        tokio::spawn(metrics.keep_up());
    }
    tokio::spawn(reload::keep_current(gate, options.rules.clone()));
    let stopped = |error: io::Error| Problem::failed(format!("the server failed: {error}"));
    signalled().await.map_err(stopped)?;
    end.send_replace(true);
    manager.close_sockets().await;
    let finishing = async { while serving.join_next().await.is_some() {} };
    tokio::select! {
        () = finishing => {}
        () = tokio::time::sleep(GRACE) => tracing::warn!("some requests took too long and were cut off"),
        _ = signalled() => {}
    }
    Ok(())
}

/// Describes the gate's own metrics.
fn describe() {
    metrics::describe_counter!(
        "cloakroom_gate_decisions_total",
        "Requests, by the rule that decided and how"
    );
    metrics::describe_counter!("cloakroom_gate_jwt_minted_total", "Tokens that were signed");
    metrics::describe_gauge!(
        "cloakroom_gate_key_age_seconds",
        "Time for which the current key has signed"
    );
}

fn keys(options: &GateOptions) -> Result<Keys, Problem> {
    let rotation = Rotation {
        age: options.rotate_every,
        notice: options.key_notice,
        ..Rotation::default()
    };
    let keys = if let Some(path) = &options.keys {
        Keys::open(path, rotation)
    } else {
        tracing::warn!("the keys of tokens end with this process: give --keys FILE");
        Keys::of_this_process(rotation)
    };
    keys.map_err(|error| Problem::failed(format!("{error}: see --keys")))
}

async fn manager(options: &GateOptions) -> Result<Manager, Problem> {
    let secrets = options.secrets.require()?;
    let ring = KeyRing::from_text(&secrets.to_text());
    let ring = ring.map_err(|error| {
        Problem::usage(format!(
            "the secret cannot be used: {}",
            with_causes(&error)
        ))
    })?;
    let mut policy = Policy::builder(ring)
        .secure(Secure::Auto)
        .trusted_proxy(options.proxies());
    if options.cookie_name != "connect.sid" {
        policy = policy.name(&options.cookie_name);
    }
    if options.store.mixed_fleet {
        policy = policy.no_realm();
    }
    if !options.store.user_keys.is_empty() {
        policy = policy.user_keys(&options.store.user_keys);
    }
    let policy = policy
        .build()
        .map_err(|error| Problem::usage(error.to_string()))?;
    let store = AnyStore::connect_with(options.store.url()?, &options.store.options()).await;
    let store =
        store.map_err(|error| Problem::failed(format!("{}: see --store", with_causes(&error))))?;
    let observer = MetricsObserver::new(store.kind());
    Ok(Manager::new(policy, store).observer(observer))
}

/// Takes the addresses, and says which they are.
async fn listeners(
    options: &GateOptions,
    gate: &Gate,
    metrics: Option<&Metrics>,
) -> Result<Vec<(TcpListener, Router)>, Problem> {
    let mut all = Vec::new();
    if let Some(upstream) = &options.upstream {
        let upstream = upstream.clone().first_byte(options.upstream_timeout);
        all.push((
            listen(options.addr, "listening").await?,
            counted(gate.proxy(&upstream), metrics),
        ));
    }
    if let Some(addr) = options.verify_addr {
        all.push((
            listen(addr, "verifying").await?,
            counted(gate.verify(options.askers()), metrics),
        ));
    }
    if let (Some(addr), Some(metrics)) = (options.metrics_addr, metrics) {
        all.push((
            listen(addr, "metrics").await?,
            metrics.routes(key_age(gate)).merge(health(gate)),
        ));
    }
    Ok(all)
}

/// Times a server's responses where somebody asks for it.
fn counted(router: Router, metrics: Option<&Metrics>) -> Router {
    match metrics {
        Some(_) => timed(router),
        None => router,
    }
}

/// Returns what sets the age of the key as of now.
fn key_age(gate: &Gate) -> impl Fn() + Clone + Send + Sync + 'static {
    let gate = gate.clone();
    move || {
        let age = gate.keys().age(SystemTime::now());
        metrics::gauge!("cloakroom_gate_key_age_seconds").set(age.as_secs_f64());
    }
}

async fn listen(addr: SocketAddr, what: &str) -> Result<TcpListener, Problem> {
    let listener = TcpListener::bind(addr).await;
    let listener = listener
        .map_err(|error| Problem::failed(format!("{addr} cannot be listened on ({error})")))?;
    let bound = listener.local_addr().unwrap_or(addr);
    crate::output::print_bytes(format!("{what} on http://{bound}\n").as_bytes())?;
    Ok(listener)
}

/// Returns `/live`, and `/ready`, which asks the store.
fn health(gate: &Gate) -> Router {
    let manager = Arc::new(gate.manager().clone());
    let ready = async move || match manager.check().await {
        Ok(()) => StatusCode::OK,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    Router::new()
        .route("/live", get(async || StatusCode::OK))
        .route("/ready", get(ready))
}

/// Waits for Ctrl-C or SIGTERM.
#[cfg(unix)]
async fn signalled() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn signalled() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}
