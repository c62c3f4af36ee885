//! Z1, Z3, Z4, Z8, Z9, Z13: how an application starts, and what it is told when it does not.

use actix_web::test::{TestRequest, call_service, init_service};
use axum::routing::get;
use cloakroom::cookie::KeyError;
use cloakroom::policy::{PolicyBuilder, PolicyError, RequestInfo};
use cloakroom::prelude::*;
use cloakroom::record::UserKeys;
use cloakroom::store::{ConnectError, Store as _, StoreErrorKind, StoreOptions};
use cloakroom::{ManualClock, MemoryStore, Timestamp};
use std::error::Error;
use std::time::Duration;

use crate::support::{App, Client, keys};

fn said(error: &dyn Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        said = format!("{said}: {error}");
        cause = error.source();
    }
    said
}

#[tokio::test]
async fn z1_a_url_that_means_something_else_is_refused() {
    #[rustfmt::skip]
    let table = [ // URL,             what it says to do
        ("memory:?foo=1",             "`memory:` alone"),
        ("memory:/var/lib/sessions",  "sqlite:PATH"),
        ("memory://localhost",        "`memory:` alone"),
        ("sqlite:",                   "memory:"),
        ("sqlite::memory:",           "memory:"),
        ("sqlite:file::memory:",      "memory:"),
        ("sqlite:x.db?mode=ro",       "sqlite:PATH"),
        ("sqlite://x.db?cache=1",     "sqlite:PATH"),
    ];
    for (url, advice) in table {
        let Err(error) = AnyStore::connect(url).await else {
            panic!("{url} is taken");
        };
        let said = said(&error);
        assert!(said.contains(advice), "{url}: {said}");
    }
    for url in ["memory:", "memory://", "memory:?near=1s"] {
        assert_eq!(AnyStore::connect(url).await.unwrap().kind(), "memory");
    }
    assert!(!std::path::Path::new("x.db").exists());
}

#[tokio::test]
async fn z8_a_main_that_returns_an_error_prints_what_it_says() {
    #[rustfmt::skip]
    let table: [(Box<dyn Error>, &str); 5] = [
        (KeyError::TooShort.into(),               "openssl rand -base64 48"),
        (PolicyError::Domain.into(),              "domain is not one"),
        (ConnectError::NotBuilt("postgres").into(), "built without `postgres`"),
        (AnyStore::connect("mysql:").await.unwrap_err().into(), "redis://HOST:PORT/DB"),
        (AnyStore::connect("memory:?a=b").await.unwrap_err().into(), "`memory:` alone"),
    ];
    for (error, text) in table {
        // As the runtime prints it: `Error: {error:?}`.
        let printed = format!("{error:?}");
        assert!(printed.contains(text), "{printed}");
    }
}

/// The cause, and not only "I/O error".
#[tokio::test]
async fn z7_a_server_that_is_not_there_is_said_with_its_cause() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    for url in [
        format!("redis://user:hunter2@127.0.0.1:{port}/0"),
        format!("postgres://user:hunter2@127.0.0.1:{port}/db"),
    ] {
        let Err(error) = AnyStore::connect(&url).await else {
            panic!("nobody listens there");
        };
        let printed = format!("{error:?}").to_lowercase();
        assert!(printed.contains("refused"), "{printed}");
        assert!(printed.contains(&format!("127.0.0.1:{port}")), "{printed}");
        assert!(!printed.contains("hunter2"), "{printed}");
    }
    let unknown = AnyStore::connect("redis://no-such-host.invalid:1/0").await;
    let printed = format!("{:?}", unknown.err());
    assert!(
        printed.contains("lookup") || printed.contains("resolve"),
        "{printed}"
    );
}

#[test]
fn z13_settings_that_contradict_each_other_say_what_to_raise() {
    let policy = Policy::builder(keys()).idle_timeout(Duration::from_hours(48));
    let said = policy.build().unwrap_err().to_string();
    assert!(said.contains("24 hours"), "{said}");
    assert!(said.contains("`absolute_timeout`"), "{said}");
}

