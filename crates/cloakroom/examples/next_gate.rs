//! A gate before a Next.js application: clients that are not signed in never reach it, and it never has to
//! check. `interop/fronts/next.test.mjs` builds, starts and guards one.
//!
//! ```sh
//! SESSION_SECRET="$(openssl rand -base64 48)" cargo run --release -p cloakroom --example next_gate \
//!     --features redis,attempts -- --addr 127.0.0.1:8080 --upstream http://127.0.0.1:3000
//! ```
//!
//! Next has to listen where the gate alone reaches it (`next start -H 127.0.0.1`): it trusts `X-Session-User`
//! from any sender.

use std::error::Error;
use std::io::Write as _;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::UPGRADE;
use axum::http::uri::{Scheme, Uri};
use axum::response::{IntoResponse as _, Response};
use axum_reverse_proxy::{
    HostBehaviour, ProxyPolicy, ReverseProxy, TunnelCancellation, TunnelGuard,
};
use clap::Parser;
use cloakroom::auth::Require;
use cloakroom::web::{Csrf, Guard, LoggedIn};
use cloakroom::{Manager, Session, SessionLayer};
use tokio::sync::oneshot;
use tower::ServiceExt as _;

use public::Rule;

#[path = "fronts/accounts.rs"]
mod accounts;
#[path = "fronts/connections.rs"]
mod connections;
#[path = "fronts/login.rs"]
mod login;
#[path = "fronts/page.rs"]
mod page;
#[path = "next_gate/public.rs"]
mod public;
#[path = "fronts/serve.rs"]
mod serve;
#[path = "next_gate/upstream.rs"]
mod upstream;

/// Time within which a page has to begin; its stream after that has no limit.
const FIRST_BYTE: Duration = Duration::from_secs(30);

/// Passes requests of users who are signed in to a Next.js application.
#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    serve: serve::Options,
    /// The address of Next: `http://127.0.0.1:3000`. TLS needs the proxy's feature `tls`.
    #[arg(long, value_parser = origin)]
    upstream: Uri,
}

#[derive(Clone)]
struct Gate {
    manager: Manager,
    proxy: Router,
}

#[tokio::main]
async fn main() {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(std::io::stderr)
        .init();
    if let Err(error) = run(Flags::parse()).await {
        let _ = writeln!(std::io::stderr(), "next_gate: {error}");
        std::process::exit(1);
    }
}

async fn run(flags: Flags) -> Result<(), Box<dyn Error>> {
    let policy = ProxyPolicy::new()
        .with_host_behaviour(HostBehaviour::Preserve)
        .with_upstream_timeout(FIRST_BYTE);
    let proxy = ReverseProxy::new("", flags.upstream.to_string());
    let gate = Gate {
        manager: flags.serve.manager().await?,
        proxy: proxy.with_policy(policy).into(),
    };
    flags.serve.serve(app(gate)).await
}

/// Parses `http://HOST:PORT`, without anything that a path could be joined to.
fn origin(text: &str) -> Result<Uri, String> {
    let uri: Uri = text.parse().map_err(|_| "not a URL".to_owned())?;
    let is_origin = uri.scheme() == Some(&Scheme::HTTP) && matches!(uri.path(), "" | "/");
    if is_origin {
        Ok(uri)
    } else {
        Err("give http://HOST:PORT".to_owned())
    }
}

fn app(gate: Gate) -> Router {
    let guarded = Router::new()
        .fallback(forward)
        .layer(Guard::new(Require::login()).login_at("/login"))
        .with_state(gate.clone());
    let open = Router::new()
        .fallback(forward_public)
        .with_state(gate.clone());
    let either = async move |request: Request| {
        let (method, path) = (request.method(), request.uri().path());
        match public::rule(method, path, request.headers()) {
            Rule::Public => open.oneshot(request).await,
            Rule::Guarded => guarded.oneshot(request).await,
            Rule::Refused(status) => Ok(status.into_response()),
        }
    };
    login::routes("Next, behind the gate")
        .fallback(either)
        .layer(Csrf::new())
        .layer(SessionLayer::new(gate.manager))
}

/// Forwards without a session: these files do not depend on the user, and may be cached.
async fn forward_public(State(gate): State<Gate>, request: Request) -> Response {
    send(&gate, request, None).await
}

async fn forward(
    State(gate): State<Gate>,
    LoggedIn(user): LoggedIn,
    session: Session,
    mut request: Request,
) -> Response {
    if request.headers().contains_key(UPGRADE) {
        watch(&session, &mut request);
    }
    send(&gate, request, Some(&user)).await
}

async fn send(gate: &Gate, mut request: Request, user: Option<&str>) -> Response {
    let cookie = gate.manager.policy().name().as_str();
    upstream::prepare(request.headers_mut(), cookie, user);
    match gate.proxy.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// Closes an open socket once its session is over.
fn watch(session: &Session, request: &mut Request) {
    #[expect(
        clippy::default_trait_access,
        reason = "its type is of a crate that only the proxy depends on"
    )]
    let cut = TunnelCancellation(Default::default());
    let (open, closed) = oneshot::channel::<()>();
    request.extensions_mut().insert(cut.clone());
    request.extensions_mut().insert(TunnelGuard::new(open));
    let ended = session.ended();
    tokio::spawn(async move {
        tokio::select! {
            _ = ended => cut.0.cancel(),
            _ = closed => {}
        }
    });
}
