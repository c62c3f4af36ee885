//! Cases of actix-web alone, and the middleware's edge cases; the guarantees of both frameworks are in
//! `scenarios`.

mod extractors;
mod requests;

use std::fmt;
use std::sync::Arc;

use actix_web::body::{BodyStream, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::middleware::{Next, from_fn};
use actix_web::test::{TestRequest, init_service, read_body};
use actix_web::{App, Error, HttpMessage as _, HttpResponse, ResponseError, web};
use cloakroom::policy::PolicyBuilder;
use cloakroom::store::conformance::FaultInjectingStore;
use cloakroom::store::{Store as _, StoreErrorKind};
use cloakroom::web::actix::{SessionHandle, SessionMiddleware};
use cloakroom::{Clock, Manager, MemoryStore, Policy, Secure, Session, SessionError};

use crate::support::keys;

fn policy() -> PolicyBuilder {
    Policy::builder(keys()).secure(Secure::Auto)
}

/// Sessions in a store that can be made to fail.
fn manager(policy: PolicyBuilder) -> (Manager, FaultInjectingStore) {
    let store = FaultInjectingStore::new(Arc::new(MemoryStore::new()));
    let policy = policy.build().unwrap();
    let manager = Manager::with_clock(policy, Arc::new(store.clone()), Clock::System);
    (manager, store)
}

async fn count(session: Session) -> Result<String, SessionError> {
    let n = session.get::<u32>("n")?.unwrap_or(0) + 1;
    session.insert("n", n)?;
    Ok(n.to_string())
}

/// The values of a field.
fn all(headers: &HeaderMap, name: &str) -> Vec<String> {
    let values = headers.get_all(name);
    values
        .map(|value| value.to_str().unwrap().to_owned())
        .collect()
}

#[derive(Debug)]
struct Teapot;

impl fmt::Display for Teapot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a teapot")
    }
}

impl ResponseError for Teapot {
    fn status_code(&self) -> StatusCode {
        StatusCode::IM_A_TEAPOT
    }
}

/// A middleware that changes the session and then fails.
async fn failing(
    request: ServiceRequest,
    _: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse, Error> {
    let handle: SessionHandle = request.extensions().get().cloned().unwrap();
    let session = handle.session_of(request.request()).await.unwrap();
    session.insert("seen", true)?;
    Err(Teapot.into())
}

#[actix_web::test]
async fn an_error_of_a_middleware_is_answered_with_the_session_stored() {
    let (manager, store) = manager(policy());
    let app = App::new()
        .route("/", web::get().to(count))
        .wrap(from_fn(failing))
        .wrap(SessionMiddleware::new(manager));
    let app = init_service(app).await;
    let error = app.call(TestRequest::get().to_request()).await.unwrap_err();
    assert!(error.as_error::<Teapot>().is_some(), "it stays what it is");
    let response = error.error_response();
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(all(response.headers(), "set-cookie").len(), 1);
    assert_eq!(all(response.headers(), "cache-control"), ["no-store"]);
    assert_eq!(store.count().await.unwrap(), 1);
    assert!(!format!("{error:?}").contains("connect.sid"));
    // Where it cannot be stored, that is the answer.
    store.fail(StoreErrorKind::Unavailable);
    let error = app.call(TestRequest::get().to_request()).await.unwrap_err();
    let response = error.error_response();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(all(response.headers(), "set-cookie"), [""; 0]);
}

#[actix_web::test]
async fn the_session_is_stored_before_the_head_leaves() {
    async fn endless(session: Session) -> Result<HttpResponse, SessionError> {
        session.insert("a", 1)?;
        let ticks = futures_util::stream::repeat_with(|| Ok::<_, Error>("tick".into()));
        Ok(HttpResponse::Ok().body(BodyStream::new(ticks)))
    }
    let (manager, store) = manager(policy());
    let app = App::new()
        .route("/", web::get().to(endless))
        .wrap(SessionMiddleware::new(manager));
    let app = init_service(app).await;
    let response = app.call(TestRequest::get().to_request()).await.unwrap();
    assert_eq!(all(response.headers(), "set-cookie").len(), 1);
    assert_eq!(
        store.count().await.unwrap(),
        1,
        "its body has not even begun"
    );
}

#[actix_web::test]
async fn the_handlers_own_header_fields_are_kept() {
    async fn two(session: Session) -> Result<HttpResponse, SessionError> {
        session.insert("a", 1)?;
        Ok(HttpResponse::Ok()
            .append_header(("set-cookie", "theme=dark; Path=/"))
            .append_header(("cache-control", "public, max-age=60"))
            .append_header(("vary", "Accept"))
            .body("ok"))
    }
    let (manager, _) = manager(policy());
    let app = App::new()
        .route("/", web::get().to(two))
        .wrap(SessionMiddleware::new(manager));
    let app = init_service(app).await;
    let response = app.call(TestRequest::get().to_request()).await.unwrap();
    let cookies = all(response.headers(), "set-cookie");
    assert_eq!(cookies.len(), 2);
    assert_eq!(cookies[0], "theme=dark; Path=/");
    assert!(cookies[1].starts_with("connect.sid=s%3A"));
    assert_eq!(
        all(response.headers(), "cache-control"),
        ["private, max-age=60"]
    );
    assert_eq!(all(response.headers(), "vary"), ["Accept", "Cookie"]);
    assert_eq!(read_body(response).await, "ok");
}

#[actix_web::test]
async fn the_outer_of_two_middlewares_of_one_name_wins() {
    let (outer, outer_store) = manager(policy());
    let (inner, inner_store) = manager(policy());
    let app = App::new()
        .route("/", web::get().to(count))
        .wrap(SessionMiddleware::new(inner))
        .wrap(SessionMiddleware::new(outer));
    let app = init_service(app).await;
    let response = app.call(TestRequest::get().to_request()).await.unwrap();
    assert_eq!(all(response.headers(), "set-cookie").len(), 1);
    let stored = (
        outer_store.count().await.unwrap(),
        inner_store.count().await.unwrap(),
    );
    assert_eq!(stored, (1, 0));
}
