//! A plain application with a login, on actix-web: what `login.rs` is on axum.
//!
//! ```text
//! SESSION_SECRET="$(openssl rand -base64 48)" \
//!     cargo run -p cloakroom --example login_actix --features actix,sqlite,attempts
//! ```

use std::error::Error;
use std::io::Write as _;
use std::time::Duration;

use actix_web::http::header::ContentType;
use actix_web::web::{Data, Form, Query, ServiceConfig, get, post, resource};
use actix_web::{App, HttpResponse, HttpServer, Responder};
use cloakroom::prelude::*;
use cloakroom::{Secure, SqliteStore};
use serde::Deserialize;

#[path = "login/pages.rs"]
mod pages;
#[path = "login/people.rs"]
mod people;

use people::{People, SEEDS};

const MONTH: Duration = Duration::from_hours(30 * 24);

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let keys = KeyRing::from_env("SESSION_SECRET")?;
    // `Auto` is for plain HTTP on your own machine: without it the cookie goes over TLS only.
    let policy = Policy::builder(keys)
        .secure(Secure::Auto)
        .remember_at_most(MONTH)
        .build()?;
    // Made once, for all workers.
    let manager = Manager::new(policy, SqliteStore::open("sessions.db")?);
    let (people, attempts) = (People::open("people.db")?, Attempts::default());
    let app = move || {
        App::new()
            .configure(routes(&people, &attempts))
            // The last one is the outermost: sessions around the guards.
            .wrap(Csrf::new())
            .wrap(SessionMiddleware::new(manager.clone()))
    };
    for (name, password, _) in SEEDS {
        writeln!(std::io::stdout(), "sign in as {name} / {password}")?;
    }
    writeln!(std::io::stdout(), "http://127.0.0.1:3000/")?;
    let server = HttpServer::new(app).bind(("127.0.0.1", 3000))?;
    Ok(server.run().await?)
}

fn routes(people: &People, attempts: &Attempts) -> impl FnOnce(&mut ServiceConfig) {
    let (people, attempts) = (people.clone(), attempts.clone());
    move |config| {
        let guard = || Guard::new(Require::login()).login_at("/login");
        let is_admin = Require::login().account(people.clone(), |person| person.is_admin);
        let dangerous = is_admin.fresh(Duration::from_mins(10));
        let admin = resource("/admin").wrap(Guard::new(dangerous).login_at("/login"));
        config
            .app_data(Data::new(people))
            .app_data(Data::new(attempts))
            .route("/", get().to(home))
            .route("/login", get().to(login_page))
            .route("/login", post().to(login))
            .route("/logout", post().to(logout))
            .service(resource("/account").wrap(guard()).route(get().to(account)))
            .service(
                resource("/devices/end")
                    .wrap(guard())
                    .route(post().to(end_device)),
            )
            .service(admin.route(get().to(async || "everything is fine")));
    }
}

fn html(page: String) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::html())
        .body(page)
}

fn see(path: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header(("location", path))
        .finish()
}

async fn home(
    session: Session,
    user: Option<CurrentUser<People>>,
) -> Result<HttpResponse, SessionError> {
    // A token begins a session: none for whoever only looks.
    let token = match user {
        Some(_) => session.csrf_token()?,
        None => String::new(),
    };
    let messages = session.take_flashes()?;
    let person = user.as_ref().map(|CurrentUser(person)| &**person);
    Ok(html(pages::home(person, &token, &messages)))
}

#[derive(Deserialize)]
struct Way {
    #[serde(default)]
    next: String,
    /// Set by the guard where the login is too long ago.
    again: Option<String>,
}

async fn login_page(session: Session, way: Query<Way>) -> Result<HttpResponse, SessionError> {
    let messages = session.take_flashes()?;
    let page = pages::login(&way.next, way.again.is_some(), &messages);
    Ok(html(page))
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
    people: Data<People>,
    attempts: Data<Attempts>,
    session: Session,
    Form(typed): Form<Credentials>,
) -> Result<HttpResponse, SessionError> {
    let attempt = attempts.begin(&typed.name, session.address()).await?;
    let verified = people.verify(typed.name, typed.password).await;
    let Some(person) = verified.map_err(SessionError::Accounts)? else {
        let message = ("error".into(), "Name and password do not fit.".into());
        let page = pages::login(&typed.next, false, &[message]);
        let mut answer = HttpResponse::Unauthorized();
        return Ok(answer.content_type(ContentType::html()).body(page));
    };
    attempt.succeeded();
    session.login(person.id).await?;
    if typed.remember.is_some() {
        session.remember(MONTH)?;
    }
    session.flash("info", format!("Welcome, {}.", person.name))?;
    Ok(see(safe_redirect_path(&typed.next).unwrap_or("/")))
}

