//! Sessions under axum: layers, routers, bodies, headers.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::{CACHE_CONTROL, SET_COOKIE, VARY};
use axum::http::request::Builder;
use axum::http::{HeaderMap, HeaderName, Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Router};
use cloakroom::policy::{PolicyBuilder, TrustedProxy};
use cloakroom::store::conformance::FaultInjectingStore;
use cloakroom::store::{Store as _, StoreErrorKind};
use cloakroom::web::{Named, SessionHandle, SessionName, Tls};
use cloakroom::{Manager, Policy, Secure, Session, SessionError, SessionLayer, Typed};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use crate::support::{App, Client, clock, keys, memory, send};

fn plain() -> PolicyBuilder {
    Policy::builder(keys()).secure(Secure::Auto)
}

async fn count(session: Session) -> Result<String, SessionError> {
    let n = session.get::<u32>("n")?.unwrap_or(0) + 1;
    session.insert("n", n)?;
    Ok(n.to_string())
}

async fn read(session: Session) -> Result<String, SessionError> {
    Ok(session.get::<u32>("n")?.unwrap_or(0).to_string())
}

fn routes() -> Router {
    Router::new()
        .route("/count", get(count))
        .route("/read", get(read))
        .route("/plain", get(|| async { "plain" }))
}

#[tokio::test]
async fn a_visitor_is_known_again() {
    let app = App::new(plain().build().unwrap(), routes());
    let (mut ada, mut grace) = (app.client(), app.client());
    assert_eq!(ada.get("/count").await.body, "1");
    assert_eq!(ada.get("/count").await.body, "2");
    assert_eq!(grace.get("/count").await.body, "1");
    assert_eq!(ada.get("/read").await.body, "2");
}

#[tokio::test]
async fn a_handler_that_never_asks_makes_no_store_call() {
    let clock = clock();
    let faulty = FaultInjectingStore::new(Arc::new(memory(&clock)));
    let manager = Manager::with_clock(plain().build().unwrap(), Arc::new(faulty.clone()), clock);
    let mut client = Client::new(routes().layer(SessionLayer::new(manager)));
    client.get("/count").await;
    faulty.take_calls();
    let answer = client.get("/plain").await;
    assert_eq!(faulty.take_calls(), Vec::<&str>::new());
    assert!(answer.headers.get(CACHE_CONTROL).is_none() && answer.set_cookie().is_none());
}

#[tokio::test]
async fn the_session_is_stored_before_the_head_leaves() {
    let app = App::new(
        plain().build().unwrap(),
        Router::new().route("/", get(endless)),
    );
    let request = Request::get("/").body(Body::empty()).unwrap();
    let response = app.router.clone().oneshot(request).await.unwrap();
    assert!(response.headers().contains_key(SET_COOKIE));
    assert_eq!(app.stored().await, 1, "its body has not even begun");
    let first = response
        .into_body()
        .frame()
        .await
        .unwrap()
        .unwrap()
        .into_data()
        .unwrap();
    assert_eq!(&first[..], b"tick");
}

/// A streaming body that does not end.
async fn endless(session: Session) -> Result<Response, SessionError> {
    session.insert("a", 1)?;
    let (mut sender, body) =
        http_body_util::channel::Channel::<axum::body::Bytes, Infallible>::new(1);
    tokio::spawn(async move { while sender.send_data("tick".into()).await.is_ok() {} });
    Ok(Body::new(body).into_response())
}

