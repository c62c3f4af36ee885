//! The console's routes on memory, Redis and PostgreSQL, with sessions that Express and Rust wrote.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod access;
mod endings;
mod looks;
mod mounted;

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use cloakroom::record::UserKeys;
use cloakroom::store::{AnyStore, NewRecord, Store, StoreOptions};
use cloakroom::{KeyRing, SessionId, Timestamp};
use cloakroom_console::{ActLog, Console, Entry, Rights, router};
use http_body_util::BodyExt as _;
use testbed::{Postgres, Redis};
use tower::ServiceExt as _;

/// The secret of the application.
const SECRET: &str = "pM1tP1j8w9h1sX5bC0cZb0Q6m8rT7nK2uY4vE3aL9dGfHiJk";
/// The name by which the console is known.
const HOST: &str = "127.0.0.1:7000";
/// Ids of the sessions, none of which may ever be shown.
const IDS: [&str; 5] = [
    "id-ada-one",
    "id-ada-two",
    "id-bob-one",
    "id-nobody",
    "id-odd",
];

/// A console over a store with sessions, and an operator who has entered.
struct Desk {
    router: Router,
    store: Arc<dyn Store>,
    acts: std::path::PathBuf,
    tokens: Arc<Mutex<Vec<String>>>,
    cookie: String,
    _folder: tempfile::TempDir,
    _server: Option<Redis>,
}

/// A response.
struct Said {
    status: StatusCode,
    fields: axum::http::HeaderMap,
    text: String,
}

impl Said {
    fn field(&self, name: &str) -> &str {
        self.fields
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Returns the value of the first attribute that begins so.
    fn after(&self, begin: &str) -> String {
        let at = self
            .text
            .find(begin)
            .unwrap_or_else(|| panic!("{begin} is not in {}", self.text));
        let rest = &self.text[at + begin.len()..];
        rest[..rest.find('"').unwrap()].replace("&amp;", "&")
    }

    fn has(&self, text: &str) -> bool {
        self.text.contains(text)
    }
}

impl Desk {
    /// One of each store, each with the sessions of [`fill`](Self::fill).
    async fn each(name: &str, rights: Rights) -> Vec<Self> {
        let redis = Redis::start();
        let stores = [
            (AnyStore::connect("memory:").await.unwrap(), None),
            (AnyStore::connect(&redis.url()).await.unwrap(), Some(redis)),
            (postgres(name).await, None),
        ];
        let mut desks = Vec::new();
        for (store, server) in stores {
            desks.push(Self::over(Arc::new(store), server, rights).await);
        }
        desks
    }

    async fn memory(rights: Rights) -> Self {
        let store = AnyStore::connect("memory:").await.unwrap();
        Self::over(Arc::new(store), None, rights).await
    }

