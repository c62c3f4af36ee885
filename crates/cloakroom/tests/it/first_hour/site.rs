//! Y12, Y13, Y15, Y16: webhooks, public assets, the end of all sessions, `Clear-Site-Data`.

use actix_web::test::{TestRequest, call_service, init_service};
use axum::Router;
use axum::http::Request;
use axum::routing::any;
use cloakroom::policy::SiteData;
use cloakroom::testing::TestSessions;
use cloakroom::web::actix::SessionMiddleware;
use cloakroom::web::{Csrf, LoggedIn};
use cloakroom::{Session, SessionError, SessionId, SessionLayer};

use super::visitor::{Visitor, somebody};
use crate::support::servers::on_every_store;

async fn hook(session: Session) -> String {
    session.user().unwrap_or("no cookie is taken".into())
}

/// The requests of webhooks, and their expected statuses.
const HOOKS: [(&str, u16, &str); 6] = [
    ("/hooks", 200, "no cookie is taken"),
    ("/hooks/pay", 200, "no cookie is taken"),
    ("/hooksters", 403, ""),
    ("/order", 403, ""),
    ("/hooks/../order", 200, "no cookie is taken"),
    ("//hooks", 403, ""),
];

#[tokio::test]
async fn y12_webhooks_ignore_cookies_on_axum() {
    let sessions = TestSessions::new();
    let router = Router::new()
        .route("/{*path}", any(hook))
        .layer(Csrf::new().without_cookies("/hooks/"))
        .layer(SessionLayer::new(sessions.manager()));
    let mut ada = sessions.client(router).signed_in("ada").await;
    for (path, status, body) in HOOKS {
        // A page of another site, in the browser of a signed-in user.
        let request = Request::post(path).header("sec-fetch-site", "cross-site");
        let answer = ada
            .send(request.body(axum::body::Body::empty()).unwrap())
            .await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        if status == 200 {
            assert_eq!(answer.body, body, "{path}");
        }
    }
    assert_eq!(ada.get("/order").await.body, "ada");
}

#[actix_web::test]
async fn y12_webhooks_ignore_cookies_on_actix() {
    use actix_web::web;
    let sessions = TestSessions::new();
    let app = actix_web::App::new()
        .default_service(web::to(hook))
        .wrap(Csrf::new().without_cookies("/hooks"))
        .wrap(SessionMiddleware::new(sessions.manager()));
    let app = init_service(app).await;
    let cookie = sessions.signed_in("ada").await.field().unwrap();
    for (path, status, body) in HOOKS {
        let request = TestRequest::post().uri(path);
        let request = request.insert_header(("sec-fetch-site", "cross-site"));
        let request = request.insert_header(("cookie", &*cookie));
        let response = call_service(&app, request.to_request()).await;
        assert_eq!(response.status(), status, "{path}");
        if status == 200 {
            let told = actix_web::test::read_body(response).await;
            assert_eq!(told, body, "{path}");
        }
    }
}

/// A middleware that looks who it is, for every request.
async fn look(
    user: Option<LoggedIn>,
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> axum::response::Response {
    drop(user);
    next.run(request).await
}

#[tokio::test]
async fn y13_public_assets_stay_public_for_visitors_without_a_session() {
    let sessions = TestSessions::new();
    let asset = any(async || [("cache-control", "public, max-age=3600")]);
    let router = Router::new()
        .route("/logo.svg", asset)
        .route("/plain", any(async || "plain"))
        .layer(axum::middleware::from_fn(look))
        .layer(SessionLayer::new(sessions.manager()));
    let mut nobody = sessions.client(router.clone());
    let answer = nobody.get("/logo.svg").await;
    assert_eq!(answer.headers["cache-control"], "public, max-age=3600");
    // A client with a cookie may get another response: a cache has to distinguish them.
    assert_eq!(answer.headers["vary"], "Cookie");
    let answer = nobody.get("/plain").await;
    assert!(!answer.headers.contains_key("cache-control"));
    assert_eq!(answer.headers["vary"], "Cookie");
    let mut ada = sessions.client(router).signed_in("ada").await;
    let answer = ada.get("/logo.svg").await;
    assert_eq!(answer.headers["cache-control"], "private, max-age=3600");
    assert_eq!(ada.get("/plain").await.headers["cache-control"], "no-store");
    // Nor is a session that has ended.
    sessions
        .manager()
        .end_sessions_of("ada", None)
        .await
        .unwrap();
    let answer = ada.get("/logo.svg").await;
    assert_eq!(answer.headers["cache-control"], "private, max-age=3600");
}

#[actix_web::test]
async fn y13_public_assets_stay_public_on_actix() {
    use actix_web::{HttpResponse, web};
    async fn asset(_: Option<LoggedIn>) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        response.insert_header(("cache-control", "public, max-age=3600"));
        response.finish()
    }
    let sessions = TestSessions::new();
    let app = actix_web::App::new()
        .route("/logo.svg", web::get().to(asset))
        .wrap(SessionMiddleware::new(sessions.manager()));
    let app = init_service(app).await;
    let cookie = sessions.signed_in("ada").await.field().unwrap();
    for (cookie, said) in [
        (None, "public, max-age=3600"),
        (Some(&*cookie), "private, max-age=3600"),
    ] {
        let mut request = TestRequest::with_uri("/logo.svg");
        if let Some(cookie) = cookie {
            request = request.insert_header(("cookie", cookie));
        }
        let response = call_service(&app, request.to_request()).await;
        assert_eq!(response.headers().get("cache-control").unwrap(), said);
        assert_eq!(response.headers().get("vary").unwrap(), "Cookie");
    }
}