#[tokio::test]
async fn other_cookies_of_the_response_are_kept() {
    async fn two(
        session: Session,
    ) -> Result<([(HeaderName, &'static str); 1], &'static str), SessionError> {
        session.insert("a", 1)?;
        Ok(([(SET_COOKIE, "theme=dark; Path=/")], "ok"))
    }
    let app = App::new(plain().build().unwrap(), Router::new().route("/", get(two)));
    let answer = app.client().get("/").await;
    let cookies = answer.set_cookies();
    assert_eq!(cookies.len(), 2);
    assert_eq!(cookies[0], "theme=dark; Path=/");
    assert!(cookies[1].starts_with("connect.sid=s%3A"));
}

#[tokio::test]
async fn nested_routers_see_the_path_that_the_client_asked_for() {
    let policy = plain().path("/shop").match_path("/shop").build().unwrap();
    let manager = Manager::new(policy, memory(&clock()));
    let inner = routes().layer(SessionLayer::new(manager));
    let router = Router::new()
        .nest("/shop", inner.clone())
        .nest("/other", inner);
    let answer = Client::new(router.clone()).get("/shop/count").await;
    assert!(answer.set_cookie().unwrap().contains("; Path=/shop;"));
    let outside = Client::new(router).get("/other/count").await;
    assert_eq!(
        outside.status,
        StatusCode::INTERNAL_SERVER_ERROR,
        "{}",
        outside.body
    );
    assert!(outside.body.contains("no session layer covers this route"));
}

#[tokio::test]
async fn a_route_without_a_layer_says_what_is_missing() {
    let answer = Client::new(routes()).get("/count").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.body, "no session layer covers this route");
}

struct Admin;
impl SessionName for Admin {
    const NAME: &'static str = "admin.sid";
}

#[tokio::test]
async fn two_layers_keep_two_sessions_apart() {
    async fn both(
        admin: Named<Admin>,
        Extension(handle): Extension<SessionHandle>,
        session: Session,
    ) -> String {
        session.insert("who", "shop").unwrap();
        admin.insert("who", "admin").unwrap();
        assert_ne!(admin.id(), session.id());
        assert!(handle.find("connect.sid").is_some() && handle.find("other").is_none());
        "ok".into()
    }
    let clock = clock();
    let shop = Manager::new(plain().build().unwrap(), memory(&clock));
    let admin = Manager::new(
        plain().name("admin.sid").path("/admin").build().unwrap(),
        memory(&clock),
    );
    let router = Router::new()
        .route("/admin", get(both))
        .route("/count", get(count))
        .layer(SessionLayer::new(shop.clone()))
        .layer(SessionLayer::new(admin));
    let mut client = Client::new(router.clone());
    let answer = client.get("/admin").await;
    assert_eq!(
        (answer.status, answer.set_cookies().len()),
        (StatusCode::OK, 2)
    );
    assert!(client.cookies.contains_key("admin.sid") && client.cookies.contains_key("connect.sid"));
    assert_eq!(
        Client::new(router).get("/count").await.set_cookies().len(),
        1
    );
}

#[tokio::test]
async fn the_outer_of_two_layers_of_one_name_wins() {
    let app = App::new(
        plain().build().unwrap(),
        routes().layer(SessionLayer::new(Manager::new(
            plain().build().unwrap(),
            memory(&clock()),
        ))),
    );
    let answer = app.client().get("/count").await;
    assert_eq!((answer.set_cookies().len(), app.stored().await), (1, 1));
}

#[tokio::test]
async fn a_secure_cookie_goes_over_tls_only() {
    let policy = || Policy::builder(keys());
    let marked = |request: Builder| request.extension(Tls);
    let peer =
        |address: &str| ConnectInfo(std::net::SocketAddr::new(address.parse().unwrap(), 4711));
    let proxied = |request: Builder, address: &str| {
        request
            .extension(peer(address))
            .header("x-forwarded-proto", "http, https")
    };
    // X4: what the client wrote stands left of what the proxy says.
    let claimed = |request: Builder| {
        request
            .extension(peer("10.1.1.1"))
            .header("x-forwarded-proto", "https, http")
    };
    let in_two_fields = |request: Builder| {
        request
            .extension(peer("10.1.1.1"))
            .header("x-forwarded-proto", &b"\xff"[..])
            .header("x-forwarded-proto", "https")
    };
    let trusting = || policy().trusted_proxy(TrustedProxy::networks(["10.0.0.0/8"]).unwrap());
    let get = || Request::get("/count");
    let table = [
        (policy(), get(), false),
        (policy(), marked(get()), true),
        (policy(), proxied(get(), "10.1.1.1"), false),
        (trusting(), proxied(get(), "10.1.1.1"), true),
        (trusting(), proxied(get(), "192.0.2.1"), false),
        (trusting(), claimed(get()), false),
        (trusting(), in_two_fields(get()), true),
        (trusting(), get().extension(peer("10.1.1.1")), false),
    ];
    for (index, (policy, request, sent)) in table.into_iter().enumerate() {
        let app = App::new(policy.build().unwrap(), routes());
        let answer = app.client().send(request).await;
        assert_eq!(
            answer
                .set_cookie()
                .is_some_and(|field| field.contains("; Secure")),
            sent,
            "{index}"
        );
        // Nobody could ever come back to one whose cookie is withheld.
        assert_eq!(app.stored().await, u64::from(sent), "{index}");
    }
    let manager = Manager::new(policy().build().unwrap(), memory(&clock()));
    let router = routes().layer(SessionLayer::new(manager).tls());
    assert!(
        Client::new(router)
            .get("/count")
            .await
            .set_cookie()
            .is_some()
    );
}

#[tokio::test]
async fn shared_caches_do_not_store_it() {
    async fn public(session: Session) -> ([(HeaderName, &'static str); 1], String) {
        (
            [(CACHE_CONTROL, "public, max-age=3600")],
            format!("{:?}", session.get::<u32>("n").unwrap()),
        )
    }
    let app = App::new(
        plain().build().unwrap(),
        routes().route("/public", get(public)),
    );
    let said = |headers: &HeaderMap| {
        let field = |name| {
            headers
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        (field(CACHE_CONTROL), field(VARY))
    };
    let text = |text: &str| Some(text.to_owned());
    let mut visitor = app.client();
    for (path, without, with) in [
        ("/count", Some("no-store"), "no-store"),
        // All visitors without a session get the same response.
        ("/read", None, "no-store"),
        (
            "/public",
            Some("public, max-age=3600"),
            "private, max-age=3600",
        ),
    ] {
        let answer = app.client().get(path).await;
        let expected = (without.and_then(text), text("Cookie"));
        assert_eq!(said(&answer.headers), expected, "{path}");
        visitor.get("/count").await;
        let answer = visitor.get(path).await;
        let expected = (text(with), text("Cookie"));
        assert_eq!(said(&answer.headers), expected, "{path}");
    }
    assert_eq!(
        said(&app.client().get("/plain").await.headers),
        (None, None)
    );
}

#[tokio::test]
async fn a_store_outage_is_503_and_never_an_empty_session() {
    let clock = clock();
    let faulty = FaultInjectingStore::new(Arc::new(memory(&clock)));
    let manager = Manager::with_clock(plain().build().unwrap(), Arc::new(faulty.clone()), clock);
    let mut client = Client::new(routes().layer(SessionLayer::new(manager)));
    client.get("/count").await;
    let cookies = client.cookies.clone();
    faulty.fail(StoreErrorKind::Unavailable);
    for path in ["/count", "/read"] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers.get("retry-after").unwrap(), "1");
        assert_eq!(client.cookies, cookies, "the cookie is left alone");
    }
    assert_eq!(client.get("/plain").await.status, StatusCode::OK);
    let newcomer = Client::new(client.router().clone()).get("/count").await;
    assert_eq!(
        newcomer.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "what was not stored is not answered"
    );
    assert_eq!(newcomer.set_cookie(), None);
    faulty.work();
    assert_eq!(client.get("/count").await.body, "2");
}

#[tokio::test]
async fn typed_sessions_are_extracted() {
    #[derive(serde::Serialize, serde::Deserialize, Default)]
    #[serde(default)]
    struct Visit {
        n: u32,
    }
    async fn typed(mut visit: Typed<Visit>) -> String {
        visit.n += 10;
        visit.n.to_string()
    }
    let app = App::new(
        plain().build().unwrap(),
        routes().route("/typed", get(typed)),
    );
    let mut client = app.client();
    client.get("/count").await;
    assert_eq!(client.get("/typed").await.body, "11");
    assert_eq!(client.get("/read").await.body, "11");
}

#[tokio::test]
async fn an_optional_session_is_none_outside_its_layer() {
    async fn maybe(session: Option<Session>) -> String {
        session.is_some().to_string()
    }
    let router = Router::new().route("/", get(maybe));
    assert_eq!(Client::new(router.clone()).get("/").await.body, "false");
    let app = App::new(plain().build().unwrap(), router);
    assert_eq!(app.client().get("/").await.body, "true");
}

#[tokio::test]
async fn a_redirect_that_is_followed_at_once_finds_its_session() {
    let app = App::new(plain().build().unwrap(), routes());
    for _ in 0..200 {
        let request = Request::get("/count").body(Body::empty()).unwrap();
        let response = app.router.clone().oneshot(request).await.unwrap();
        // The body is not read: the client goes on as soon as it has the head.
        let cookie = response.headers()[SET_COOKIE]
            .to_str()
            .unwrap()
            .split(';')
            .next()
            .unwrap()
            .to_owned();
        let next = Request::get("/read")
            .header("cookie", cookie)
            .body(Body::empty())
            .unwrap();
        assert_eq!(send(&app.router, next).await.body, "1");
    }
}

#[tokio::test]
async fn an_expired_session_is_an_empty_one() {
    let app = App::new(plain().build().unwrap(), routes());
    let mut client = app.client();
    client.get("/count").await;
    app.advance(Duration::from_mins(31));
    assert_eq!(client.get("/read").await.body, "0");
    assert_eq!(app.store.count().await.unwrap(), 0);
    assert_eq!(app.manager.policy().name().as_str(), "connect.sid");
}
