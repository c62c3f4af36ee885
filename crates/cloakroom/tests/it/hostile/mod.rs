//! Bad input over the whole stack: never a panic, never a 500 for a hostile cookie, no secret in a response.

mod cookies;
mod log;
mod records;
mod settings;
mod witness;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::COOKIE;
use axum::http::{HeaderValue, Request, StatusCode, Uri};
use cloakroom::cookie::sign;
use cloakroom::id::{IdGrammar, SessionId};
use cloakroom::policy::PolicyBuilder;
use cloakroom::store::{NewRecord, Store};
use cloakroom::{Clock, Manager, Policy, Secure, Session, SessionError, SessionLayer};

use crate::support::{Answer, keys, send, stores};

const MIB: usize = 1 << 20;

/// An application over one of the stores, by one of the grammars.
struct Site {
    name: String,
    store: Arc<dyn Store>,
    router: Router,
}

impl Site {
    async fn stored(&self) -> u64 {
        self.store.count().await.unwrap()
    }

    async fn put(&self, id: &str, text: &str) {
        let entry = NewRecord {
            text: text.into(),
            expires: Clock::System.now().after(Duration::from_hours(1)),
            users: Vec::new(),
        };
        let id = SessionId::from_store(id);
        self.store.create(&id, &entry).await.unwrap();
    }

    /// Sends Cookie fields as they are.
    async fn ask(&self, path: &str, fields: &[Vec<u8>]) -> Answer {
        let mut request = Request::get(path).body(Body::empty()).unwrap();
        for field in fields {
            let field = HeaderValue::from_bytes(field).unwrap();
            request.headers_mut().append(COOKIE, field);
        }
        send(&self.router, request).await
    }

    /// Reads and writes with Cookie fields that name no session: each time a new one begins.
    async fn takes_for_a_stranger(&self, what: &str, fields: &[Vec<u8>]) {
        let what = format!("{what} ({})", self.name);
        let stored = self.stored().await;
        let answer = self.ask("/", fields).await;
        assert_eq!(
            (answer.status, &*answer.body),
            (StatusCode::OK, "{}"),
            "{what}"
        );
        assert_eq!(answer.set_cookie(), None, "{what}");
        assert_eq!(self.stored().await, stored, "{what}");
        let answer = self.ask("/set", fields).await;
        let expected = (StatusCode::OK, r#"{"views":1}"#);
        assert_eq!((answer.status, &*answer.body), expected, "{what}");
        let id = sid(answer.set_cookie().unwrap());
        assert!(IdGrammar::token(32, 32).allows(&id), "{what}");
        assert_eq!(self.stored().await, stored + 1, "{what}");
    }
}

/// Returns both stores, with the default grammar and with any, by our policy and by Express's.
fn sites() -> Vec<Site> {
    let any = || IdGrammar::any();
    let policies = [
        ("ours", plain()),
        ("ours, any id", plain().id_grammar(any())),
        ("Express's", Policy::express(keys())),
    ];
    policies
        .into_iter()
        .flat_map(|(name, policy)| sites_with(name, &policy))
        .collect()
}

fn sites_with(name: &str, policy: &PolicyBuilder) -> Vec<Site> {
    let policy = policy.clone().build().unwrap();
    let site = |(kind, store): (&str, Arc<dyn Store>)| {
        let manager = Manager::with_clock(policy.clone(), Arc::clone(&store), Clock::System);
        let router = Router::new()
            .fallback(visit)
            .layer(SessionLayer::new(manager));
        Site {
            name: format!("{kind}, {name}"),
            store,
            router,
        }
    };
    stores().into_iter().map(site).collect()
}

/// Counts a visit where the path is `/set`, reads elsewhere, and answers with the session's data.
async fn visit(session: Session, uri: Uri) -> Result<String, SessionError> {
    if uri.path() == "/set" {
        let views = session.get::<u32>("views")?.unwrap_or(0) + 1;
        session.insert("views", views)?;
    }
    session.to_json()
}

fn plain() -> PolicyBuilder {
    Policy::builder(keys()).secure(Secure::Auto)
}

/// The id in a Set-Cookie field.
fn sid(field: &str) -> String {
    let value = field.strip_prefix("connect.sid=s%3A").unwrap();
    let (id, _) = value.split(';').next().unwrap().rsplit_once('.').unwrap();
    id.to_owned()
}

/// A cookie with a signed id, escaped where a field cannot hold it.
fn cookie(id: &str) -> Vec<u8> {
    let signed = format!("s:{}", sign(id, &keys()));
    let escaped = |byte: u8| match byte {
        b'!'..=b'~' if !b"%;\"".contains(&byte) => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    let value: String = signed.bytes().map(escaped).collect();
    format!("connect.sid={value}").into_bytes()
}

fn nested(depth: usize) -> String {
    "[".repeat(depth) + &"]".repeat(depth)
}