    async fn over(store: Arc<dyn Store>, server: Option<Redis>, rights: Rights) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let acts = folder.path().join("acts.jsonl");
        let tokens = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&tokens);
        let entry = Entry::new("grace", rights, 7000, move |token: &str| {
            told.lock().unwrap().push(token.to_owned());
        });
        let console = Console::over(
            Arc::clone(&store),
            KeyRing::new(SECRET).unwrap(),
            entry.unwrap(),
        )
        .acts(ActLog::file(&acts).unwrap())
        .hosts([HOST])
        .build();
        let mut desk = Self {
            router: router(console),
            store,
            acts,
            tokens,
            cookie: String::new(),
            _folder: folder,
            _server: server,
        };
        desk.fill().await;
        desk.cookie = desk.enter().await;
        desk
    }

    /// Two sessions of ada, one of bob as Passport has it, one of nobody, one that cannot be read.
    async fn fill(&self) {
        let rest = r#","userId":"ada","role":"admin","cart":{"beret":2,"cardNumber":"4111"},"password":"hunter2""#;
        self.put("id-ada-one", &express(rest)).await;
        self.put(
            "id-ada-two",
            &own(
                r#","userId":"ada""#,
                "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
            ),
        )
        .await;
        self.put("id-bob-one", &express(r#","passport":{"user":"bob"}"#))
            .await;
        self.put("id-nobody", &express("")).await;
        self.put("id-odd", r#"{"no":"cookie"}"#).await;
    }

    async fn put(&self, id: &str, text: &str) {
        let expires = Timestamp::from(SystemTime::now() + Duration::from_hours(1));
        let users = UserKeys::default().users_of(text);
        let entry = NewRecord {
            text: text.into(),
            expires,
            users,
        };
        self.store
            .create(&SessionId::from_store(id), &entry)
            .await
            .unwrap();
    }

    async fn has(&self, id: &str) -> bool {
        let id = SessionId::from_store(id);
        self.store
            .expiries(std::slice::from_ref(&id))
            .await
            .unwrap()[0]
            .is_some()
    }

    /// Returns those of the sessions that are live.
    async fn live(&self) -> Vec<&'static str> {
        let mut live = Vec::new();
        for id in IDS {
            if self.has(id).await {
                live.push(id);
            }
        }
        live
    }

    async fn enter(&self) -> String {
        let token = self.tokens.lock().unwrap().last().unwrap().clone();
        let said = self.send(form("/enter", &format!("token={token}"))).await;
        assert_eq!(said.status, StatusCode::SEE_OTHER, "{}", said.text);
        said.field("set-cookie")
            .split(';')
            .next()
            .unwrap()
            .to_owned()
    }

    async fn send(&self, request: Request<Body>) -> Said {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        for id in IDS {
            assert!(!text.contains(id), "{id} is shown: {text}");
        }
        Said {
            status: parts.status,
            fields: parts.headers,
            text,
        }
    }

    async fn get(&self, path: &str) -> Said {
        let request = request("GET", path).header("cookie", &self.cookie);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Sends a form of the console's own, with the token of its pages.
    async fn post(&self, path: &str, fields: &str) -> Said {
        let token = self.get("/ended").await.after(r#"name="_csrf" value=""#);
        let token = token.replace('+', "%2B").replace('/', "%2F");
        let mut request = form(path, &format!("{fields}&_csrf={token}"));
        request
            .headers_mut()
            .insert("cookie", self.cookie.parse().unwrap());
        self.send(request).await
    }

    /// Returns the handle of the first session that a listing has.
    async fn handle(&self, conditions: &str) -> String {
        let said = self.get(&format!("/sessions?{conditions}")).await;
        assert_eq!(said.status, StatusCode::OK, "{}", said.text);
        said.after("/session?handle=")
            .split('&')
            .next()
            .unwrap()
            .to_owned()
    }

    /// Returns the lines of what operators did.
    fn audit(&self) -> Vec<serde_json::Value> {
        let is_done =
            |event: &str| event.starts_with("authz_admin") || event.starts_with("sensitive_read");
        self.lines()
            .into_iter()
            .filter(|line| is_done(line["event"].as_str().unwrap()))
            .collect()
    }

    /// Returns the events of logins and refusals.
    fn others(&self) -> Vec<String> {
        let events = self
            .lines()
            .into_iter()
            .map(|line| line["event"].as_str().unwrap().to_owned());
        events
            .filter(|event| event.starts_with("auth") && !event.starts_with("authz_admin"))
            .collect()
    }

    fn lines(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(&self.acts).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

async fn postgres(table: &str) -> AnyStore {
    let options = StoreOptions::new().table(table);
    AnyStore::connect_with(&Postgres::shared().url(), &options)
        .await
        .unwrap()
}

fn request(method: &str, path: &str) -> axum::http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", HOST)
}

/// Returns a form as a browser of the console's own page sends it.
fn form(path: &str, fields: &str) -> Request<Body> {
    let request = request("POST", path)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("origin", "null")
        .header("sec-fetch-site", "same-origin");
    request.body(Body::from(fields.to_owned())).unwrap()
}

/// Returns a record as Express writes it.
fn express(rest: &str) -> String {
    let until = humantime::format_rfc3339_millis(SystemTime::now() + Duration::from_hours(1));
    format!(
        r#"{{"cookie":{{"originalMaxAge":3600000,"expires":"{until}","httpOnly":true,"path":"/"}}{rest}}}"#
    )
}

/// Returns a record as this library writes it: it began two hours ago.
fn own(rest: &str, agent: &str) -> String {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_millis();
    let (created, deadline) = (now - 7_200_000, now + 86_400_000);
    let note = format!(
        r#","_ck":{{"created":{created},"deadline":{deadline},"login":{created},"device":{{"handle":"a-device","agent":"{agent}"}}}}"#
    );
    express(&format!("{rest}{note}"))
}
