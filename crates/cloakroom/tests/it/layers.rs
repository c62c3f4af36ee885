//! Several session layers in one application, what they cover, and requests that name no path.

use actix_web::dev::Service as _;
use actix_web::test::{TestRequest, init_service};
use actix_web::{App as Actix, FromRequest, web};
use axum::Router;
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::header::COOKIE;
use axum::http::{Method, Request, StatusCode};
use axum::routing::{any, get};
use cloakroom::auth::Require;
use cloakroom::policy::PolicyBuilder;
use cloakroom::web::actix::SessionMiddleware;
use cloakroom::web::{Csrf, Guard, LoggedIn, Named, SessionName};
use cloakroom::{Manager, MemoryStore, Policy, Secure, Session, SessionError, SessionLayer};

use crate::support::{Client, keys, send};

fn policy(name: &str) -> PolicyBuilder {
    Policy::builder(keys()).secure(Secure::Auto).name(name)
}

fn manager(policy: PolicyBuilder) -> Manager {
    Manager::new(policy.build().unwrap(), MemoryStore::new())
}

/// Outside, and the wrong `match_path` for where it is nested.
fn shop_and_admin() -> (Manager, Manager) {
    let shop = manager(policy("shop.sid"));
    let admin = manager(policy("admin.sid").path("/adm").match_path("/adm"));
    (shop, admin)
}

struct Shop;
impl SessionName for Shop {
    const NAME: &'static str = "shop.sid";
}

struct Admin;
impl SessionName for Admin {
    const NAME: &'static str = "admin.sid";
}

async fn login(session: Session) -> Result<(), SessionError> {
    session.insert("roles", ["admin"])?;
    session.login("ada").await?;
    session.insert("roles", ["admin"])
}

async fn count(session: Session) -> Result<String, SessionError> {
    let n = session.get::<u32>("n")?.unwrap_or(0) + 1;
    session.insert("n", n)?;
    Ok(n.to_string())
}

/// Says whether there is one.
async fn has<T>(_: T) -> &'static str {
    "has"
}

/// The routes of the inner layer, with their statuses for a user signed in to the outer one.
const INNER: [(&str, u16); 8] = [
    ("/admin/session", 500),
    ("/admin/user", 500),
    ("/admin/guarded", 500),
    ("/admin/by-role", 500),
    ("/admin/named", 500),
    ("/admin/form", 500),
    ("/admin/optional", 200),
    // It asks for the shop's by its name.
    ("/admin/shop", 200),
];

fn axum_site() -> Router {
    fn with<T>() -> axum::routing::MethodRouter
    where
        T: FromRequestParts<()> + Send + 'static,
        T::Rejection: axum::response::IntoResponse,
    {
        get(has::<T>)
    }
    let (shop, admin) = shop_and_admin();
    let optional = async |session: Option<Session>| session.is_some().to_string();
    let inner = Router::new()
        .route("/session", with::<Session>())
        .route("/user", with::<LoggedIn>())
        .route(
            "/guarded",
            get(async || "in").route_layer(Guard::new(Require::login())),
        )
        .route(
            "/by-role",
            get(async || "in").route_layer(Guard::new(Require::role("admin"))),
        )
        .route("/named", with::<Named<Admin>>())
        .route("/shop", with::<Named<Shop>>())
        .route("/form", any(async || "in").layer(Csrf::new()))
        .route("/optional", get(optional))
        .layer(SessionLayer::new(admin));
    Router::new()
        .route("/login", get(login))
        .route("/count", get(count))
        .nest("/admin", inner)
        .layer(SessionLayer::new(shop))
}

#[tokio::test]
async fn v15_an_inner_layer_lets_no_outer_session_through_axum() {
    let mut client = Client::new(axum_site());
    assert_eq!(client.get("/login").await.status, StatusCode::OK);
    for (path, status) in INNER {
        let method = if path == "/admin/form" { "POST" } else { "GET" };
        let answer = client
            .send(Request::builder().method(method).uri(path))
            .await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.body);
        if path == "/admin/optional" {
            assert_eq!(answer.body, "false");
        }
    }
    assert_eq!(
        client.get("/count").await.body,
        "1",
        "the shop's own routes have it"
    );
}

