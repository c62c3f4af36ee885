//! actix-web's extractors: sessions, users and typed data.

use std::sync::Arc;

use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, web};
use cloakroom::auth::Require;
use cloakroom::policy::OnStoreError;
use cloakroom::store::StoreErrorKind;
use cloakroom::store::conformance::FaultInjectingStore;
use cloakroom::store::sqlite::SqliteStore;
use cloakroom::web::actix::{Csrf, Guard, LoggedIn, SessionMiddleware, SessionRejection};
use cloakroom::{Clock, Manager, Session, SessionError, Typed};

use super::{all, count, manager, policy};

#[derive(serde::Serialize, serde::Deserialize, Default)]
#[serde(default)]
struct Visit {
    n: u32,
}

async fn typed(mut visit: Typed<Visit>) -> String {
    visit.n += 10;
    visit.n.to_string()
}

async fn login(session: Session) -> Result<&'static str, SessionError> {
    session.login("ada").await?;
    Ok("ok")
}

async fn name(LoggedIn(user): LoggedIn) -> String {
    user
}

async fn maybe(session: Option<Session>) -> String {
    session.is_some().to_string()
}

async fn result(session: Result<Session, SessionRejection>) -> String {
    match session {
        Ok(_) => "a session",
        Err(SessionRejection::NoLayer) => "no middleware",
        Err(SessionRejection::Store(_)) => "no store",
        Err(_) => "another",
    }
    .to_owned()
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/count", web::get().to(count))
        .route("/typed", web::get().to(typed))
        .route("/login", web::get().to(login))
        .route("/name", web::get().to(name))
        .route("/maybe", web::get().to(maybe))
        .route("/result", web::get().to(result));
}

/// Status and text of what a service answers to a GET with this cookie.
macro_rules! ask {
    ($app:expr, $path:expr, $cookie:expr) => {{
        let request = TestRequest::with_uri($path).insert_header(("cookie", $cookie));
        let response = call_service(&$app, request.to_request()).await;
        let status = response.status().as_u16();
        let body = read_body(response).await;
        (status, String::from_utf8(body.to_vec()).unwrap())
    }};
}

/// The cookie that a GET brings.
macro_rules! cookie {
    ($app:expr, $path:expr) => {{
        let request = TestRequest::with_uri($path).to_request();
        let response = call_service(&$app, request).await;
        let field = all(response.headers(), "set-cookie").remove(0);
        field.split(';').next().unwrap().to_owned()
    }};
}

fn said(status: u16, text: &str) -> (u16, String) {
    (status, text.to_owned())
}

#[actix_web::test]
async fn each_extractor_gets_its_type() {
    let (manager, store) = manager(policy());
    let app = App::new().configure(routes);
    let app = init_service(app.wrap(SessionMiddleware::new(manager))).await;
    let counted = cookie!(app, "/count");
    assert_eq!(ask!(app, "/typed", &*counted), said(200, "11"));
    assert_eq!(ask!(app, "/typed", &*counted), said(200, "21"));
    assert_eq!(
        ask!(app, "/name", &*counted),
        said(401, "nobody is signed in")
    );
    let signed_in = cookie!(app, "/login");
    assert_eq!(ask!(app, "/name", &*signed_in), said(200, "ada"));
    assert_eq!(ask!(app, "/maybe", &*signed_in), said(200, "true"));
    store.fail(StoreErrorKind::Unavailable);
    let unavailable = said(503, "the session store is unavailable");
    assert_eq!(ask!(app, "/name", &*signed_in), unavailable);
    assert_eq!(ask!(app, "/count", &*signed_in), unavailable);
    assert_eq!(ask!(app, "/maybe", &*signed_in), said(200, "false"));
    assert_eq!(ask!(app, "/result", &*signed_in), said(200, "no store"));
}

#[actix_web::test]
async fn a_request_served_without_the_store_is_anonymous() {
    let (manager, store) = manager(policy().on_store_error(OnStoreError::Anonymous));
    let guarded = web::resource("/guarded").wrap(Guard::new(Require::login()));
    let app = App::new()
        .configure(routes)
        .service(guarded.route(web::get().to(async || "in")))
        .wrap(SessionMiddleware::new(manager));
    let app = init_service(app).await;
    let cookie = cookie!(app, "/login");
    assert_eq!(ask!(app, "/guarded", &*cookie), said(200, "in"));
    store.fail(StoreErrorKind::Unavailable);
    let unavailable = said(503, "the session store is unavailable");
    assert_eq!(ask!(app, "/name", &*cookie), unavailable);
    assert_eq!(ask!(app, "/guarded", &*cookie), unavailable);
    assert_eq!(ask!(app, "/count", &*cookie), said(200, "1"));
}

#[actix_web::test]
async fn a_route_without_a_middleware_says_what_is_missing() {
    let guarded = web::resource("/guarded").wrap(Guard::new(Require::login()));
    let posted = web::resource("/posted").wrap(Csrf::new());
    let app = App::new()
        .configure(routes)
        .service(guarded.route(web::get().to(async || "in")))
        .service(posted.route(web::route().to(async || "in")));
    let app = init_service(app).await;
    let missing = said(500, "no session layer covers this route");
    assert_eq!(ask!(app, "/count", ""), missing);
    assert_eq!(ask!(app, "/name", ""), missing);
    assert_eq!(ask!(app, "/maybe", ""), said(200, "false"));
    assert_eq!(ask!(app, "/result", ""), said(200, "no middleware"));
    assert_eq!(ask!(app, "/guarded", ""), missing);
    assert_eq!(ask!(app, "/posted", ""), said(200, "in"));
    for (site, status) in [("cross-site", 403), ("same-origin", 200)] {
        let request = TestRequest::post().uri("/posted");
        let request = request.insert_header(("sec-fetch-site", site));
        let response = call_service(&app, request.to_request()).await;
        assert_eq!(response.status(), status, "{site}");
    }
    let unsaid = TestRequest::post().uri("/posted").to_request();
    assert_eq!(call_service(&app, unsaid).await.status(), 500);
}

#[actix_web::test]
async fn extractors_that_run_at_once_share_one_read() {
    async fn all_at_once(
        one: Session,
        LoggedIn(user): LoggedIn,
        _: Typed<Visit>,
        other: Session,
    ) -> String {
        one.insert("x", 1).unwrap();
        let seen: Option<u32> = other.get("x").unwrap();
        format!("{user} {}", seen.unwrap())
    }
    // A store that lets others run while it reads.
    let file = testbed::directory().leave().join("sessions.db");
    let store = FaultInjectingStore::new(Arc::new(SqliteStore::open(file).unwrap()));
    let policy = policy().build().unwrap();
    let manager = Manager::with_clock(policy, Arc::new(store.clone()), Clock::System);
    let app = App::new()
        .configure(routes)
        .route("/", web::get().to(all_at_once))
        .wrap(SessionMiddleware::new(manager));
    let app = init_service(app).await;
    let cookie = cookie!(app, "/login");
    store.take_calls();
    assert_eq!(ask!(app, "/", &*cookie), said(200, "ada 1"));
    let reads = store.take_calls().into_iter().filter(|name| *name == "get");
    assert_eq!(reads.count(), 1);
}
