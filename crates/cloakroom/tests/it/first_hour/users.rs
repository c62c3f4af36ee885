//! Y7, Z14: the signed-in user as the application identifies and stores its users; and immediate effect
//! of changed roles.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use actix_web::test::{TestRequest, call_service, init_service, read_body};
use axum::Router;
use axum::extract::{FromRef, Path};
use axum::routing::get;
use cloakroom::auth::{Accounts, Require};
use cloakroom::store::StoreErrorKind;
use cloakroom::store::conformance::FaultInjectingStore;
use cloakroom::web::actix::SessionMiddleware;
use cloakroom::web::{CurrentUser, Guard, LoggedIn, Named, SessionName};
use cloakroom::{Manager, MemoryStore, Policy, Secure, Session, SessionError, SessionLayer, Typed};
use serde::{Deserialize, Serialize};

use crate::support::{Client, keys};

/// Accounts in memory, which count how often they are asked.
#[derive(Clone, Default)]
struct People(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// The users, with `true` for each admin.
    admins: BTreeMap<String, bool>,
    loads: u32,
    is_down: bool,
}

#[derive(Clone)]
struct Person {
    name: String,
    is_admin: bool,
}

impl Accounts for People {
    type User = Arc<Person>;
    type Error = io::Error;

    async fn load(&self, id: &str) -> Result<Option<Arc<Person>>, io::Error> {
        let mut state = self.0.lock().unwrap();
        state.loads += 1;
        if state.is_down {
            return Err(io::Error::other("no database"));
        }
        let person = |&is_admin: &bool| Person {
            name: format!("Dr. {id}"),
            is_admin,
        };
        Ok(state.admins.get(id).map(person).map(Arc::new))
    }
}

impl People {
    fn with(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock().unwrap());
    }

    /// Returns the number of loads since the last such call.
    fn take_loads(&self) -> u32 {
        std::mem::take(&mut self.0.lock().unwrap().loads)
    }
}

#[derive(Clone)]
struct Site {
    people: People,
}

impl FromRef<Site> for People {
    fn from_ref(site: &Site) -> Self {
        site.people.clone()
    }
}

async fn hello(CurrentUser(user): CurrentUser<People>) -> String {
    user.name.clone()
}

async fn twice(one: CurrentUser<People>, other: CurrentUser<People>) -> String {
    format!("{} {}", one.name, other.is_admin)
}

fn admins(people: &People) -> Guard {
    let require = Require::login().account(people.clone(), |user| user.is_admin);
    Guard::new(require)
}

fn manager() -> Manager {
    let policy = Policy::builder(keys()).secure(Secure::Never);
    Manager::new(policy.build().unwrap(), MemoryStore::new())
}

fn people() -> People {
    let people = People::default();
    people.with(|state| {
        state.admins = [("ada".to_owned(), true), ("eve".to_owned(), false)].into();
    });
    people
}

/// The requests by visitor and earlier event, with expected responses: one table for both frameworks.
#[rustfmt::skip]
const TABLE: [(&str, &str, u16, &str, u32); 12] = [
    // user,  path,     status, body,                                               loads
    ("",      "/hello", 401, "nobody is signed in",                                 0),
    ("ada",   "/hello", 200, "Dr. ada",                                             1),
    ("ada",   "/twice", 200, "Dr. ada true",                                        1),
    ("ada",   "/admin", 200, "Dr. ada",                                             1),
    ("eve",   "/admin", 403, "you are signed in, and this is not allowed to you",   1),
    ("",      "/admin", 401, "nobody is signed in",                                 0),
    // A right that is given counts in the session that is open.
    ("+eve",  "/admin", 200, "Dr. eve",                                             1),
    ("-ada",  "/admin", 403, "you are signed in, and this is not allowed to you",   1),
    // A session whose account is gone is anonymous.
    ("!eve",  "/hello", 401, "nobody is signed in",                                 1),
    ("!eve",  "/admin", 401, "nobody is signed in",                                 1),
    // While the accounts are unavailable no user is assumed.
    ("?ada",  "/hello", 503, "who is signed in cannot be found out just now",       1),
    ("?ada",  "/admin", 503, "the session store is unavailable",                    1),
];

/// Brings about what a row begins with, and returns whose session asks.
fn happen<'a>(people: &People, user: &'a str) -> &'a str {
    let (sign, name) = user.split_at(usize::from(user.starts_with(['+', '-', '!', '?'])));
    people.with(|state| match sign {
        "+" => drop(state.admins.insert(name.to_owned(), true)),
        "-" => drop(state.admins.insert(name.to_owned(), false)),
        "!" => drop(state.admins.remove(name)),
        "?" => state.is_down = true,
        _ => {}
    });
    name
}

async fn login(session: Session, Path(user): Path<String>) -> Result<(), SessionError> {
    session.login(user).await
}

#[tokio::test]
async fn z14_a_user_is_loaded_once_on_axum() {
    let people = people();
    let site = Site {
        people: people.clone(),
    };
    let admin = Router::new().route("/admin", get(hello));
    let router = Router::new()
        .route("/hello", get(hello))
        .route("/twice", get(twice))
        .route("/login/{user}", get(login))
        .merge(admin.route_layer(admins(&people)))
        .with_state(site)
        .layer(SessionLayer::new(manager()));
    let mut clients: BTreeMap<&str, Client> = BTreeMap::new();
    for user in ["", "ada", "eve"] {
        let mut client = Client::new(router.clone());
        if !user.is_empty() {
            client.get(&format!("/login/{user}")).await;
        }
        clients.insert(user, client);
    }
    for (user, path, status, body, loads) in TABLE {
        let name = happen(&people, user);
        let answer = clients.get_mut(name).unwrap().get(path).await;
        assert_eq!(answer.status.as_u16(), status, "{user} {path}");
        assert_eq!(answer.body, body, "{user} {path}");
        assert_eq!(people.take_loads(), loads, "{user} {path}");
    }
}

