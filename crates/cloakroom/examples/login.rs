//! A plain application with a login, on axum: templates, SQLite, messages, forms that no other site can send,
//! "remember me", bounded attempts, devices, an admin page. With tests. `login_actix.rs` is the same on
//! actix-web.
//!
//! ```text
//! SESSION_SECRET="$(openssl rand -base64 48)" cargo run -p cloakroom --example login --features sqlite,attempts
//! ```

use std::error::Error;
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::{Form, FromRef, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use cloakroom::prelude::*;
use cloakroom::{Secure, SqliteStore};
use serde::Deserialize;

#[path = "login/pages.rs"]
mod pages;
#[path = "login/people.rs"]
mod people;

use people::{People, SEEDS};

const MONTH: Duration = Duration::from_hours(30 * 24);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let keys = KeyRing::from_env("SESSION_SECRET")?;
    // `Auto` is for plain HTTP on your own machine: without it the cookie goes over TLS only.
    let policy = Policy::builder(keys)
        .secure(Secure::Auto)
        .remember_at_most(MONTH)
        .build()?;
    let manager = Manager::new(policy, SqliteStore::open("sessions.db")?);
    let app = app(manager, People::open("people.db")?);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    for (name, password, _) in SEEDS {
        writeln!(std::io::stdout(), "sign in as {name} / {password}")?;
    }
    writeln!(std::io::stdout(), "http://{}/", listener.local_addr()?)?;
    // Attempts are bounded for each address as well, which the server has to tell.
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    Ok(axum::serve(listener, service).await?)
}

#[derive(Clone)]
struct AppState {
    people: People,
    attempts: Attempts,
}

impl FromRef<AppState> for People {
    fn from_ref(state: &AppState) -> Self {
        state.people.clone()
    }
}

fn app(manager: Manager, people: People) -> Router {
    let signed_in = Router::new()
        .route("/account", get(account))
        .route("/devices/end", post(end_device))
        .route_layer(Guard::new(Require::login()).login_at("/login"));
    let is_admin = Require::login().account(people.clone(), |person| person.is_admin);
    let dangerous = is_admin.fresh(Duration::from_mins(10));
    let admin = Router::new()
        .route("/admin", get(async || "everything is fine"))
        .route_layer(Guard::new(dangerous).login_at("/login"));
    let state = AppState {
        people,
        attempts: Attempts::default(),
    };
    Router::new()
        .route("/", get(home))
        .route("/login", get(login_page).post(login))
        .route("/logout", post(logout))
        .merge(signed_in)
        .merge(admin)
        .with_state(state)
        // The last layer is the outermost: sessions around the guards.
        .layer(Csrf::new())
        .layer(SessionLayer::new(manager))
}

async fn home(
    session: Session,
    user: Option<CurrentUser<People>>,
) -> Result<Html<String>, SessionError> {
    // A token begins a session: none for whoever only looks.
    let token = match user {
        Some(_) => session.csrf_token()?,
        None => String::new(),
    };
    let messages = session.take_flashes()?;
    let person = user.as_ref().map(|CurrentUser(person)| &**person);
    Ok(Html(pages::home(person, &token, &messages)))
}

#[derive(Deserialize)]
struct Way {
    #[serde(default)]
    next: String,
    /// Set by the guard where the login is too long ago.
    again: Option<String>,
}

async fn login_page(
    session: Session,
    Query(way): Query<Way>,
) -> Result<Html<String>, SessionError> {
    let messages = session.take_flashes()?;
    let page = pages::login(&way.next, way.again.is_some(), &messages);
    Ok(Html(page))
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
    #[serde(default)]
    next: String,
    remember: Option<String>,
}

async fn login(
    State(state): State<AppState>,
    session: Session,
    Form(typed): Form<Credentials>,
) -> Result<Response, SessionError> {
    let attempt = state.attempts.begin(&typed.name, session.address()).await?;
    let verified = state.people.verify(typed.name, typed.password).await;
    let Some(person) = verified.map_err(SessionError::Accounts)? else {
        let page = pages::login(
            &typed.next,
            false,
            &[("error".into(), "Name and password do not fit.".into())],
        );
        return Ok((StatusCode::UNAUTHORIZED, Html(page)).into_response());
    };
    attempt.succeeded();
    session.login(person.id).await?;
    if typed.remember.is_some() {
        session.remember(MONTH)?;
    }
    session.flash("info", format!("Welcome, {}.", person.name))?;
    let next = safe_redirect_path(&typed.next).unwrap_or("/");
    Ok(Redirect::to(next).into_response())
}

async fn logout(session: Session) -> Result<Redirect, SessionError> {
    // Another session, for the message alone.
    session.logout_keeping(&[])?;
    session.flash("info", "You have signed out.")?;
    Ok(Redirect::to("/"))
}