#[test]
fn z13_what_an_application_names_is_in_the_prelude() {
    let options = StoreOptions::new()
        .prefix("shop:")
        .mixed_fleet(true)
        .near(Duration::from_secs(1));
    assert_eq!(options.prefix.as_deref(), Some("shop:"));
    assert!(options.mixed_fleet && options.near.is_some());
    let guard: Guard = Guard::new(Require::login()).login_at("/login");
    let (_, _, _) = (guard, Csrf::new(), KeepExpiry::new());
    assert_eq!(safe_redirect_path("/a"), Some("/a"));
    // And the stores at the root.
    let _: Option<(
        cloakroom::SqliteStore,
        cloakroom::RedisStore,
        cloakroom::PostgresStore,
        cloakroom::MongoStore,
    )> = None;
}

#[tokio::test]
async fn z13_too_many_attempts_are_an_error_of_the_session() {
    async fn sign_in(session: Session, attempts: Attempts) -> Result<(), SessionError> {
        let attempt = attempts.begin("ada", session.address()).await?;
        drop(attempt);
        Ok(())
    }
    let clock = ManualClock::at(Timestamp::from_millis(1_767_323_045_678));
    let limit = (2, Duration::from_secs(90));
    let attempts = Attempts::with(limit, limit, clock);
    let sign_in = move |session: Session| sign_in(session, attempts.clone());
    let policy = Policy::builder(keys()).secure(Secure::Never);
    let routes = axum::Router::new().route("/", get(sign_in));
    let app = App::new(policy.build().unwrap(), routes);
    let mut client = Client::new(app.router);
    for status in [200, 200, 429] {
        let answer = client.get("/").await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
        if status == 429 {
            assert_eq!(answer.headers["retry-after"], "90");
        }
    }
}

async fn record_after(policy: PolicyBuilder, step: impl AsyncFnOnce(&Session)) -> String {
    let manager = Manager::new(policy.build().unwrap(), MemoryStore::new());
    let mut request = RequestInfo::default();
    request.address = Some([192, 0, 2, 7].into());
    request.set_user_agent(b"Mozilla/5.0 Firefox/140.0");
    let session = manager.open([], request).await.unwrap();
    step(&session).await;
    manager.close(&session).await.unwrap();
    let stored = manager.store().get(&session.id()).await.unwrap();
    stored.unwrap().text.to_string()
}

#[tokio::test]
async fn z3_express_s_records_say_nothing_of_the_device_unless_asked() {
    let login = async |session: &Session| session.login("ada").await.unwrap();
    let write = async |session: &Session| session.insert("a", 1).unwrap();
    let record = record_after(Policy::express(keys()), write).await;
    assert!(!record.contains("_ck"), "{record}");
    let record = record_after(Policy::express(keys()), login).await;
    for secret in ["192.0.2.7", "Firefox", "Mozilla"] {
        assert!(!record.contains(secret), "{record}");
    }
    // When it was, and whose, is noted: a fresh login can be asked for.
    assert!(record.contains("_ck"), "{record}");
    let asked = Policy::express(keys()).note_devices(true);
    let record = record_after(asked, login).await;
    assert!(record.contains("192.0.2.7"), "{record}");
}

