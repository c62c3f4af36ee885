//! V7: once the head of the response has been sent, a change that needs a cookie is an error, and a
//! lost change is logged.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Router};
use cloakroom::web::SessionHandle;
use cloakroom::{Policy, Session, SessionError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Log, Visitor};
use crate::support::{App, keys};

const LOST: &str = "changed after the head of its response had been sent";

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Visit {
    views: u32,
}

struct Accounts;

impl cloakroom::auth::Passport for Accounts {
    type User = &'static str;

    fn serialize(&self, user: &&'static str) -> Value {
        (*user).into()
    }

    async fn deserialize(&self, _: Value) -> Option<&'static str> {
        None
    }
}

fn is_late<T: std::fmt::Debug>(outcome: Result<T, SessionError>, what: &str) {
    match outcome {
        Err(error @ SessionError::HeadersSent) => {
            assert!(
                error.to_string().starts_with("the head of the response"),
                "{error}"
            );
        }
        outcome => panic!("{what}: {outcome:?}"),
    }
}

#[tokio::test]
async fn v7_a_new_session_cannot_begin_after_the_head() {
    for touched in [false, true] {
        let mut visitor = Visitor::by_default();
        let session = visitor.open().await;
        if touched {
            assert_eq!(session.get::<u32>("a").unwrap(), None);
            assert!(session.is_new());
        }
        visitor.close(&session).await;
        is_late(session.insert("a", 1), "insert");
        is_late(session.insert_raw("a", "1"), "insert_raw");
        is_late(session.save().await, "save");
        is_late(
            session.update("a", |n: Option<u32>| n.unwrap_or(0)).await,
            "update",
        );
        is_late(session.csrf_token(), "csrf_token");
        is_late(session.login("ada").await, "login");
        is_late(
            session.passport_login(&Accounts, &"ada").await,
            "passport_login",
        );
        is_late(session.regenerate(), "regenerate");
        is_late(session.reset(), "reset");
        is_late(session.logout_keeping(&["a"]), "logout_keeping");
        let mut visit = session.typed::<Visit>().unwrap();
        visit.views = 1;
        is_late(visit.commit(), "commit");
        drop(visit);
        assert_eq!(session.get::<u32>("a").unwrap(), None);
        assert_eq!(session.remove("a").ok(), Some(()));
        drop(session);
        assert_eq!(visitor.stored().await, 0);
    }
}

#[tokio::test]
async fn v7_changes_without_a_cookie_are_saved_after_the_head() {
    let mut visitor = Visitor::known().await;
    let session = visitor.open().await;
    visitor.close(&session).await;
    session.insert("a", 1).unwrap();
    session.save().await.unwrap();
    let next = |n: Option<u32>| n.unwrap_or(0) + 1;
    assert_eq!(session.update("a", next).await.unwrap(), 2);
    session.reload().await.unwrap();
    assert_eq!(visitor.open().await.get::<u32>("a").unwrap(), Some(2));
    session.destroy().await.unwrap();
    assert_eq!(visitor.stored().await, 0);
    is_late(session.reset(), "reset");
}

#[tokio::test]
async fn v7_a_session_created_with_the_head_can_change_after_it() {
    let mut visitor = Visitor::by_default();
    let session = visitor.open().await;
    session.insert("a", 1).unwrap();
    visitor.close(&session).await;
    session.insert("a", 2).unwrap();
    session.save().await.unwrap();
    assert_eq!(visitor.open().await.get::<u32>("a").unwrap(), Some(2));
}

#[tokio::test]
async fn v7_no_id_changes_after_the_head() {
    let mut visitor = Visitor::known().await;
    let session = visitor.open().await;
    session.login("ada").await.unwrap();
    visitor.close(&session).await;
    let id = session.id();
    is_late(session.login("eve").await, "login");
    is_late(
        session.passport_login(&Accounts, &"eve").await,
        "passport_login",
    );
    is_late(session.regenerate(), "regenerate");
    is_late(session.reset(), "reset");
    is_late(session.logout_keeping(&["began"]), "logout_keeping");
    is_late(session.password_changed().await, "password_changed");
    assert_eq!(session.id(), id);
    assert_eq!(session.user().as_deref(), Some("ada"));
    session.save().await.unwrap();
    let again = visitor.open().await;
    assert_eq!(again.user().as_deref(), Some("ada"));
    assert_eq!(visitor.stored().await, 1);
}

