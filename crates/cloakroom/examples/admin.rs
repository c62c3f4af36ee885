//! An admin panel: lists the users' sessions, and ends all of a user's with one button, on every server.
//! `interop/fronts/admin.test.mjs` runs two processes of it on one Redis.

use std::error::Error;
use std::io::Write as _;
use std::time::Duration;

use axum::Router;
use axum::extract::{Form, Query, State};
use axum::http::StatusCode;
use axum::middleware::map_response;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use clap::Parser;
use cloakroom::auth::Require;
use cloakroom::web::{Csrf, Guard};
use cloakroom::{Manager, Session, SessionError, SessionLayer};
use maud::{Markup, html};
use serde::Deserialize;

#[path = "fronts/accounts.rs"]
mod accounts;
#[path = "fronts/connections.rs"]
mod connections;
#[path = "fronts/login.rs"]
mod login;
#[path = "fronts/page.rs"]
mod page;
#[path = "fronts/serve.rs"]
mod serve;

use accounts::{ACCOUNTS, Account};
use page::page;

const TITLE: &str = "Cloakroom admin";

/// An admin panel over the sessions in a store.
#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    serve: serve::Options,
    /// The maximum age of the login of a user who ends sessions, in seconds.
    #[arg(long, default_value_t = 300)]
    fresh_secs: u64,
}

#[tokio::main]
async fn main() {
    if let Err(error) = run(Flags::parse()).await {
        let _ = writeln!(std::io::stderr(), "admin: {error}");
        std::process::exit(1);
    }
}

async fn run(flags: Flags) -> Result<(), Box<dyn Error>> {
    let manager = flags.serve.manager().await?;
    let fresh = Duration::from_secs(flags.fresh_secs);
    flags.serve.serve(app(manager, fresh)).await
}

/// Editors may read; admins may act, soon after a login.
fn app(manager: Manager, fresh: Duration) -> Router {
    let staff = Require::any_role(["admin", "editor"]);
    let dangerous = Require::role("admin").fresh(fresh);
    let look = Router::new()
        .route("/", get(users))
        .route_layer(Guard::new(staff).login_at("/login"));
    let act = Router::new()
        .route("/end", post(end))
        .route_layer(Guard::new(dangerous))
        .layer(map_response(ask_again));
    look.merge(act)
        .with_state(manager.clone())
        .merge(login::routes(TITLE))
        .layer(Csrf::new())
        .layer(map_response(explain))
        .layer(SessionLayer::new(manager))
}

/// A form cannot be sent again from the login: the list can.
async fn ask_again(response: Response) -> Response {
    if response.status() == StatusCode::UNAUTHORIZED {
        return Redirect::to("/login?again=1&next=/").into_response();
    }
    response
}

async fn explain(response: Response) -> Response {
    if response.status() != StatusCode::FORBIDDEN {
        return response;
    }
    let body = html! {
        main.narrow {
            div {
                h1 { "Not allowed" }
                p.soft { "Your roles do not reach this far, or the form did not come from this panel." }
            }
            p { a href="/" { "Back to the users" } }
            form method="post" action="/logout" { button.quiet { "Sign out" } }
        }
    };
    (StatusCode::FORBIDDEN, page(TITLE, &body)).into_response()
}

#[derive(Deserialize)]
struct Done {
    ended: Option<u64>,
}

async fn users(
    State(manager): State<Manager>,
    session: Session,
    Query(done): Query<Done>,
) -> Result<Response, Failure> {
    let roles: Vec<String> = session.get("roles")?.unwrap_or_default();
    let is_admin = roles.iter().any(|role| role == "admin");
    let token = is_admin.then(|| session.csrf_token()).transpose()?;
    let mut rows = Vec::with_capacity(ACCOUNTS.len());
    for account in &ACCOUNTS {
        let sessions = manager.sessions_of(account.name).await?.len();
        rows.push(row(account, sessions, token.as_deref()));
    }
    let body = html! {
        (banner(&session))
        main {
            div { h1 { "Users" } p.soft { "Everybody who may sign in, and the sessions they have now." } }
            @if let Some(ended) = done.ended { p.note role="status" { (counted(ended)) " ended, on every server." } }
            div.card.list { table {
                thead { tr { th { "User" } th { "Roles" } th { "Live" } th { } } }
                tbody { @for row in rows { (row) } }
            } }
            @if !is_admin { p.soft { "To end sessions takes the role admin." } }
        }
    };
    Ok(page(TITLE, &body))
}

/// Renders one user; with a button where the client has a token for it.
fn row(account: &Account, sessions: usize, token: Option<&str>) -> Markup {
    html! {
        tr data-user=(account.name) {
            td { strong { (account.name) } }
            td {
                @for role in account.roles { span.role { (role) } }
                @if account.roles.is_empty() { span.soft { "no role" } }
            }
            td.number data-sessions=(sessions) { (counted(sessions as u64)) }
            td { @if let Some(token) = token {
                form method="post" action="/end" {
                    input type="hidden" name="_csrf" value=(token);
                    input type="hidden" name="user" value=(account.name);
                    button.danger disabled[sessions == 0] aria-label={ "End every session of " (account.name) } { "End all" }
                }
            } }
        }
    }
}

#[derive(Deserialize)]
struct EndForm {
    user: String,
}

/// Ends a user's sessions. When this responds, no server accepts the user's cookies any more.
async fn end(
    State(manager): State<Manager>,
    Form(form): Form<EndForm>,
) -> Result<Response, Failure> {
    if !ACCOUNTS.iter().any(|account| account.name == form.user) {
        return Ok(StatusCode::NOT_FOUND.into_response());
    }
    let ended = manager.end_sessions_of(&form.user, None).await?;
    Ok(Redirect::to(&format!("/?ended={ended}")).into_response())
}

fn banner(session: &Session) -> Markup {
    html! {
        header {
            div {
                strong { (TITLE) }
                p.soft { "Signed in as " (session.user().unwrap_or_default()) }
            }
            form method="post" action="/logout" { button.quiet { "Sign out" } }
        }
    }
}

fn counted(sessions: u64) -> String {
    format!("{sessions} session{}", if sessions == 1 { "" } else { "s" })
}

/// The error of a handler: of the session, or of the store's answer about others'.
struct Failure(SessionError);

impl<E: Into<SessionError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}
