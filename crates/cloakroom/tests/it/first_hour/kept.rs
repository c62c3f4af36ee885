//! Y3: requests that do not prolong a session.

use std::time::{Duration, SystemTime};

use actix_web::test::{TestRequest, call_service, init_service};
use axum::Router;
use axum::routing::get;
use cloakroom::policy::{PolicyBuilder, RequestInfo};
use cloakroom::store::{NewRecord, Store as _};
use cloakroom::web::KeepExpiry;
use cloakroom::web::actix::SessionMiddleware;
use cloakroom::{Policy, Secure, Session, SessionError, SessionId, Timestamp};

use super::visitor::{Visitor, somebody};
use crate::support::servers::on_every_store;
use crate::support::{App, keys};

const IDLE: Duration = Duration::from_hours(10);
const SOON: Duration = Duration::from_mins(20);

/// Moves a session's end to twenty minutes from now, as if it had rested since the morning.
async fn age(visitor: &Visitor, id: &SessionId, user: &str) {
    let store = visitor.manager.store();
    let stored = store.get(id).await.unwrap().unwrap();
    let expires = Timestamp::from(SystemTime::now()).after(SOON);
    let mut record: serde_json::Value = serde_json::from_str(&stored.text).unwrap();
    let short = visitor.with(|policy| policy.idle_timeout(SOON).no_absolute_timeout());
    let short = short.open([], RequestInfo::default()).await.unwrap();
    let cookie: serde_json::Value = serde_json::from_str(&short.cookie()).unwrap();
    record["cookie"]["expires"] = cookie["expires"].clone();
    let entry = NewRecord {
        text: record.to_string().into(),
        expires,
        users: vec![user.to_owned()],
    };
    store.update(id, &stored.text, &entry).await.unwrap();
}

/// Returns `true` if the session's expiry has moved since.
async fn is_prolonged(visitor: &Visitor, id: &SessionId) -> bool {
    let stored = visitor.manager.store().get(id).await.unwrap().unwrap();
    let left = SystemTime::from(stored.expires).duration_since(SystemTime::now());
    left.unwrap() > IDLE / 2
}

fn policy(policy: PolicyBuilder) -> PolicyBuilder {
    policy.idle_timeout(IDLE).no_absolute_timeout()
}

async fn y3_a_request_may_read_and_write_without_prolonging(url: &str) {
    let mut visitor = Visitor::new(url, policy).await;
    let user = somebody();
    let id = visitor
        .visit(async |session| {
            session.insert("userId", &user)?;
            Ok(session.id())
        })
        .await;
    age(&visitor, &id, &user).await;

    visitor
        .visit(async |session| {
            session.keep_expiry();
            let left = session.expires().duration_since(SystemTime::now());
            assert!(left.unwrap() <= 2 * SOON, "it says when it ends in truth");
            Ok(())
        })
        .await;
    assert!(!is_prolonged(&visitor, &id).await, "read");
    visitor
        .visit(async |session| {
            session.keep_expiry();
            session.insert("seen", true)?;
            session
                .update("polls", |n: Option<u32>| n.unwrap_or(0) + 1)
                .await?;
            session.insert("seen", false)
        })
        .await;
    assert!(!is_prolonged(&visitor, &id).await, "written");

    let session = visitor.manager.find_session(&id).await.unwrap().unwrap();
    session.insert("job", 1).unwrap();
    session.save().await.unwrap();
    assert!(!is_prolonged(&visitor, &id).await, "a job");

    // A use that comes between its read and its write counts.
    let polling = visitor.open().await;
    polling.keep_expiry();
    visitor
        .visit(async |session| session.get::<u32>("job"))
        .await;
    assert!(is_prolonged(&visitor, &id).await, "the control");
    polling.insert("late", 1).unwrap();
    visitor.manager.close(&polling).await.unwrap();
    assert!(is_prolonged(&visitor, &id).await, "it is not taken back");

    age(&visitor, &id, &user).await;
    visitor
        .visit(async |session| {
            session.keep_expiry();
            session.touch();
            Ok(())
        })
        .await;
    assert!(is_prolonged(&visitor, &id).await, "asked for by name");
}

on_every_store!(y3_a_request_may_read_and_write_without_prolonging);

async fn poll(session: Session) -> Result<String, SessionError> {
    session.insert("polled", true)?;
    Ok(session.user().unwrap_or_default())
}

async fn login(session: Session) -> Result<(), SessionError> {
    session.login("ada").await
}

fn rolling() -> Policy {
    let policy = Policy::builder(keys()).secure(Secure::Never);
    let policy = policy.no_absolute_timeout().rolling(true);
    policy.build().unwrap()
}

#[tokio::test]
async fn y3_marked_routes_do_not_prolong_the_session_on_axum() {
    let polls = Router::new().route("/poll", get(poll));
    let routes = Router::new()
        .route("/use", get(poll))
        .route("/login", get(login))
        .merge(polls.route_layer(KeepExpiry::new()));
    let app = App::new(rolling(), routes);
    for (path, lives) in [("/poll", false), ("/use", true)] {
        let mut client = app.client();
        client.get("/login").await;
        app.advance(Duration::from_mins(20));
        let answer = client.get(path).await;
        assert_eq!(answer.body, "ada");
        assert_eq!(answer.headers.contains_key("set-cookie"), lives, "{path}");
        app.advance(Duration::from_mins(9));
        assert_eq!(client.get(path).await.body, "ada");
        app.advance(Duration::from_mins(2));
        let user = if lives { "ada" } else { "" };
        assert_eq!(client.get(path).await.body, user, "{path}");
    }
}

#[actix_web::test]
async fn y3_marked_routes_do_not_prolong_the_session_on_actix() {
    use actix_web::web;
    let app = App::new(rolling(), Router::new());
    let polls = web::resource("/poll").wrap(KeepExpiry::new());
    let service = actix_web::App::new()
        .route("/login", web::get().to(login))
        .route("/use", web::get().to(poll))
        .service(polls.route(web::get().to(poll)))
        .wrap(SessionMiddleware::new(app.manager.clone()));
    let service = init_service(service).await;
    let request = TestRequest::get().uri("/login").to_request();
    let response = call_service(&service, request).await;
    let field = response.headers().get("set-cookie").unwrap();
    let cookie = field.to_str().unwrap().split(';').next().unwrap();
    for (path, sends) in [("/poll", false), ("/use", true)] {
        app.advance(Duration::from_mins(9));
        let request = TestRequest::get()
            .uri(path)
            .insert_header(("cookie", cookie));
        let response = call_service(&service, request.to_request()).await;
        let sent = response.headers().contains_key("set-cookie");
        assert_eq!(sent, sends, "{path}");
    }
}
