//! Y9: session layer, guards and CSRF protection in any order among other layers.

use std::time::Duration;

use axum::body::Body;
use axum::error_handling::HandleErrorLayer;
use axum::extract::Request as AxumRequest;
use axum::http::{Request, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{Route, any};
use axum::{BoxError, Router};
use cloakroom::auth::Require;
use cloakroom::web::{Csrf, Guard, KeepExpiry};
use cloakroom::{Manager, MemoryStore, Policy, Secure, Session, SessionError, SessionLayer};
use tower::{Layer, Service, ServiceBuilder};
use tower_http::compression::CompressionLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

use crate::support::{Client, keys, send};

fn manager() -> Manager {
    let policy = Policy::builder(keys()).secure(Secure::Never);
    Manager::new(policy.build().unwrap(), MemoryStore::new())
}

async fn count(session: Session) -> Result<String, SessionError> {
    let next = |n: Option<u32>| n.unwrap_or(0) + 1;
    Ok(session.update("n", next).await?.to_string())
}

async fn token(session: Session) -> Result<String, SessionError> {
    session.csrf_token()
}

async fn echo(body: String) -> String {
    body
}

/// Checks the rules that hold in every stack, whatever the order of its layers.
async fn works<L>(stack: L)
where
    L: Layer<Route> + Clone + Send + Sync + 'static,
    L::Service: Service<AxumRequest, Response: IntoResponse, Error: Into<std::convert::Infallible>>
        + Clone
        + Send
        + Sync
        + 'static,
    <L::Service as Service<AxumRequest>>::Future: Send,
{
    let router = Router::new()
        .route("/count", any(count))
        .route("/token", any(token))
        .route("/echo", any(echo))
        .layer(stack);
    let mut client = Client::new(router.clone());
    for n in ["1", "2"] {
        assert_eq!(client.get("/count").await.body, n);
    }
    let token = client.get("/token").await.body;
    let cookies = client.cookies.field().unwrap();
    for (form, status, body) in [
        (
            format!("_csrf={token}&a=1"),
            200,
            format!("_csrf={token}&a=1"),
        ),
        (
            String::from("_csrf=x&a=1"),
            403,
            "this form is out of date: load its page again".into(),
        ),
        (
            String::from("a=1"),
            403,
            "this form has no token, and its request names no Origin".into(),
        ),
        (
            format!("_csrf={token}&a={}", "x".repeat(2_000)),
            413,
            String::new(),
        ),
    ] {
        let request = Request::post("/echo")
            .header("cookie", &cookies)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("content-length", form.len());
        let answer = send(&router, request.body(Body::from(form)).unwrap()).await;
        assert_eq!(answer.status.as_u16(), status);
        if status != 413 {
            assert_eq!(answer.body, body);
        }
    }
    // Compression is there.
    let zipped = Request::get("/token").header("accept-encoding", "gzip");
    let request = zipped.header("cookie", &cookies);
    let answer = send(&router, request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.headers["content-encoding"], "gzip");
}

fn timeout() -> TimeoutLayer {
    TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, Duration::from_mins(5))
}

#[tokio::test]
async fn y9_the_session_layer_works_outermost() {
    let stack = ServiceBuilder::new()
        .layer(SessionLayer::new(manager()))
        .layer(TraceLayer::new_for_http())
        .layer(KeepExpiry::new())
        .layer(Csrf::new())
        .layer(TraceLayer::new_for_http())
        .layer(RequestBodyLimitLayer::new(1_000))
        .layer(CompressionLayer::new().compress_when(always()))
        .layer(timeout());
    works(stack).await;
}

#[tokio::test]
async fn y9_the_session_layer_works_innermost() {
    let stack = ServiceBuilder::new()
        .layer(TraceLayer::new_for_http())
        .layer(CompressionLayer::new().compress_when(always()))
        .layer(RequestBodyLimitLayer::new(1_000))
        // It asks for a body that can be empty, ours.
        .layer(timeout())
        .layer(SessionLayer::new(manager()))
        .layer(Csrf::new());
    works(stack).await;
}

#[tokio::test]
async fn y9_the_session_layer_works_below_error_handling() {
    let handled = HandleErrorLayer::new(async |error: BoxError| error.to_string());
    let finishing = SessionLayer::new(manager()).finish_handlers();
    let nobody = Guard::new(Require::login().when(|_| false));
    let stack = ServiceBuilder::new()
        .layer(handled)
        .layer(TraceLayer::new_for_http())
        .layer(finishing)
        .layer(RequestBodyLimitLayer::new(1_000))
        .layer(CompressionLayer::new().compress_when(always()))
        .layer(Csrf::new())
        .timeout(Duration::from_mins(5))
        .layer(TraceLayer::new_for_http());
    works(stack.clone()).await;
    // And guards.
    let guarded = stack.layer(nobody).layer(TraceLayer::new_for_http());
    let router = Router::new().route("/", any(count)).layer(guarded);
    let answer = Client::new(router).get("/").await;
    assert_eq!(
        (answer.status.as_u16(), &*answer.body),
        (401, "nobody is signed in")
    );
}

/// Small answers as well.
fn always() -> tower_http::compression::predicate::SizeAbove {
    tower_http::compression::predicate::SizeAbove::new(0)
}
