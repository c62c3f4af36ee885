//! Y11: helpers for tests of applications.

use std::time::Duration;

use actix_web::test::{TestRequest, call_service, init_service, read_body};
use axum::Router;
use axum::routing::{get, post};
use cloakroom::auth::Require;
use cloakroom::store::StoreErrorKind;
use cloakroom::testing::TestSessions;
use cloakroom::web::actix::SessionMiddleware;
use cloakroom::web::{Csrf, Guard, LoggedIn};
use cloakroom::{Manager, Secure, Session, SessionError, SessionLayer};

async fn hello(LoggedIn(user): LoggedIn) -> String {
    user
}

async fn leave(session: Session) -> Result<&'static str, SessionError> {
    session.logout().await.map(|()| "bye")
}

fn app(manager: Manager) -> Router {
    let admin = Router::new().route("/admin", get(hello));
    let guard = Guard::new(Require::role("admin")).login_at("/login");
    Router::new()
        .route("/hello", get(hello))
        .route("/leave", post(leave))
        .merge(admin.route_layer(guard))
        .layer(Csrf::new())
        .layer(SessionLayer::new(manager))
}

#[tokio::test]
async fn y11_a_signed_in_client_in_one_line() {
    let sessions = TestSessions::new();
    let mut ada = sessions
        .client(app(sessions.manager()))
        .signed_in("ada")
        .await;
    assert_eq!(ada.get("/hello").await.body, "ada");
    assert_eq!(ada.get("/admin").await.status, 403);
    let admin = async |session: &Session| session.insert("roles", ["admin"]);
    ada.visit(admin).await;
    assert_eq!(ada.get("/admin").await.body, "ada");

    // A copy is a thief's, and worth nothing once she has left.
    let mut thief = ada.clone();
    assert_eq!(ada.post("/leave", &[]).await.body, "bye");
    assert_eq!(ada.visitor().field(), None, "the cookie is cleared");
    assert_eq!(thief.get("/hello").await.status, 401);
    assert_eq!(thief.get("/admin").await.location(), "/login?next=/admin");
}

#[tokio::test]
async fn y11_the_test_controls_clock_and_store() {
    for policy in [
        TestSessions::policy(),
        // An application's own, whose cookies need TLS.
        TestSessions::policy()
            .secure(Secure::Always)
            .name("__Host-sid"),
    ] {
        let sessions = TestSessions::with(policy.idle_timeout(Duration::from_mins(10)));
        let mut ada = sessions
            .client(app(sessions.manager()))
            .signed_in("ada")
            .await;
        sessions.advance(Duration::from_mins(9));
        assert_eq!(ada.get("/hello").await.body, "ada");
        sessions.store().fail(StoreErrorKind::Unavailable);
        assert_eq!(ada.get("/hello").await.status, 503);
        sessions.store().work();
        sessions.advance(Duration::from_mins(11));
        assert_eq!(ada.get("/hello").await.status, 401);
    }
}

#[tokio::test]
#[should_panic(expected = "no browser keeps the cookie")]
async fn y11_a_cookie_that_no_browser_keeps_is_detected() {
    let bad = get(async || [("set-cookie", "__Host-a=1; Path=/")]);
    let sessions = TestSessions::new();
    sessions
        .client(Router::new().route("/", bad))
        .get("/")
        .await;
}

#[actix_web::test]
async fn y11_a_visitor_s_cookies_are_a_field_on_actix() {
    use actix_web::web;
    let sessions = TestSessions::new();
    let app = actix_web::App::new()
        .route("/hello", web::get().to(hello))
        .wrap(SessionMiddleware::new(sessions.manager()));
    let app = init_service(app).await;
    let ada = sessions.signed_in("ada").await;
    let request = TestRequest::with_uri("/hello");
    let request = request.insert_header(("cookie", ada.field().unwrap()));
    let response = call_service(&app, request.to_request()).await;
    assert_eq!(read_body(response).await, "ada");
}