#[actix_web::test]
async fn v15_an_inner_middleware_lets_no_outer_session_through_actix() {
    fn with<T: FromRequest + 'static>() -> actix_web::Route {
        web::get().to(has::<T>)
    }
    let (shop, admin) = shop_and_admin();
    let guarded = |require| {
        web::resource("")
            .wrap(Guard::new(require))
            .to(async || "in")
    };
    let optional = async |session: Option<Session>| session.is_some().to_string();
    let inner = web::scope("/admin")
        .route("/session", with::<Session>())
        .route("/user", with::<LoggedIn>())
        .service(web::scope("/guarded").service(guarded(Require::login())))
        .service(web::scope("/by-role").service(guarded(Require::role("admin"))))
        .route("/named", with::<Named<Admin>>())
        .route("/shop", with::<Named<Shop>>())
        .service(web::resource("/form").wrap(Csrf::new()).to(async || "in"))
        .route("/optional", web::get().to(optional))
        .wrap(SessionMiddleware::new(admin));
    let app = Actix::new()
        .route(
            "/login",
            web::get().to(async |session: Session| login(session).await.map(|()| "in")),
        )
        .route("/count", web::get().to(count))
        .service(inner)
        .wrap(SessionMiddleware::new(shop));
    let app = init_service(app).await;
    let response = app
        .call(TestRequest::with_uri("/login").to_request())
        .await
        .unwrap();
    let field = response
        .headers()
        .get("set-cookie")
        .unwrap()
        .to_str()
        .unwrap();
    let cookie = field.split(';').next().unwrap().to_owned();
    let ask = |path: &str| {
        let request = if path == "/admin/form" {
            TestRequest::post()
        } else {
            TestRequest::get()
        };
        request
            .uri(path)
            .insert_header(("cookie", &*cookie))
            .to_request()
    };
    for (path, status) in INNER {
        let status_found = match app.call(ask(path)).await {
            Ok(response) => response.status().as_u16(),
            Err(error) => error.error_response().status().as_u16(),
        };
        assert_eq!(status_found, status, "{path}");
    }
    let response = app.call(ask("/admin/optional")).await.unwrap();
    assert_eq!(actix_web::test::read_body(response).await, "false");
    assert_eq!(app.call(ask("/count")).await.unwrap().status(), 200);
}

/// Three layers, of which the first and the last share a cookie name: both give the same session.
#[tokio::test]
async fn v15_an_inner_layer_of_the_same_name_shares_the_outer_session() {
    let (shop, admin) = (manager(policy("shop.sid")), manager(policy("admin.sid")));
    let (outer, inner) = (SessionLayer::new(shop.clone()), SessionLayer::new(shop));
    let both = async |session: Session, shop: Named<Shop>, admin: Named<Admin>| {
        assert_eq!(session.id(), shop.id());
        assert_ne!(session.id(), admin.id());
        session.insert("n", 1).unwrap();
        admin.insert("n", 2).unwrap();
    };
    let router = Router::new()
        .route("/", get(both))
        .layer(inner)
        .layer(SessionLayer::new(admin))
        .layer(outer);
    let mut client = Client::new(router);
    let answer = client.get("/").await;
    assert_eq!(
        (answer.status, answer.set_cookies().len()),
        (StatusCode::OK, 2)
    );
    let again = client.get("/").await;
    assert_eq!(again.status, StatusCode::OK);
}

/// V14: a proxy strips `/app`, so that this server is asked for `/count`.
#[tokio::test]
async fn v14_the_path_is_sent_and_not_matched_axum() {
    let layer = SessionLayer::new(manager(policy("shop.sid").path("/app")));
    let router = Router::new().route("/count", get(count)).layer(layer);
    let answer = Client::new(router.clone()).get("/count").await;
    assert_eq!((answer.status, &*answer.body), (StatusCode::OK, "1"));
    let cookie = answer.set_cookie().unwrap();
    assert!(cookie.contains("; Path=/app;"));
    // The browser has it for `/app/count`; the proxy hands it on.
    let value = cookie.split(';').next().unwrap();
    let request = Request::get("/count").header(COOKIE, value);
    let answer = send(&router, request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.body, "2");
}

#[actix_web::test]
async fn v14_the_path_is_sent_and_not_matched_actix() {
    let session = SessionMiddleware::new(manager(policy("shop.sid").path("/app")));
    let app = Actix::new().route("/count", web::get().to(count));
    let app = init_service(app.wrap(session)).await;
    let response = app
        .call(TestRequest::with_uri("/count").to_request())
        .await
        .unwrap();
    let field = response
        .headers()
        .get("set-cookie")
        .unwrap()
        .to_str()
        .unwrap();
    assert!(field.contains("; Path=/app;"));
}

/// V14: `*` and the authority that CONNECT names are no paths, and no server error.
#[tokio::test]
async fn v14_a_request_without_a_path_is_not_a_500() {
    let at = |policy: PolicyBuilder| {
        Router::new()
            .fallback(count)
            .layer(SessionLayer::new(manager(policy)))
    };
    let everywhere = at(policy("shop.sid").path("/app"));
    let express = at(Policy::express(keys()));
    let below = at(policy("shop.sid").match_path("/app"));
    for (method, target) in [
        (Method::OPTIONS, "*"),
        (Method::POST, "*"),
        (Method::CONNECT, "shop.example:443"),
    ] {
        for (router, status) in [(&everywhere, 200), (&express, 200), (&below, 400)] {
            let request = Request::builder().method(&method).uri(target);
            let answer = send(router, request.body(Body::empty()).unwrap()).await;
            assert_eq!(answer.status.as_u16(), status, "{method} {target}");
        }
    }
}