/// One call ends the sessions of many users; those of another layer stay.
async fn y15_one_call_ends_all_sessions_of_all_users(url: &str) {
    for hashed in [false, true] {
        let realm = SessionId::random().expose()[..12].to_owned();
        let here = Visitor::new(url, |policy| policy.realm(&*realm).hash_ids_at_rest(hashed));
        let here = here.await;
        let elsewhere = here.with(|policy| policy.realm("another").hash_ids_at_rest(hashed));
        let mut stays = Visitor::of(elsewhere);
        stays.visit(async |session| session.insert("a", 1)).await;
        let mut visitors = Vec::new();
        for n in 0..40 {
            let mut visitor = Visitor::of(here.manager.clone());
            let user = (n % 2 == 0).then(somebody);
            let begin = async |session: &Session| match user {
                Some(user) => session.login(user).await,
                None => session.insert("cart", n),
            };
            visitor.visit(begin).await;
            visitors.push(visitor);
        }
        let moving = visitors[0].open().await;
        let other_server = here.with(|policy| policy.realm(&*realm).hash_ids_at_rest(hashed));
        assert_eq!(other_server.end_all_sessions().await.unwrap(), 40);
        assert_eq!(other_server.end_all_sessions().await.unwrap(), 0);
        for visitor in &visitors {
            assert!(visitor.open().await.is_new());
        }
        // Requests under way resurrect nothing.
        moving.insert("late", 1).unwrap();
        assert!(matches!(moving.save().await, Err(SessionError::Gone)));
        assert!(!stays.open().await.is_new());
        // A later request begins a new session.
        let again = &mut visitors[1];
        again.visit(async |session| session.insert("cart", 1)).await;
        assert!(!again.open().await.is_new());
    }
}

on_every_store!(y15_one_call_ends_all_sessions_of_all_users);

async fn leave(session: Session) -> Result<&'static str, SessionError> {
    session.logout().await.map(|()| "bye")
}

#[tokio::test]
async fn y16_a_logout_sends_clear_site_data_on_axum() {
    let policy = TestSessions::policy().clear_site_data([SiteData::Cache, SiteData::Storage]);
    for (sessions, said) in [
        (TestSessions::with(policy), Some("\"cache\", \"storage\"")),
        (TestSessions::new(), None),
    ] {
        let router = Router::new()
            .route("/hello", any(hook))
            .route("/leave", any(leave))
            .layer(SessionLayer::new(sessions.manager()));
        let mut ada = sessions.client(router).signed_in("ada").await;
        let answer = ada.get("/hello").await;
        assert!(!answer.headers.contains_key("clear-site-data"));
        let answer = ada.get("/leave").await;
        let field = answer.headers.get("clear-site-data");
        assert_eq!(field.map(|field| field.to_str().unwrap()), said);
        // Nobody is left who could be asked.
        let answer = ada.get("/leave").await;
        assert!(!answer.headers.contains_key("clear-site-data"));
    }
}

#[actix_web::test]
async fn y16_a_logout_sends_clear_site_data_on_actix() {
    use actix_web::web;
    let policy = TestSessions::policy().clear_site_data([SiteData::ExecutionContexts]);
    let sessions = TestSessions::with(policy);
    let app = actix_web::App::new()
        .route("/leave", web::get().to(leave))
        .wrap(SessionMiddleware::new(sessions.manager()));
    let app = init_service(app).await;
    let cookie = sessions.signed_in("ada").await.field().unwrap();
    let request = TestRequest::with_uri("/leave").insert_header(("cookie", cookie));
    let response = call_service(&app, request.to_request()).await;
    let field = response.headers().get("clear-site-data").unwrap();
    assert_eq!(field, "\"executionContexts\"");
}