/// Paths at which Express's own examples keep the user, each read here and written by a login here.
#[tokio::test]
async fn z4_each_idiom_of_express_is_read_and_written() {
    #[rustfmt::skip]
    let table = [ // key,        what Express wrote,                      who that is, after a login of grace
        ("userId",    r#""userId":7"#,                                    "7",    r#""userId":"grace""#),
        ("user",      r#""user":"ada""#,                                  "ada",  r#""user":"grace""#),
        ("user.id",   r#""user":{"id":7,"theme":"dark"}"#,                "7",    r#""user":{"id":"grace""#),
        ("user.name", r#""user":{"name":"tj"}"#,                          "tj",   r#""user":{"name":"grace"}"#),
        ("user._id",  r#""user":{"_id":"64b0"}"#,                         "64b0", r#""user":{"_id":"grace"}"#),
        ("user",      r#""user":{"_id":"64b0"}"#,                         "64b0", r#""user":"grace""#),
        ("username",  r#""username":"ada""#,                              "ada",  r#""username":"grace""#),
    ];
    for (key, written, user, after) in table {
        let keys_of = UserKeys::new([key]);
        let record = format!(r#"{{"cookie":{{}},{written}}}"#);
        assert_eq!(keys_of.user_of(&record).as_deref(), Some(user), "{key}");
        let policy = Policy::express(keys()).user_keys([key]);
        let login = async |session: &Session| {
            let object: serde_json::Value = serde_json::from_str(&record).unwrap();
            for (name, value) in object.as_object().unwrap() {
                if name != "cookie" {
                    session.insert(name, value).unwrap();
                }
            }
            assert_eq!(session.user().as_deref(), Some(user), "{key}");
            session.login("grace").await.unwrap();
            assert_eq!(session.user().as_deref(), Some("grace"), "{key}");
        };
        let record = record_after(policy, login).await;
        assert!(record.contains(after), "{key}: {record}");
    }
}

async fn set(session: Session) -> Result<&'static str, SessionError> {
    session.insert("a", 1).map(|()| "set")
}

#[tokio::test]
async fn z9_a_session_whose_cookie_cannot_be_sent_is_not_stored_on_axum() {
    #[rustfmt::skip]
    let table = [ // policy,                                         stored after three requests
        (Policy::builder(keys()),                                    0),
        (Policy::builder(keys()).secure(Secure::Never),              3),
        // As Express does.
        (Policy::express(keys()).secure(Secure::Always),             3),
    ];
    for (policy, stored) in table {
        let routes = axum::Router::new().route("/", get(set));
        let app = App::new(policy.build().unwrap(), routes);
        for _ in 0..3 {
            assert_eq!(app.client().get("/").await.status, 200);
        }
        assert_eq!(app.stored().await, stored);
    }
}

#[actix_web::test]
async fn z9_a_session_whose_cookie_cannot_be_sent_is_not_stored_on_actix() {
    use actix_web::web;
    let store = MemoryStore::new();
    let policy = Policy::builder(keys()).build().unwrap();
    let app = actix_web::App::new()
        .route("/", web::get().to(set))
        .wrap(SessionMiddleware::new(Manager::new(policy, store.clone())));
    let app = init_service(app).await;
    let response = call_service(&app, TestRequest::get().to_request()).await;
    assert_eq!(response.status(), 200);
    assert_eq!(store.count().await.unwrap(), 0);
}

#[test]
fn z8_kinds_of_errors_stay_what_they_are() {
    let error = cloakroom::store::StoreError::new(StoreErrorKind::Unavailable, "no route");
    assert_eq!(
        format!("{error:?}"),
        "the session store is unavailable: no route"
    );
}

/// The log lines of this thread.
#[derive(Clone, Default)]
struct Lines(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn z7_an_outage_is_told_of_once_and_its_end_as_well() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    let _listening = tracing::subscriber::set_default(subscriber);
    let sessions = cloakroom::testing::TestSessions::new();
    let layer = SessionLayer::new(sessions.manager());
    let router = axum::Router::new().route("/", get(set)).layer(layer);
    let mut ada = sessions.client(router).signed_in("ada").await;
    for _ in 0..2 {
        sessions.store().fail(StoreErrorKind::Unavailable);
        for _ in 0..5 {
            assert_eq!(ada.get("/").await.status, 503);
        }
        sessions.store().work();
        assert_eq!(ada.get("/").await.status, 200);
        assert_eq!(ada.get("/").await.status, 200);
    }
    let said = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert_eq!(said.matches("the session store fails").count(), 2, "{said}");
    assert_eq!(said.matches("answers again, after").count(), 2, "{said}");
    assert_eq!(said.lines().count(), 4, "{said}");
}
