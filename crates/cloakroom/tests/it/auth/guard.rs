//! Guards: the requests that pass, and the responses to the others.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::http::header::{ACCEPT, LOCATION};
use axum::http::{Request, StatusCode};
use axum::routing::{get, post};
use cloakroom::auth::{Access, Require};
use cloakroom::policy::{OnStoreError, RequestInfo};
use cloakroom::store::StoreErrorKind;
use cloakroom::store::conformance::FaultInjectingStore;
use cloakroom::web::{Guard, LoggedIn};
use cloakroom::{Clock, Manager, MemoryStore, SessionLayer};
use serde_json::json;

use super::{policy, routes};
use crate::support::{Client, keys};

/// Guarded routes beside those that sign in.
fn router(manager: &Manager) -> Router {
    let admin = Router::new()
        .route("/admin", get(async || "admin").post(async || "changed"))
        .route(
            "/admin/{*path}",
            post(async || "changed").get(async || "page"),
        )
        .route_layer(Guard::new(Require::role("admin")).login_at("/sign-in?lang=en"));
    let program = Router::new()
        .route("/program", get(async || "program"))
        .route_layer(Guard::new(Require::login()));
    let fresh = Router::new()
        .route("/password", get(async || "password"))
        .route_layer(
            Guard::new(Require::login().fresh(Duration::from_mins(5))).login_at("/sign-in"),
        );
    let name = get(async |LoggedIn(user): LoggedIn| user);
    routes()
        .route("/name", name)
        .merge(admin)
        .merge(program)
        .merge(fresh)
        .layer(SessionLayer::new(manager.clone()))
}

fn manager() -> Manager {
    Manager::new(policy().build().unwrap(), MemoryStore::new())
}

async fn page(client: &mut Client, path: &str) -> (StatusCode, Option<String>) {
    let request = Request::get(path).header(ACCEPT, "text/html,*/*;q=0.8");
    let answer = client.send(request).await;
    let location = answer.headers.get(LOCATION);
    let location = location.map(|to| to.to_str().unwrap().to_owned());
    (answer.status, location)
}

