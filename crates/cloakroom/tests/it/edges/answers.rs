//! Responses to a request whose session could not be saved at its end.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use cloakroom::store::{StoreError, StoreErrorKind};
use cloakroom::{Clock, Manager, MemoryStore, Policy, Secure, Session, SessionError, SessionLayer};

use crate::express::gate::{Gate, WRITES};
use crate::support::{Client, keys};

fn manager() -> (Manager, Gate) {
    let gate = Gate::before(Arc::new(MemoryStore::new()));
    let policy = Policy::builder(keys())
        .secure(Secure::Never)
        .build()
        .unwrap();
    let manager = Manager::with_clock(policy, Arc::new(gate.clone()), Clock::System);
    (manager, gate)
}

async fn set(session: Session) -> Result<String, SessionError> {
    session.insert("a", 1)?;
    Ok("set".to_owned())
}

fn unavailable() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "the driver's own words")
}

#[tokio::test]
async fn a_failed_save_is_the_response_on_axum() {
    let (manager, gate) = manager();
    let routes = Router::new()
        .route("/", get(set))
        .layer(SessionLayer::new(manager));
    gate.refuse(&WRITES);
    gate.refuse_with(unavailable);
    let answer = Client::new(routes.clone()).get("/").await;
    assert_eq!(answer.status.as_u16(), 503);
    assert_eq!(
        answer.body,
        "the session could not be saved: the session store is unavailable"
    );
    assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8");
    gate.refuse_with(|| StoreErrorKind::Invalid.into());
    let answer = Client::new(routes).get("/").await;
    assert!(
        answer.body.starts_with("the session could not be saved"),
        "{}",
        answer.body
    );
}

#[actix_web::test]
async fn a_failed_save_is_the_response_on_actix() {
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use actix_web::{App, web};
    use cloakroom::web::actix::SessionMiddleware;

    let (manager, gate) = manager();
    gate.refuse(&WRITES);
    gate.refuse_with(unavailable);
    let app = App::new()
        .route("/", web::get().to(set))
        .wrap(SessionMiddleware::new(manager));
    let app = init_service(app).await;
    let answer = call_service(&app, TestRequest::get().uri("/").to_request()).await;
    assert_eq!(answer.status().as_u16(), 503);
    let body = read_body(answer).await;
    assert_eq!(
        &body[..],
        b"the session could not be saved: the session store is unavailable"
    );
}
