//! Y8, Z5: guards whose responses name the reason, in the application's words, and lead back; on both
//! frameworks.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use actix_web::test::{TestRequest, call_service, init_service, read_body};
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::any;
use cloakroom::auth::Require;
use cloakroom::store::StoreErrorKind;
use cloakroom::store::conformance::FaultInjectingStore;
use cloakroom::web::actix::SessionMiddleware;
use cloakroom::web::{Cause, Csrf, Guard, Reply};
use cloakroom::{Manager, MemoryStore, Policy, Secure, Session, SessionError, SessionLayer};

use crate::support::{keys, send};

const ORIGIN: &str = "https://shop.example";

async fn condition(session: Session) -> Result<bool, io::Error> {
    match session.user().as_deref() {
        Some("down") => Err(io::Error::other("no database")),
        user => Ok(user == Some("paid")),
    }
}

/// The guards of an application, each by its route.
fn guards() -> Vec<(&'static str, Guard)> {
    let own = |refused: &cloakroom::web::Refused<'_>| match refused.cause {
        Cause::Forbidden => Some(Reply::see_other("/second-factor")),
        Cause::LoginRequired => {
            let login = refused.login.unwrap_or("nowhere");
            let reply = Reply::json(418, format!(r#"{{"login":"{login}"}}"#));
            Some(reply.field("x-why", refused.target))
        }
        _ => None,
    };
    let fresh = Require::login().fresh(Duration::from_mins(5));
    vec![
        (
            "/plain",
            Guard::new(Require::role("admin")).login_at("/login"),
        ),
        ("/api", Guard::new(Require::role("admin"))),
        (
            "/own",
            Guard::new(Require::role("admin"))
                .login_at("/login")
                .answer_with(own),
        ),
        ("/paid", Guard::new(Require::login().when_async(condition))),
        ("/fresh", Guard::new(fresh).login_at("/login")),
        ("/staff", Guard::new(Require::login()).on_layer("staff.sid")),
    ]
}

struct Ask {
    method: &'static str,
    path: &'static str,
    user: Option<&'static str>,
    fields: Vec<(&'static str, String)>,
}

fn ask(method: &'static str, path: &'static str, user: Option<&'static str>) -> Ask {
    Ask {
        method,
        path,
        user,
        fields: vec![("host", "shop.example".into())],
    }
}

impl Ask {
    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }
}

/// Status, the fields that lead somewhere, type, body.
type Told = (u16, Option<String>, String, String);

/// Returns the requests and their expected responses.
fn table() -> Vec<(Ask, u16, Option<&'static str>, &'static str, &'static str)> {
    let page = ("accept", "text/html,*/*;q=0.8");
    let json = ("accept", "application/json, text/plain, */*");
    let form = format!("{ORIGIN}/orders?page=2");
    let nobody = "nobody is signed in";
    let problem = r#"{"title":"nobody is signed in","status":401}"#;
    let may_not = "you are signed in, and this is not allowed to you";
    let again = "sign in once more: the last time is too long ago for this";
    let down = "the session store is unavailable";
    let text = "text/plain; charset=utf-8";
    #[rustfmt::skip]
    let table = vec![
        (ask("GET",  "/plain", None),                                   401, None, text, nobody),
        (ask("GET",  "/api",   None).with(json.0, json.1),              401, None, "application/problem+json", problem),
        (ask("GET",  "/plain", None).with(page.0, page.1),              303, Some("/login?next=/plain"), "", ""),
        // Z5: a page's form ends at the login, with the way back to its page.
        (ask("POST", "/plain", None).with(page.0, page.1).with("referer", &*form),
                                                                        303, Some("/login?next=/orders%3Fpage%3D2"), "", ""),
        (ask("POST", "/plain", None).with(page.0, page.1),              303, Some("/login"), "", ""),
        (ask("POST", "/plain", None).with(page.0, page.1).with("referer", "https://evil.example/x"),
                                                                        303, Some("/login"), "", ""),
        (ask("POST", "/fresh", Some("ada")).with(page.0, page.1).with("referer", &*form),
                                                                        303, Some("/login?next=/orders%3Fpage%3D2&again=1"), "", ""),
        (ask("POST", "/fresh", Some("ada")),                            401, None, text, again),
        (ask("POST", "/plain", None),                                   401, None, text, nobody),
        (ask("GET",  "/plain", Some("ada")).with(page.0, page.1),       403, None, text, may_not),
        // htmx loads the login in the place of the page.
        (ask("GET",  "/plain", None).with("hx-request", "true").with("hx-current-url", &*form),
                                                                        401, Some("/login?next=/orders%3Fpage%3D2"), text, nobody),
        // The application's own answers.
        (ask("GET",  "/own",   None).with(page.0, page.1),              418, Some("/own"), "application/json", r#"{"login":"/login?next=/own"}"#),
        (ask("GET",  "/own",   Some("ada")),                            303, Some("/second-factor"), "", ""),
        // Conditions that are asked for.
        (ask("GET",  "/paid",  Some("paid")),                           200, None, text, "in"),
        (ask("GET",  "/paid",  Some("ada")),                            403, None, text, may_not),
        (ask("GET",  "/paid",  Some("down")),                           503, None, text, down),
        (ask("GET",  "/paid",  None),                                   401, None, text, nobody),
        // A layer by its name.
        (ask("GET",  "/staff", Some("ada")),                            401, None, text, nobody),
        (ask("GET",  "/staff", Some("staff")),                          200, None, text, "in"),
    ];
    table
}

fn managers() -> (Manager, Manager) {
    let policy = || Policy::builder(keys()).secure(Secure::Never);
    let shop = policy().build().unwrap();
    let staff = policy().name("staff.sid").build().unwrap();
    (
        Manager::new(shop, MemoryStore::new()),
        Manager::new(staff, MemoryStore::new()),
    )
}

/// Returns the cookie of a signed-in user.
async fn cookie(managers: &(Manager, Manager), user: &str) -> String {
    let manager = if user == "staff" {
        &managers.1
    } else {
        &managers.0
    };
    let session = manager.open([], cloakroom::policy::RequestInfo::default());
    let session = session.await.unwrap();
    if user == "ada" {
        // Express signed her in, without recording when.
        session.insert("userId", user).unwrap();
    } else {
        session.login(user).await.unwrap();
    }
    let field = manager.close(&session).await.unwrap().set_cookie.unwrap();
    field.split(';').next().unwrap().to_owned()
}

fn compare(asked: &str, told: &Told, (status, leads, kind, body): (u16, Option<&str>, &str, &str)) {
    assert_eq!(told.0, status, "{asked}: {told:?}");
    assert_eq!(told.1.as_deref(), leads, "{asked}");
    assert_eq!(told.3, body, "{asked}");
    if !kind.is_empty() {
        assert_eq!(told.2, kind, "{asked}");
    }
}

const LEADING: [&str; 3] = ["location", "hx-redirect", "x-why"];

#[tokio::test]
async fn y8_z5_a_rejection_names_its_reason_on_axum() {
    let managers = managers();
    let mut router = Router::new();
    for (path, guard) in guards() {
        let route = Router::new().route(path, any(async || "in"));
        router = router.merge(route.route_layer(guard));
    }
    let router = router
        .layer(SessionLayer::new(managers.0.clone()))
        .layer(SessionLayer::new(managers.1.clone()));
    for (ask, status, leads, kind, body) in table() {
        let asked = format!(
            "{} {} {:?} {:?}",
            ask.method, ask.path, ask.user, ask.fields
        );
        let mut request = Request::builder().method(ask.method).uri(ask.path);
        for (name, value) in ask.fields {
            request = request.header(name, value);
        }
        if let Some(user) = ask.user {
            request = request.header("cookie", cookie(&managers, user).await);
        }
        let answer = send(&router, request.body(Body::empty()).unwrap()).await;
        let said = |name: &str| Some(answer.headers.get(name)?.to_str().unwrap().to_owned());
        let told = (
            answer.status.as_u16(),
            LEADING.iter().find_map(|name| said(name)),
            said("content-type").unwrap_or_default(),
            answer.body.clone(),
        );
        compare(&asked, &told, (status, leads, kind, body));
    }
}

#[actix_web::test]
async fn y8_z5_a_rejection_names_its_reason_on_actix() {
    use actix_web::web;
    let managers = managers();
    let app = actix_web::App::new().configure(|config| {
        for (path, guard) in guards() {
            let route = web::resource(path).wrap(guard);
            config.service(route.route(web::route().to(async || "in")));
        }
    });
    let app = app
        .wrap(SessionMiddleware::new(managers.0.clone()))
        .wrap(SessionMiddleware::new(managers.1.clone()));
    let app = init_service(app).await;
    for (ask, status, leads, kind, body) in table() {
        let asked = format!(
            "{} {} {:?} {:?}",
            ask.method, ask.path, ask.user, ask.fields
        );
        let mut request = TestRequest::with_uri(ask.path).method(ask.method.parse().unwrap());
        for (name, value) in ask.fields {
            request = request.insert_header((name, value));
        }
        if let Some(user) = ask.user {
            request = request.insert_header(("cookie", cookie(&managers, user).await));
        }
        let response = call_service(&app, request.to_request()).await;
        let headers = response.headers().clone();
        let said = |name: &str| Some(headers.get(name)?.to_str().unwrap().to_owned());
        let status_told = response.status().as_u16();
        let body_told = read_body(response).await;
        let told = (
            status_told,
            LEADING.iter().find_map(|name| said(name)),
            said("content-type").unwrap_or_default(),
            String::from_utf8(body_told.to_vec()).unwrap(),
        );
        compare(&asked, &told, (status, leads, kind, body));
    }
}

fn error_page(refused: &cloakroom::web::Refused<'_>) -> Option<Reply> {
    let page = format!("<h1>{:?}: {}</h1>", refused.cause, refused.text);
    (refused.cause != Cause::Other).then(|| Reply::html(refused.status, page))
}

async fn set(session: Session) -> Result<&'static str, SessionError> {
    session.insert("a", 1).map(|()| "set")
}

const NOT_SAVED: &str =
    "<h1>NotSaved: the session could not be saved: the session store is unavailable</h1>";
const FORGED: &str = "<h1>Forged: this request comes from another site</h1>";

#[tokio::test]
async fn y8_one_function_makes_all_rejections_on_axum() {
    let store = FaultInjectingStore::new(Arc::new(MemoryStore::new()));
    let policy = Policy::builder(keys()).secure(Secure::Never);
    let manager = Manager::new(policy.build().unwrap(), store.clone());
    let guarded = Router::new().route("/guarded", any(async || "in"));
    let router = Router::new()
        .route("/set", any(set))
        .merge(guarded.route_layer(Guard::new(Require::login())))
        .layer(Csrf::new())
        .layer(SessionLayer::new(manager).answer_with(error_page));
    let ask = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    let answer = send(&router, ask("/guarded")).await;
    assert_eq!(answer.body, "<h1>LoginRequired: nobody is signed in</h1>");
    assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8");
    let forged = Request::post("/set").header("sec-fetch-site", "cross-site");
    let answer = send(&router, forged.body(Body::empty()).unwrap()).await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (403, FORGED));
    store.fail(StoreErrorKind::Unavailable);
    let answer = send(&router, ask("/set")).await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (503, NOT_SAVED));
}

#[actix_web::test]
async fn y8_one_function_makes_all_rejections_on_actix() {
    use actix_web::web;
    let store = FaultInjectingStore::new(Arc::new(MemoryStore::new()));
    let policy = Policy::builder(keys()).secure(Secure::Never);
    let manager = Manager::new(policy.build().unwrap(), store.clone());
    let app = actix_web::App::new()
        .route("/set", web::route().to(set))
        .wrap(Csrf::new())
        .wrap(SessionMiddleware::new(manager).answer_with(error_page));
    let app = init_service(app).await;
    let forged = TestRequest::post().uri("/set");
    let forged = forged.insert_header(("sec-fetch-site", "cross-site"));
    let response = call_service(&app, forged.to_request()).await;
    assert_eq!(response.status(), 403);
    assert_eq!(read_body(response).await, FORGED);
    store.fail(StoreErrorKind::Unavailable);
    let response = call_service(&app, TestRequest::with_uri("/set").to_request()).await;
    assert_eq!(response.status(), 503);
    assert_eq!(read_body(response).await, NOT_SAVED);
}