async fn account(
    session: Session,
    CurrentUser(person): CurrentUser<People>,
) -> Result<Html<String>, SessionError> {
    let devices = session.devices().await?.into_iter();
    let devices = devices.map(|device| (device.name(), device.handle.clone(), device.is_current));
    let devices: Vec<_> = devices.collect();
    let (token, messages) = (session.csrf_token()?, session.take_flashes()?);
    Ok(Html(pages::account(&person, &devices, &token, &messages)))
}

#[derive(Deserialize)]
struct Handle {
    handle: String,
}

async fn end_device(
    session: Session,
    Form(Handle { handle }): Form<Handle>,
) -> Result<Redirect, SessionError> {
    if session.end_device(&handle).await? {
        session.flash("info", "That device is signed out.")?;
    }
    Ok(Redirect::to("/account"))
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use axum::http::Request;
    use cloakroom::testing::{Client, TestSessions};

    use super::*;

    fn site() -> (TestSessions, Client, People) {
        let sessions = TestSessions::with(TestSessions::policy().remember_at_most(MONTH));
        let people = People::in_memory().expect("a table in memory");
        let client = sessions.client(app(sessions.manager(), people.clone()));
        (sessions, client, people)
    }

    fn form<'a>(password: &'a str, next: &'a str) -> Vec<(&'a str, &'a str)> {
        vec![("name", "ada"), ("password", password), ("next", next)]
    }

    #[tokio::test]
    async fn a_login_leads_back_and_says_welcome_once() {
        let (_, mut client, _) = site();
        assert_eq!(
            client.get("/account").await.location(),
            "/login?next=/account"
        );
        let refused = client.post("/login", &form("guess", "/account")).await;
        assert_eq!(refused.status, 401);
        assert!(refused.body.contains("do not fit"));
        let answer = client
            .post("/login", &form("analytical-engine", "/account"))
            .await;
        assert_eq!(answer.location(), "/account");
        let page = client.get("/account").await.body;
        assert!(
            page.contains("Welcome, ada.") && page.contains("(this one)"),
            "{page}"
        );
        assert!(!client.get("/account").await.body.contains("Welcome"));
        // Not out of the site.
        let evil = client
            .post("/login", &form("analytical-engine", "//evil.example"))
            .await;
        assert_eq!(evil.location(), "/");
        let page = client.post("/logout", &[]).await;
        assert_eq!(page.location(), "/");
        assert!(client.get("/").await.body.contains("You have signed out."));
        assert_eq!(client.get("/account").await.status, 303);
    }

    #[tokio::test]
    async fn whoever_is_remembered_comes_back_after_three_weeks() {
        for (is_remembered, status) in [(true, 200), (false, 303)] {
            let (sessions, mut client, _) = site();
            let mut typed = form("analytical-engine", "/");
            if is_remembered {
                typed.push(("remember", "yes"));
            }
            client.post("/login", &typed).await;
            sessions.advance(Duration::from_hours(21 * 24));
            assert_eq!(client.get("/account").await.status, status);
            // What matters asks for the password once more.
            let again = client.get("/admin").await;
            let again = again.location().contains("again=1");
            assert_eq!(again, is_remembered);
        }
    }

    #[tokio::test]
    async fn a_right_that_is_taken_away_is_gone_at_once() {
        let (_, client, people) = site();
        let mut ada = client.signed_in(1).await;
        assert_eq!(ada.get("/admin").await.status, 200);
        people.set_admin("ada", false).expect("a table in memory");
        assert_eq!(ada.get("/admin").await.status, 403);
        assert_eq!(ada.get("/account").await.status, 200);
    }

    #[tokio::test]
    async fn another_site_sends_no_form_and_guesses_are_bounded() {
        let (_, mut client, _) = site();
        let request = Request::post("/login").header("sec-fetch-site", "cross-site");
        let request = request.body(axum::body::Body::empty()).expect("a request");
        assert_eq!(client.send(request).await.status, 403);
        let mut refused = 0;
        for _ in 0..12 {
            let answer = client.post("/login", &form("guess", "/")).await;
            refused += u32::from(answer.status == 429);
        }
        assert!(refused > 0, "guesses are bounded");
    }

    #[tokio::test]
    async fn a_device_is_ended_from_another() {
        let (_, client, _) = site();
        let (mut phone, mut laptop) =
            (client.clone().signed_in(1).await, client.signed_in(1).await);
        let devices = laptop.visit(async |session| session.devices().await).await;
        let other = devices.iter().find(|device| !device.is_current);
        let handle = other.expect("two devices").handle.clone();
        laptop.post("/devices/end", &[("handle", &handle)]).await;
        assert_eq!(phone.get("/account").await.status, 303);
        assert_eq!(laptop.get("/account").await.status, 200);
    }
}