#[actix_web::test]
async fn z14_a_user_is_loaded_once_on_actix() {
    use actix_web::web;
    async fn login(
        session: Session,
        user: web::Path<String>,
    ) -> Result<&'static str, SessionError> {
        session.login(user.into_inner()).await.map(|()| "in")
    }
    let people = people();
    let admin = web::resource("/admin").wrap(admins(&people));
    let app = actix_web::App::new()
        .app_data(web::Data::new(people.clone()))
        .route("/hello", web::get().to(hello))
        .route("/twice", web::get().to(twice))
        .route("/login/{user}", web::get().to(login))
        .service(admin.route(web::get().to(hello)))
        .wrap(SessionMiddleware::new(manager()));
    let app = init_service(app).await;
    let mut cookies = BTreeMap::from([("", String::new())]);
    for user in ["ada", "eve"] {
        let request = TestRequest::with_uri(&format!("/login/{user}")).to_request();
        let response = call_service(&app, request).await;
        let field = response.headers().get("set-cookie").unwrap();
        let cookie = field.to_str().unwrap().split(';').next().unwrap();
        cookies.insert(user, cookie.to_owned());
    }
    for (user, path, status, body, loads) in TABLE {
        let name = happen(&people, user);
        let request = TestRequest::with_uri(path).insert_header(("cookie", &*cookies[name]));
        let response = call_service(&app, request.to_request()).await;
        assert_eq!(response.status(), status, "{user} {path}");
        assert_eq!(read_body(response).await, body, "{user} {path}");
        assert_eq!(people.take_loads(), loads, "{user} {path}");
    }
}

#[actix_web::test]
async fn z14_missing_accounts_are_a_500_that_says_so() {
    use actix_web::web;
    let app = actix_web::App::new()
        .route("/hello", web::get().to(hello))
        .wrap(SessionMiddleware::new(manager()));
    let app = init_service(app).await;
    let response = call_service(&app, TestRequest::with_uri("/hello").to_request()).await;
    assert_eq!(response.status(), 500);
    assert_eq!(read_body(response).await, "the accounts are not set up");
}

struct Shop;

impl SessionName for Shop {
    const NAME: &'static str = "connect.sid";
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Visit {
    n: u32,
}

async fn maybe(
    user: Option<LoggedIn>,
    id: Result<Option<LoggedIn<u64>>, cloakroom::web::SessionRejection>,
    visit: Option<Typed<Visit>>,
    shop: Option<Named<Shop>>,
) -> String {
    let id = match id {
        Ok(Some(LoggedIn(id))) => id.to_string(),
        Ok(None) => "none".to_owned(),
        Err(_) => "no number".to_owned(),
    };
    let user = user.map_or("nobody".to_owned(), |LoggedIn(user)| user);
    format!("{user} {id} {} {}", visit.is_some(), shop.is_some())
}

async fn number(LoggedIn(id): LoggedIn<u64>) -> String {
    format!("{}", id + 1)
}

#[tokio::test]
async fn y7_optional_extractors_and_numeric_users_on_axum() {
    let store = FaultInjectingStore::new(Arc::new(MemoryStore::new()));
    let policy = Policy::builder(keys()).secure(Secure::Never);
    let manager = Manager::new(policy.build().unwrap(), store.clone());
    let routes = || {
        let routes = Router::new().route("/maybe", get(maybe));
        let routes = routes.route("/number", get(number));
        routes.route("/login/{user}", get(login))
    };
    let mut bare = Client::new(routes());
    assert_eq!(bare.get("/maybe").await.body, "nobody none false false");
    let mut client = Client::new(routes().layer(SessionLayer::new(manager)));
    assert_eq!(client.get("/maybe").await.body, "nobody none true true");
    assert_eq!(client.get("/number").await.status, 401);
    client.get("/login/7").await;
    assert_eq!(client.get("/maybe").await.body, "7 7 true true");
    assert_eq!(client.get("/number").await.body, "8");
    client.get("/login/ada").await;
    assert_eq!(client.get("/maybe").await.body, "ada no number true true");
    assert_eq!(client.get("/number").await.status, 500);
    // A store that is down does not make the request anonymous.
    store.fail(StoreErrorKind::Unavailable);
    assert_eq!(client.get("/maybe").await.status, 503);
}

#[actix_web::test]
async fn y7_numeric_users_on_actix() {
    use actix_web::web;
    async fn login(session: Session) -> Result<&'static str, SessionError> {
        session.login(7).await.map(|()| "in")
    }
    let app = actix_web::App::new()
        .route("/login", web::get().to(login))
        .route("/number", web::get().to(number))
        .wrap(SessionMiddleware::new(manager()));
    let app = init_service(app).await;
    let request = || TestRequest::with_uri("/number");
    let response = call_service(&app, request().to_request()).await;
    assert_eq!(response.status(), 401);
    let response = call_service(&app, TestRequest::with_uri("/login").to_request()).await;
    let cookie = response.headers().get("set-cookie").unwrap().clone();
    let request = request().insert_header(("cookie", cookie));
    let response = call_service(&app, request.to_request()).await;
    assert_eq!(read_body(response).await, "8");
}