#[tokio::test]
async fn v7_a_change_that_is_lost_is_logged_once() {
    let (log, _guard) = Log::listen();
    let mut visitor = Visitor::known().await;
    let session = visitor.open().await;
    session.insert("before", 1).unwrap();
    visitor.close(&session).await;
    session.insert("a", 1).unwrap();
    session.insert("b", 1).unwrap();
    let mut visit = session.clone().typed::<Visit>().unwrap();
    visit.views += 1;
    drop(visit);
    assert_eq!(log.lines(LOST), 0, "{}", log.text());
    drop(session);
    assert_eq!(log.lines(LOST), 1, "{}", log.text());

    let session = visitor.open().await;
    visitor.close(&session).await;
    session.insert("a", 1).unwrap();
    session.save().await.unwrap();
    session.insert("a", 1).unwrap();
    drop(session);
    assert_eq!(log.lines(LOST), 1, "it was saved: {}", log.text());

    let session = visitor.open().await;
    visitor.close(&session).await;
    session.insert("a", 2).unwrap();
    session.destroy().await.unwrap();
    drop(session);
    assert_eq!(log.lines(LOST), 1, "it is over: {}", log.text());
}

#[tokio::test]
async fn v7_an_unset_after_the_head_is_logged() {
    let (log, _guard) = Log::listen();
    let policy = Policy::builder(keys()).unset(cloakroom::policy::Unset::Destroy);
    let mut visitor = Visitor::new(policy.build().unwrap());
    let session = visitor.open().await;
    session.insert("a", 1).unwrap();
    visitor.close(&session).await;
    session.unset();
    drop(session);
    assert_eq!(log.lines(LOST), 1, "{}", log.text());
}

/// A body that does something to its session once the head has been sent, and says what came of it.
fn late<F>(work: impl FnOnce() -> F) -> Response
where
    F: Future<Output = String> + Send + 'static,
{
    let (mut sender, body) = http_body_util::channel::Channel::<Bytes, Infallible>::new(1);
    let work = work();
    tokio::spawn(async move {
        // Taken by the client once it has the head.
        sender.send_data("; ".into()).await.unwrap();
        sender.send_data("; ".into()).await.unwrap();
        let said = work.await;
        sender.send_data(said.into()).await.unwrap();
    });
    Body::new(body).into_response()
}

async fn say<T>(outcome: impl Future<Output = Result<T, SessionError>>) -> String {
    outcome
        .await
        .map_or_else(|error| error.to_string(), |_| "ok".to_owned())
}

#[tokio::test]
async fn v7_a_streaming_body_gets_an_error_on_axum() {
    async fn stream(session: Session) -> Response {
        late(|| async move {
            let inserted = say(async { session.insert("a", 1) }).await;
            format!("{inserted}; {}", say(session.save()).await)
        })
    }
    async fn opens(
        Extension(handle): Extension<SessionHandle>,
        request: axum::extract::Request,
    ) -> Response {
        let parts = request.into_parts().0;
        late(|| async move {
            let session = handle.session(&parts).await.unwrap();
            let inserted = say(async { session.insert("a", 1) }).await;
            format!("{inserted}; {}", say(session.login("ada")).await)
        })
    }
    let routes = Router::new()
        .route("/", get(stream))
        .route("/opens", get(opens));
    let app = App::new(Policy::builder(keys()).build().unwrap(), routes);
    for path in ["/", "/opens"] {
        let answer = app.client().get(path).await;
        let said = answer.body.matches("the head of the response").count();
        assert_eq!(said, 2, "{path}: {}", answer.body);
    }
    assert_eq!(app.stored().await, 0);
}

#[actix_web::test]
async fn v7_a_streaming_body_gets_an_error_on_actix() {
    use actix_web::body::BodyStream;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use actix_web::{App, HttpResponse, web};
    use cloakroom::web::actix::SessionMiddleware;

    async fn stream(session: Session) -> HttpResponse {
        let chunk = futures_util::stream::once(async move {
            let inserted = say(async { session.insert("a", 1) }).await;
            let said = format!("{inserted}; {}", say(session.save()).await);
            Ok::<_, Infallible>(Bytes::from(said))
        });
        HttpResponse::Ok().body(BodyStream::new(Box::pin(chunk)))
    }
    let visitor = Visitor::by_default();
    let app = App::new()
        .route("/", web::get().to(stream))
        .wrap(SessionMiddleware::new(visitor.manager.clone()));
    let app = init_service(app).await;
    let answer = call_service(&app, TestRequest::get().uri("/").to_request()).await;
    let body = read_body(answer).await;
    let body = std::str::from_utf8(&body).unwrap();
    assert_eq!(
        body.matches("the head of the response").count(),
        2,
        "{body}"
    );
    assert_eq!(visitor.stored().await, 0);
}