async fn logout(session: Session) -> Result<impl Responder, SessionError> {
    // Another session, for the message alone.
    session.logout_keeping(&[])?;
    session.flash("info", "You have signed out.")?;
    Ok(see("/"))
}

async fn account(
    session: Session,
    CurrentUser(person): CurrentUser<People>,
) -> Result<HttpResponse, SessionError> {
    let devices = session.devices().await?.into_iter();
    let devices = devices.map(|device| (device.name(), device.handle.clone(), device.is_current));
    let devices: Vec<_> = devices.collect();
    let (token, messages) = (session.csrf_token()?, session.take_flashes()?);
    Ok(html(pages::account(&person, &devices, &token, &messages)))
}

#[derive(Deserialize)]
struct Handle {
    handle: String,
}

async fn end_device(session: Session, form: Form<Handle>) -> Result<HttpResponse, SessionError> {
    if session.end_device(&form.handle).await? {
        session.flash("info", "That device is signed out.")?;
    }
    Ok(see("/account"))
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use cloakroom::testing::{TestSessions, Visitor};

    use super::*;

    /// A service of the application; its type has no name.
    macro_rules! site {
        ($sessions:expr, $people:expr) => {
            init_service(
                App::new()
                    .configure(routes(&$people, &Attempts::default()))
                    .wrap(Csrf::new())
                    .wrap(SessionMiddleware::new($sessions.manager())),
            )
            .await
        };
    }

    /// The response to a visitor: status, Location, body. The cookies are kept.
    macro_rules! ask {
        ($site:expr, $visitor:expr, $request:expr) => {{
            let mut request = $request.insert_header(("accept", "text/html"));
            request = request.insert_header(("sec-fetch-site", "same-origin"));
            if let Some(cookies) = $visitor.field() {
                request = request.insert_header(("cookie", cookies));
            }
            let response = call_service(&$site, request.to_request()).await;
            let headers = response.headers().clone();
            for field in headers.get_all("set-cookie") {
                $visitor.keep(field.to_str().expect("a cookie is ASCII"));
            }
            let location = headers.get("location");
            let location = location.and_then(|to| to.to_str().ok()).unwrap_or_default();
            let status = response.status().as_u16();
            let body = read_body(response).await;
            (
                status,
                location.to_owned(),
                String::from_utf8_lossy(&body).into_owned(),
            )
        }};
    }

    fn form(password: &str) -> TestRequest {
        let typed = [
            ("name", "ada"),
            ("password", password),
            ("next", "/account"),
        ];
        TestRequest::post().uri("/login").set_form(typed)
    }

    #[actix_web::test]
    async fn a_login_leads_back_and_says_welcome_once() {
        let sessions = TestSessions::with(TestSessions::policy().remember_at_most(MONTH));
        let people = People::in_memory().expect("a table in memory");
        let site = site!(sessions, people);
        let mut visitor: Visitor = sessions.visitor();
        let asked = ask!(site, visitor, TestRequest::with_uri("/account"));
        assert_eq!((asked.0, &*asked.1), (303, "/login?next=/account"));
        assert_eq!(ask!(site, visitor, form("guess")).0, 401);
        assert_eq!(ask!(site, visitor, form("analytical-engine")).1, "/account");
        let page = ask!(site, visitor, TestRequest::with_uri("/account")).2;
        assert!(
            page.contains("Welcome, ada.") && page.contains("(this one)"),
            "{page}"
        );
        let page = ask!(site, visitor, TestRequest::with_uri("/account")).2;
        assert!(!page.contains("Welcome"), "{page}");
        ask!(site, visitor, TestRequest::post().uri("/logout"));
        let page = ask!(site, visitor, TestRequest::with_uri("/")).2;
        assert!(page.contains("You have signed out."), "{page}");
    }

    #[actix_web::test]
    async fn a_right_that_is_taken_away_is_gone_at_once() {
        let sessions = TestSessions::new();
        let people = People::in_memory().expect("a table in memory");
        let site = site!(sessions, people);
        let mut ada = sessions.signed_in(1).await;
        assert_eq!(ask!(site, ada, TestRequest::with_uri("/admin")).0, 200);
        people.set_admin("ada", false).expect("a table in memory");
        assert_eq!(ask!(site, ada, TestRequest::with_uri("/admin")).0, 403);
        // And what matters asks for the password once more.
        people.set_admin("ada", true).expect("a table in memory");
        sessions.advance(Duration::from_mins(20));
        let again = ask!(site, ada, TestRequest::with_uri("/admin"));
        assert_eq!(again.1, "/login?next=/admin&again=1");
    }
}
