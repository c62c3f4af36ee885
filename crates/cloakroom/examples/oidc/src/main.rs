//! A login by OpenID Connect, on axum: the main cookie is `SameSite=Strict`, state, nonce and PKCE are in the
//! session, a logout at the provider ends the sessions here (back-channel logout), and the other way round.
//!
//! ```text
//! SESSION_SECRET="$(openssl rand -base64 48)" OIDC_CLIENT_SECRET=… cargo run -p cloakroom-example-oidc -- \
//!   --issuer https://id.example --client-id shop --url http://127.0.0.1:3000
//! ```
//!
//! At the provider, register `URL/callback` (redirect URI), `URL/backchannel-logout` with `sid` required, and
//! `URL/` (post-logout redirect URI). `interop/fronts/oidc.test.mjs` runs it with a provider and a browser.

use std::error::Error;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Form, FromRef, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Json, Redirect, Response};
use axum::routing::{get, post};
use clap::Parser;
use cloakroom::prelude::*;
use serde_json::{Value, json};

mod failure;
mod ledger;
mod logout;
mod pages;
mod provider;
mod sign_in;

use failure::Failure;
use ledger::Ledger;
use logout::back_channel;
use pages::HOP_SCRIPT;
use provider::Provider;
use sign_in::{Account, Answer, Way, begin, finish};

/// The address to listen on, the sessions, and the provider.
#[derive(Parser)]
struct Flags {
    #[arg(long, default_value = "127.0.0.1:3000")]
    addr: SocketAddr,
    #[arg(long, default_value = "sqlite:sessions.db")]
    store: String,
    /// At least 32 bytes; several by comma, the first signs.
    #[arg(long, env = "SESSION_SECRET", hide_env_values = true)]
    secret: String,
    /// A SQLite file for what the provider said of its sessions; processes that share a store share this as well.
    #[arg(long, default_value = "oidc.db")]
    ledger: PathBuf,
    #[command(flatten)]
    provider: provider::Options,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr);
    log.with_ansi(false).init();
    let flags = Flags::parse();
    // `Auto` is for plain HTTP on your own machine: without it the cookie goes over TLS only.
    let policy = Policy::builder(KeyRing::from_text(&flags.secret)?)
        .secure(Secure::Auto)
        .same_site(SameSite::Strict)
        .build()?;
    let manager = Manager::new(policy, AnyStore::connect(&flags.store).await?);
    let shop = Shop {
        provider: Arc::new(Provider::discover(flags.provider).await?),
        ledger: Ledger::open(&flags.ledger)?,
        manager: manager.clone(),
    };
    let listener = tokio::net::TcpListener::bind(flags.addr).await?;
    writeln!(
        std::io::stdout(),
        "listening on http://{}",
        listener.local_addr()?
    )?;
    let app = app(shop, manager).into_make_service_with_connect_info::<SocketAddr>();
    Ok(axum::serve(listener, app).await?)
}

/// The state that the handlers share.
#[derive(Clone, FromRef)]
pub(crate) struct Shop {
    provider: Arc<Provider>,
    ledger: Ledger,
    manager: Manager,
}

fn app(shop: Shop, manager: Manager) -> Router {
    let private = Router::new()
        .route("/private", get(page))
        .route_layer(Guard::new(Require::login()).login_at("/login"));
    let recent = Require::login().fresh(Duration::from_mins(10));
    let dangerous = Router::new()
        .route("/settings", get(page))
        .route_layer(Guard::new(recent).login_at("/login"));
    Router::new()
        .route("/", get(home))
        .route("/me", get(me))
        .route("/login", get(login))
        .route("/login/begin", post(begin))
        .route("/callback", get(callback_by_query).post(callback_by_form))
        .route("/login/finish", post(finish))
        .route("/hop.js", get(hop_script))
        .route("/logout", post(sign_out))
        .route("/backchannel-logout", post(back_channel))
        .merge(private)
        .merge(dangerous)
        .with_state(shop)
        // The provider's form and its server come from other sites, and neither needs a session here.
        .layer(
            Csrf::new()
                .without_cookies("/callback")
                .without_cookies("/backchannel-logout"),
        )
        .layer(SessionLayer::new(manager))
}

async fn home(session: Session) -> Result<Response, Failure> {
    Ok(pages::home(
        account(&session)?.as_ref(),
        &session.take_flashes()?,
    ))
}

async fn me(session: Session) -> Result<Json<Value>, Failure> {
    let name = account(&session)?.map(|account| account.name);
    Ok(Json(json!({ "user": session.user(), "name": name })))
}

async fn page(session: Session) -> Result<Response, Failure> {
    Ok(pages::home(account(&session)?.as_ref(), &[]))
}

fn account(session: &Session) -> Result<Option<Account>, Failure> {
    // The login decides who it is; what the provider said is beside it.
    let is_signed_in = session.user().is_some();
    let account = session.get(Account::KEY)?;
    Ok(account.filter(|_| is_signed_in))
}

/// Sends the browser on from a page of this site: whoever comes by a link of another site carries no
/// `SameSite=Strict` cookie, and a session that was begun for them would replace the one they have.
async fn login(Query(way): Query<Way>) -> Response {
    pages::hop("/login/begin", &way.fields())
}

/// Takes the provider's answer, which comes from another site, and sends it on in the same way.
async fn callback_by_query(Query(answer): Query<Answer>) -> Response {
    pages::hop("/login/finish", &answer.fields())
}

async fn callback_by_form(Form(answer): Form<Answer>) -> Response {
    pages::hop("/login/finish", &answer.fields())
}

async fn hop_script() -> Response {
    ([(CONTENT_TYPE, "text/javascript")], HOP_SCRIPT).into_response()
}

/// Signs out here first, then at the provider, which may be unreachable.
async fn sign_out(
    State(provider): State<Arc<Provider>>,
    session: Session,
) -> Result<Redirect, Failure> {
    let account = account(&session)?;
    session.logout().await?;
    let there = match account {
        Some(account) => provider.logout_url(&account.id_token).await?,
        None => None,
    };
    Ok(Redirect::to(there.as_ref().map_or("/", |url| url.as_str())))
}
