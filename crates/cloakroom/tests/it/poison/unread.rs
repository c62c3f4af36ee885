//! V9: records that Express opens and we do not. A logout or a login here must end the session there; a
//! request that only reads loses nothing.

use std::time::{Duration, SystemTime};

use ::mongodb::Collection;
use ::mongodb::bson::{Bson, DateTime, Document, doc};
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::http::header::COOKIE;
use axum::routing::get;
use cloakroom::cookie::sign;
use cloakroom::policy::Unset;
use cloakroom::store::{AnyStore, Store, StoreOptions};
use cloakroom::{Clock, Manager, Policy, Secure, Session, SessionError, SessionId, SessionLayer};
use testbed::Postgres;

use super::put;
use crate::support::servers::on_every_store;
use crate::support::{keys, send};

const HOUR: Duration = Duration::from_hours(1);

/// The contents of a store, read and written past its own parser.
enum Raw {
    Redis(::redis::aio::MultiplexedConnection),
    Postgres(tokio_postgres::Client),
    Mongo(Collection<Document>),
    /// Nobody but us writes there.
    Own(std::sync::Arc<dyn Store>),
}

impl Raw {
    async fn open(url: &str, manager: &Manager) -> Self {
        if url.starts_with("redis:") {
            let client = ::redis::Client::open(url).unwrap();
            return Self::Redis(client.get_multiplexed_async_connection().await.unwrap());
        }
        if url.starts_with("postgres:") {
            let connecting = tokio_postgres::connect(url, tokio_postgres::NoTls);
            let (client, connection) = connecting.await.unwrap();
            tokio::spawn(connection);
            return Self::Postgres(client);
        }
        if url.starts_with("mongodb:") {
            let client = ::mongodb::Client::with_uri_str(url).await.unwrap();
            let database = client.default_database().unwrap();
            return Self::Mongo(database.collection("sessions"));
        }
        Self::Own(std::sync::Arc::clone(manager.store()))
    }

    /// Puts a text there as Express would.
    async fn put(&mut self, id: &SessionId, text: &[u8]) {
        let as_text = || std::str::from_utf8(text).unwrap();
        match self {
            Self::Redis(connection) => {
                let mut command = ::redis::cmd("SET");
                command.arg(key(id)).arg(text).arg("EX").arg(3600);
                let () = command.query_async(connection).await.unwrap();
            }
            Self::Postgres(client) => {
                let put = "INSERT INTO session (sid, sess, expire)
                           VALUES ($1, $2::text::json, now() + interval '1 hour')";
                client
                    .execute(put, &[&id.expose(), &as_text()])
                    .await
                    .unwrap();
            }
            Self::Mongo(_) => self.put_bson(id, as_text().into()).await,
            Self::Own(store) => assert!(put(&**store, id, as_text(), "ada").await),
        }
    }

    async fn put_bson(&self, id: &SessionId, session: Bson) {
        let Self::Mongo(sessions) = self else {
            panic!("there is no BSON elsewhere");
        };
        let expires = DateTime::from_system_time(SystemTime::now() + HOUR);
        let document = doc! { "_id": id.expose(), "expires": expires, "session": session };
        sessions.insert_one(document).await.unwrap();
    }

    /// Returns the bytes stored now.
    async fn get(&mut self, id: &SessionId) -> Option<Vec<u8>> {
        match self {
            Self::Redis(connection) => {
                let mut command = ::redis::cmd("GET");
                command.arg(key(id)).query_async(connection).await.unwrap()
            }
            Self::Postgres(client) => {
                let get = "SELECT sess::text FROM session WHERE sid = $1";
                let row = client.query_opt(get, &[&id.expose()]).await.unwrap()?;
                Some(row.get::<_, String>(0).into_bytes())
            }
            Self::Mongo(sessions) => {
                let found = sessions
                    .find_one(doc! { "_id": id.expose() })
                    .await
                    .unwrap()?;
                Some(format!("{:?}", found.get("session")).into_bytes())
            }
            Self::Own(store) => Some(store.get(id).await.unwrap()?.text.as_bytes().to_vec()),
        }
    }
}

fn key(id: &SessionId) -> String {
    format!("sess:{}", id.expose())
}

