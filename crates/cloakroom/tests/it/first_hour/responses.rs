//! Y10: conversions of stores, errors and rejections that applications expect.

use std::sync::Arc;

use actix_web::test::{TestRequest, call_service, init_service, read_body};
use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::http;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use cloakroom::store::conformance::FaultInjectingStore;
use cloakroom::store::{AnyStore, Store, StoreError, StoreErrorKind};
use cloakroom::web::SessionRejection;
use cloakroom::web::actix::SessionMiddleware;
use cloakroom::{Manager, MemoryStore, Policy, Secure, Session, SessionError, SessionLayer};
use tower::ServiceExt as _;

use crate::support::{keys, send};

fn policy() -> Policy {
    let policy = Policy::builder(keys()).secure(Secure::Never);
    policy.build().unwrap()
}

/// A middleware that takes the session by hand, and answers with a session's error.
async fn counted(request: Request, next: Next) -> Result<Response, SessionError> {
    let (mut parts, body) = request.into_parts();
    let session = <Session as FromRequestParts<()>>::from_request_parts(&mut parts, &()).await?;
    session.insert("n", 1)?;
    Ok(next.run(Request::from_parts(parts, body)).await)
}

async fn listed(State(manager): State<Manager>) -> Result<String, StoreError> {
    Ok(manager.sessions_of("ada").await?.len().to_string())
}

#[tokio::test]
async fn y10_a_manager_accepts_a_shared_store() {
    let shared: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let chosen: Arc<dyn Store> = AnyStore::connect("memory:").await.unwrap().into();
    for store in [shared, chosen] {
        let manager = Manager::new(policy(), Arc::clone(&store));
        let set = get(async |session: Session| session.insert("a", 1));
        let layer = SessionLayer::new(manager);
        let router = Router::new().route("/", set).layer(layer);
        let request = http::Request::get("/").body(Body::empty());
        assert_eq!(send(&router, request.unwrap()).await.status, 200);
        assert_eq!(store.count().await.unwrap(), 1);
    }
}

#[tokio::test]
async fn y10_errors_of_the_store_and_rejections_are_responses_on_axum() {
    let store = FaultInjectingStore::new(Arc::new(MemoryStore::new()));
    let manager = Manager::new(policy(), store.clone());
    let layered = Router::new()
        .route("/listed", get(listed))
        .with_state(manager.clone())
        .layer(SessionLayer::new(manager));
    let bare = Router::new().route("/counted", get(async || "in"));
    let bare = bare.layer(from_fn(counted));
    let ask = async |router: &Router, path: &str| {
        let request = http::Request::get(path).body(Body::empty());
        router.clone().oneshot(request.unwrap()).await.unwrap()
    };
    assert_eq!(ask(&layered, "/listed").await.status(), 200);
    assert_eq!(ask(&bare, "/counted").await.status(), 500);
    store.fail(StoreErrorKind::Unavailable);
    let answer = ask(&layered, "/listed").await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "1");
}

#[actix_web::test]
async fn y10_errors_of_the_store_and_rejections_are_responses_on_actix() {
    use actix_web::web;
    async fn listed(manager: web::Data<Manager>) -> Result<String, StoreError> {
        Ok(manager.sessions_of("ada").await?.len().to_string())
    }
    async fn by_hand(session: Result<Session, SessionRejection>) -> Result<String, SessionError> {
        Ok(session?.user().unwrap_or("nobody".into()))
    }
    let store = FaultInjectingStore::new(Arc::new(MemoryStore::new()));
    let manager = Manager::new(policy(), store.clone());
    let inside = web::scope("/in").route("/by_hand", web::get().to(by_hand));
    let app = actix_web::App::new()
        .app_data(web::Data::new(manager.clone()))
        .route("/listed", web::get().to(listed))
        .route("/by_hand", web::get().to(by_hand))
        .service(inside.wrap(SessionMiddleware::new(manager)));
    let app = init_service(app).await;
    for (path, fails, status) in [
        ("/listed", false, 200),
        ("/in/by_hand", false, 200),
        ("/by_hand", false, 500),
        ("/listed", true, 503),
    ] {
        if fails {
            store.fail(StoreErrorKind::Unavailable);
        }
        let request = TestRequest::get().uri(path).to_request();
        let response = call_service(&app, request).await;
        assert_eq!(response.status(), status, "{path}");
        assert!(!read_body(response).await.is_empty(), "{path}");
    }
}

#[test]
fn y10_every_rejection_is_an_error_of_the_session() {
    let unavailable = || StoreError::from(StoreErrorKind::Unavailable);
    let table = [
        (SessionRejection::NoLayer, "NotCovered"),
        (SessionRejection::OutsidePath, "NotCovered"),
        (SessionRejection::NoPath, "NotCovered"),
        (SessionRejection::LoginRequired, "NotSignedIn"),
        (SessionRejection::Detached, "Store"),
        (SessionRejection::Store(unavailable()), "Store"),
        (SessionRejection::Session(SessionError::Gone), "Gone"),
    ];
    for (rejection, expected) in table {
        let said = rejection.to_string();
        let error = format!("{:?}", SessionError::from(rejection));
        assert!(error.starts_with(expected), "{said}: {error}");
    }
}