#[tokio::test]
async fn programs_get_401_and_browsers_a_login_redirect() {
    let manager = manager();
    let mut client = Client::new(router(&manager));
    for path in ["/admin", "/program", "/password", "/name"] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(answer.headers.contains_key("www-authenticate"), "{path}");
        assert!(!answer.headers.contains_key(LOCATION), "{path}");
    }
    assert_eq!(
        page(&mut client, "/admin/a%20b?x=1&y=//evil").await,
        (
            StatusCode::SEE_OTHER,
            Some("/sign-in?lang=en&next=/admin/a%2520b%3Fx%3D1%26y%3D//evil".to_owned())
        )
    );
    // A form's page is not known without a Referer.
    let form = Request::post("/admin/x").header(ACCEPT, "text/html");
    let answer = client.send(form).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.headers[LOCATION], "/sign-in?lang=en");
    // A guard without a login has none to send to.
    assert_eq!(
        page(&mut client, "/program").await.0,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn a_user_without_the_role_gets_403_and_no_login_redirect() {
    let manager = manager();
    let mut client = Client::new(router(&manager));
    client.get("/login/eve/editor").await;
    assert_eq!(
        page(&mut client, "/admin").await,
        (StatusCode::FORBIDDEN, None)
    );
    assert_eq!(client.get("/program").await.body, "program");
    assert_eq!(client.get("/name").await.body, "eve");
    client.get("/login/ada/admin").await;
    assert_eq!(client.get("/admin").await.body, "admin");
    client.get("/logout").await;
    assert_eq!(client.get("/admin").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_unavailable_store_is_503_and_no_login_redirect() {
    for on_error in [OnStoreError::Unavailable, OnStoreError::Anonymous] {
        let faulty = FaultInjectingStore::new(Arc::new(MemoryStore::new()));
        let policy = policy().on_store_error(on_error).build().unwrap();
        let manager = Manager::with_clock(policy, Arc::new(faulty.clone()), Clock::System);
        let mut client = Client::new(router(&manager));
        client.get("/login/ada/admin").await;
        faulty.fail(StoreErrorKind::Unavailable);
        for path in ["/admin", "/program", "/password", "/name"] {
            assert_eq!(
                page(&mut client, path).await,
                (StatusCode::SERVICE_UNAVAILABLE, None),
                "{path}"
            );
        }
        faulty.work();
        assert_eq!(client.get("/admin").await.body, "admin");
    }
}

#[tokio::test]
async fn a_guard_outside_the_layer_lets_no_request_through() {
    let guard = Guard::new(Require::login());
    let router = Router::new().route("/", get(async || "in")).layer(guard);
    let answer = Client::new(router).get("/").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.body, "no session layer covers this route");
}

#[tokio::test]
async fn decisions() {
    let manager = Manager::new(policy().build().unwrap(), MemoryStore::new());
    let minute = Duration::from_mins(1);
    let login = Require::login;
    #[rustfmt::skip]
    let table = [
        ("nobody",           login(),                                           None, json!(null),                 Access::LoginRequired),
        ("anybody",          login(),                                           Some("ada"), json!(null),          Access::Granted),
        ("no roles",         Require::role("admin"),                            Some("ada"), json!(null),          Access::Forbidden),
        ("roles of another type", Require::role("admin"),                       Some("ada"), json!("admin"),       Access::Forbidden),
        ("roles of other types", Require::role("admin"),                        Some("ada"), json!([1, "admin"]),  Access::Forbidden),
        ("the role",         Require::role("admin"),                            Some("ada"), json!(["x", "admin"]), Access::Granted),
        ("another case",     Require::role("admin"),                            Some("ada"), json!(["Admin"]),     Access::Forbidden),
        ("one of two",       Require::any_role(["a", "b"]),                     Some("ada"), json!(["b"]),         Access::Granted),
        ("one of none",      Require::any_role([""; 0]),                        Some("ada"), json!(["b"]),         Access::Forbidden),
        ("one of both",      Require::all_roles(["a", "b"]),                    Some("ada"), json!(["b"]),         Access::Forbidden),
        ("both",             Require::all_roles(["a", "b"]),                    Some("ada"), json!(["b", "a"]),    Access::Granted),
        ("a role of nobody", Require::role("admin"),                            None, json!(["admin"]),            Access::LoginRequired),
        ("a predicate",      login().when(|session| session.get_raw("x").is_ok_and(|x| x.is_some())), Some("ada"), json!(null), Access::Forbidden),
        ("just now",         login().fresh(minute),                             Some("ada"), json!(null),          Access::Granted),
        ("an old login, and no right", Require::role("admin").fresh(Duration::ZERO), Some("ada"), json!(null),     Access::Forbidden),
    ];
    for (what, require, user, roles, expected) in table {
        let session = manager.open([], RequestInfo::default()).await.unwrap();
        if let Some(user) = user {
            session.login(user).await.unwrap();
        }
        session.insert("roles", roles).unwrap();
        assert_eq!(
            require.check(&session, SystemTime::now()),
            expected,
            "{what}"
        );
    }
}

#[tokio::test]
async fn a_login_becomes_stale_and_one_by_express_is_never_fresh() {
    let manager = manager();
    let session = manager.open([], RequestInfo::default()).await.unwrap();
    session.login("ada").await.unwrap();
    let require = Require::login().fresh(Duration::from_mins(5));
    let now = SystemTime::now();
    let after = |minutes| require.check(&session, now + Duration::from_mins(minutes));
    assert_eq!(after(4), Access::Granted);
    assert_eq!(after(6), Access::StepUpRequired);
    // The stricter of two holds.
    let stricter = require.clone().fresh(Duration::from_mins(1));
    assert_eq!(
        stricter.check(&session, now + Duration::from_mins(2)),
        Access::StepUpRequired
    );
    let express = manager.open([], RequestInfo::default()).await.unwrap();
    express.insert("userId", "ada").unwrap();
    assert_eq!(require.check(&express, now), Access::StepUpRequired);
    let mut client = Client::new(router(&manager));
    client.get("/login/ada").await;
    assert_eq!(client.get("/password").await.body, "password");
    let _ = keys();
}

/// Clocks differ a little; one that was far ahead for a moment must not make a login fresh for ever.
#[tokio::test]
async fn a_login_in_the_far_future_is_not_fresh() {
    let session = manager().open([], RequestInfo::default()).await.unwrap();
    session.login("ada").await.unwrap();
    let require = Require::login().fresh(Duration::from_mins(5));
    let at = session.authenticated_at().unwrap();
    for (before, access) in [
        (Duration::from_mins(5), Access::Granted),
        (Duration::from_mins(6), Access::StepUpRequired),
    ] {
        assert_eq!(require.check(&session, at - before), access, "{before:?}");
    }
}