/// Texts that Express opens, as whose.
fn forms(user: &str) -> Vec<(&'static str, Vec<u8>)> {
    let cookie = r#""cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"}"#;
    let with = |rest: &str| format!(r#"{{{cookie},"userId":"{user}",{rest}}}"#).into_bytes();
    let by = |cookie: &str| format!(r#"{{"cookie":{cookie},"userId":"{user}"}}"#).into_bytes();
    let keys: Vec<String> = (0..8300).map(|key| format!(r#""k{key}":1"#)).collect();
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(150), close.repeat(150));
    vec![
        ("150 arrays", with(&format!(r#""a":{}"#, deep("[", "]")))),
        (
            "150 objects",
            with(&format!(r#""a":{}"#, deep(r#"{"b":"#, "}"))),
        ),
        (
            "150 in the cookie",
            by(&format!(r#"{{"path":"/","a":{}}}"#, deep("[", "]"))),
        ),
        (
            "over 1 MiB",
            with(&format!(r#""a":"{}""#, "x".repeat(1 << 20))),
        ),
        ("over 8,192 keys", with(&keys.join(","))),
        // All that `new Cookie(…)` takes for no options.
        ("the cookie false", by("false")),
        ("the cookie 0", by("0")),
        ("the cookie empty", by(r#""""#)),
        ("the cookie an array", by("[]")),
        ("the cookie twice", by(r#"{"path":"/"},"cookie":false"#)),
        // Express opens none of these, but its store has them.
        (
            "no cookie",
            format!(r#"{{"userId":"{user}"}}"#).into_bytes(),
        ),
        ("the cookie null", by("null")),
        ("an array", b"[1,2]".to_vec()),
        ("a text", br#""userId""#.to_vec()),
    ]
}

fn policy() -> Policy {
    let builder = Policy::builder(keys()).secure(Secure::Never);
    builder.unset(Unset::Destroy).build().unwrap()
}

fn app(manager: &Manager) -> Router {
    async fn looks(session: Session) -> String {
        session.user().unwrap_or_default()
    }
    async fn writes(session: Session) -> Result<(), SessionError> {
        session.insert("a", 1)
    }
    async fn logs_in(session: Session) -> Result<(), SessionError> {
        session.login("grace").await
    }
    async fn logs_in_later(session: Session) -> Result<(), SessionError> {
        session.insert("a", 1)?;
        session.save().await?;
        session.login("grace").await
    }
    async fn saves_and_logs_out(session: Session) -> Result<(), SessionError> {
        session.insert("a", 1)?;
        session.save().await?;
        session.logout().await
    }
    async fn saves_and_resets(session: Session) -> Result<(), SessionError> {
        session.insert("a", 1)?;
        session.save().await?;
        session.reset()
    }
    async fn unsets(session: Session) {
        session.unset();
    }
    async fn saves_and_unsets(session: Session) -> Result<(), SessionError> {
        session.insert("a", 1)?;
        session.save().await?;
        session.unset();
        Ok(())
    }
    async fn logs_out(session: Session) -> Result<(), SessionError> {
        session.logout().await
    }
    async fn keeps(session: Session) -> Result<(), SessionError> {
        session.logout_keeping(&["theme"])
    }
    async fn resets(session: Session) -> Result<(), SessionError> {
        session.reset()
    }
    async fn resets_and_writes(session: Session) -> Result<(), SessionError> {
        session.reset()?;
        session.insert("a", 1)
    }
    async fn regenerates(session: Session) -> Result<(), SessionError> {
        session.regenerate()
    }
    async fn regenerates_and_ends(session: Session) -> Result<(), SessionError> {
        session.regenerate()?;
        session.destroy().await
    }
    Router::new()
        .route("/looks", get(looks))
        .route("/writes", get(writes))
        .route("/logs-in", get(logs_in))
        .route("/logs-in-later", get(logs_in_later))
        .route("/logs-out", get(logs_out))
        .route("/saves-and-logs-out", get(saves_and_logs_out))
        .route("/saves-and-resets", get(saves_and_resets))
        .route("/unsets", get(unsets))
        .route("/saves-and-unsets", get(saves_and_unsets))
        .route("/keeps", get(keeps))
        .route("/resets", get(resets))
        .route("/resets-and-writes", get(resets_and_writes))
        .route("/regenerates", get(regenerates))
        .route("/regenerates-and-ends", get(regenerates_and_ends))
        .layer(SessionLayer::new(manager.clone()))
}

const ENDING: [&str; 12] = [
    "/saves-and-logs-out",
    "/saves-and-resets",
    "/unsets",
    "/saves-and-unsets",
    "/logs-in",
    "/logs-in-later",
    "/logs-out",
    "/keeps",
    "/resets",
    "/resets-and-writes",
    "/regenerates",
    "/regenerates-and-ends",
];
const LEAVING: [&str; 2] = ["/looks", "/writes"];

async fn manager(url: &str, mixed_fleet: bool) -> Manager {
    let mut options = StoreOptions::default();
    options.mixed_fleet = mixed_fleet;
    let store = AnyStore::connect_with(url, &options).await.unwrap();
    Manager::with_clock(policy(), store.into(), Clock::System)
}

/// Asks as the visitor whose cookie names this session.
async fn ask(router: &Router, path: &str, id: &SessionId) -> String {
    let signed = sign(id.expose(), &keys()).replace('+', "%2B");
    let request = Request::get(path).header(COOKIE, format!("connect.sid=s%3A{signed}"));
    let answer = send(router, request.body(Body::empty()).unwrap()).await;
    assert!(answer.status.is_success(), "{path}: {}", answer.status);
    answer.body
}

/// Plays each action with a record of this form: what is to end is gone from the store, the rest is as it
/// was.
async fn plays(what: &str, raw: &mut Raw, router: &Router, form: &Form) {
    for (paths, ends) in [(&ENDING[..], true), (&LEAVING[..], false)] {
        for path in paths {
            let id = SessionId::random();
            form.put(raw, &id).await;
            let before = raw.get(&id).await;
            assert!(before.is_some(), "{what}: it is there");
            assert_eq!(ask(router, "/looks", &id).await, "", "{what}: it is read");
            ask(router, path, &id).await;
            let left = raw.get(&id).await;
            let expected = if ends { None } else { before };
            assert!(
                left == expected,
                "{what}, {path}: the record {}",
                said(left.is_some())
            );
        }
    }
}

fn said(is_there: bool) -> &'static str {
    if is_there {
        "is there, or another"
    } else {
        "is gone"
    }
}

enum Form {
    Text(Vec<u8>),
    Bson(Bson),
}

impl Form {
    async fn put(&self, raw: &mut Raw, id: &SessionId) {
        match self {
            Self::Text(text) => raw.put(id, text).await,
            Self::Bson(session) => raw.put_bson(id, session.clone()).await,
        }
    }
}

async fn v9_an_unreadable_record_can_be_ended(url: &str) {
    for mixed_fleet in [false, true] {
        let manager = manager(url, mixed_fleet).await;
        let (router, mut raw) = (app(&manager), Raw::open(url, &manager).await);
        // In a mixed fleet the end of a record does not depend on the reason why it is unreadable.
        for (what, text) in forms("ada-of-v9")
            .into_iter()
            .step_by(if mixed_fleet { 5 } else { 1 })
        {
            let what = format!("{what}, mixed fleet: {mixed_fleet}");
            plays(&what, &mut raw, &router, &Form::Text(text)).await;
        }
        if matches!(raw, Raw::Redis(_)) {
            // Node reads U+FFFD in their place.
            let mut text = br#"{"cookie":{"path":"/"},"userId":"ada-of-v9","a":"#.to_vec();
            text.extend(b"\"\xff\xfe\"}");
            plays("no UTF-8", &mut raw, &router, &Form::Text(text)).await;
        }
    }
}

/// A logout everywhere also ends sessions that only Express can read.
async fn v9_a_logout_everywhere_ends_unreadable_records(url: &str) {
    let manager = manager(url, true).await;
    let mut raw = Raw::open(url, &manager).await;
    let user = format!("ada-{}", SessionId::random().expose());
    let mut forms = forms(&user);
    // The last are anonymous.
    forms.truncate(12);
    if matches!(raw, Raw::Redis(_)) {
        let mut text = format!(r#"{{"cookie":{{"path":"/"}},"userId":"{user}","a":"#).into_bytes();
        text.extend(b"\"\xff\xfe\"}");
        forms.push(("no UTF-8", text));
    }
    let mut ids = Vec::new();
    for (what, text) in &forms {
        let id = SessionId::random();
        match &raw {
            Raw::Own(store) => {
                let text = std::str::from_utf8(text).unwrap();
                assert!(put(&**store, &id, text, &user).await);
            }
            _ => raw.put(&id, text).await,
        }
        ids.push((what, id));
    }
    assert!(manager.sessions_of(&user).await.is_ok());
    assert!(manager.set_roles_of(&user, ["admin"]).await.is_ok());
    manager.end_sessions_of(&user, None).await.unwrap();
    for (what, id) in ids {
        assert!(raw.get(&id).await.is_none(), "{what}: the record is left");
    }
}

on_every_store!(
    v9_an_unreadable_record_can_be_ended
    v9_a_logout_everywhere_ends_unreadable_records
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v9_documents_of_another_shape_can_be_ended() {
    let url = testbed::Mongo::shared().url("v9-shapes");
    for mixed_fleet in [false, true] {
        let manager = manager(&url, mixed_fleet).await;
        let (router, mut raw) = (app(&manager), Raw::open(&url, &manager).await);
        let whole = doc! { "cookie": { "path": "/" }, "userId": "ada" };
        let shapes: [(&str, Bson); 6] = [
            ("a document", whole.clone().into()),
            ("an array", vec![Bson::from(whole)].into()),
            ("a number", 7.into()),
            ("null", Bson::Null),
            ("a date", DateTime::now().into()),
            ("a truncated text", r#"{"cookie":{"#.into()),
        ];
        for (what, session) in shapes {
            plays(what, &mut raw, &router, &Form::Bson(session)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v9_jsonb_of_another_shape_can_be_ended() {
    let url = Postgres::shared().create_database("v9");
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let table = "CREATE TABLE session (sid varchar PRIMARY KEY, sess jsonb NOT NULL,
                 expire timestamp(6) NOT NULL)";
    client.batch_execute(table).await.unwrap();
    for mixed_fleet in [false, true] {
        let manager = manager(&url, mixed_fleet).await;
        let (router, mut raw) = (app(&manager), Raw::open(&url, &manager).await);
        for (what, text) in forms("ada") {
            plays(what, &mut raw, &router, &Form::Text(text)).await;
        }
    }
}
