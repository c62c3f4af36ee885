//! Bad input over the whole stack: never a panic, never a 500 for a hostile cookie, no secret told.

use std::error::Error;
use std::fmt::Debug;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::COOKIE;
use axum::http::{HeaderValue, Request, StatusCode, Uri};
use axum::{Extension, Router};
use cloakroom::cookie::{KeyError, sign};
use cloakroom::id::{IdGrammar, SessionId};
use cloakroom::policy::{OnStoreError, PolicyBuilder, PolicyError, RequestInfo};
use cloakroom::record::RecordText;
use cloakroom::store::sqlite::SqliteStore;
use cloakroom::store::{Entry, Store, StoreError, StoreErrorKind, Written};
use cloakroom::web::SessionHandle;
use cloakroom::{
    Clock, KeyRing, Manager, Policy, SameSite, Secure, Session, SessionError, SessionLayer,
};
use tracing_subscriber::fmt::format::FmtSpan;

use crate::express::gate::{Gate, WRITES};
use crate::support::{Answer, Client, SECRET, keys, send, stores};

/// An application over one of the stores, by one of the grammars.
struct Site {
    name: String,
    store: Arc<dyn Store>,
    router: Router,
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

/// Both stores, with the default grammar and with any, by our policy and by Express's.
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

impl Site {
    async fn stored(&self) -> u64 {
        self.store.count().await.unwrap()
    }

    async fn put(&self, id: &str, text: &str) {
        let entry = Entry {
            text: text.into(),
            expires: Clock::System.now().after(Duration::from_hours(1)),
            user: None,
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

fn joined(cookies: &[&[u8]]) -> Vec<u8> {
    cookies.join(&b"; "[..])
}

const MIB: usize = 1 << 20;

#[tokio::test]
async fn a_cookie_field_of_a_mebibyte_is_read_or_passed_over() {
    for site in sites() {
        #[rustfmt::skip]
        let fields = [
            ("one value",   [b"connect.sid=s:".as_slice(), &b"x".repeat(MIB)].concat()),
            ("escapes",     [b"connect.sid=".as_slice(), &b"%41".repeat(MIB / 3)].concat()),
            ("dots",        [b"connect.sid=s:".as_slice(), &b".".repeat(MIB)].concat()),
            ("quotes",      [b"connect.sid=".as_slice(), &b"\"".repeat(MIB)].concat()),
            ("pairs",       b"a=b; ".repeat(MIB / 5)),
            ("semicolons",  b";".repeat(MIB)),
            ("equal signs", b"=".repeat(MIB)),
            ("blanks",      b" \t".repeat(MIB / 2)),
            ("no ASCII",    b"\xff".repeat(MIB)),
        ];
        for (what, field) in fields {
            site.takes_for_a_stranger(what, std::slice::from_ref(&field))
                .await;
        }
        let answer = site.ask("/set", &[]).await;
        let own = cookie(&sid(answer.set_cookie().unwrap()));
        for junk in [b"a=b; ".repeat(MIB / 5), b";".repeat(MIB)] {
            for field in [joined(&[&junk, &own]), joined(&[&own, &junk])] {
                let answer = site.ask("/", &[field]).await;
                assert_eq!(answer.body, r#"{"views":1}"#, "{}", site.name);
            }
        }
    }
}

#[tokio::test]
async fn of_10_000_cookies_of_our_name_the_first_few_are_looked_at() {
    for site in sites() {
        let forged = b"connect.sid=s:AbCdEfGhIjKlMnOpQrStUvWxYz0123.x; ".repeat(10_000);
        site.takes_for_a_stranger("one field", std::slice::from_ref(&forged))
            .await;
        let fields = vec![b"connect.sid=s:a.b".to_vec(); 10_000];
        site.takes_for_a_stranger("many fields", &fields).await;
        let answer = site.ask("/set", &[]).await;
        let own = cookie(&sid(answer.set_cookie().unwrap()));
        let answer = site.ask("/", &[joined(&[&own, &forged])]).await;
        assert_eq!(answer.body, r#"{"views":1}"#, "{}", site.name);
        site.takes_for_a_stranger("behind them", &[joined(&[&forged, &own])])
            .await;
    }
}

#[tokio::test]
async fn bytes_and_escapes_that_are_no_text_are_no_cookie() {
    let values: [&[u8]; 18] = [
        b"s:\xff\xfe.\xff",
        b"\xff",
        b"s:caf\xc3\xa9.x",
        b"%",
        b"%4",
        b"%zz",
        b"%u0041",
        b"%C3",
        b"%ED%A0%80",
        b"%C0%AE",
        b"%F5%80%80%80",
        b"s%3A%FF%FE.x",
        b"s%253Ax.y",
        b"%00",
        b"s:%00.x",
        b"\"s:x.y",
        b"\"\"",
        b"",
    ];
    for site in sites() {
        for value in values {
            let field = [b"connect.sid=", value].concat();
            let what = String::from_utf8_lossy(value);
            site.takes_for_a_stranger(&what, &[field]).await;
        }
    }
}

/// The signature of an id that has both characters in which base64url differs.
fn with_both_characters() -> (String, String) {
    loop {
        let id = SessionId::random().expose().to_owned();
        let signature = sign(&id, &keys()).split_off(id.len() + 1);
        if signature.contains('+') && signature.contains('/') {
            return (id, signature);
        }
    }
}

#[tokio::test]
async fn a_signature_in_any_other_spelling_is_no_signature() {
    let record = r#"{"cookie":{"originalMaxAge":null,"expires":null},"views":7}"#;
    for site in sites() {
        let (id, signature) = with_both_characters();
        site.put(&id, record).await;
        let answer = site.ask("/", &[cookie(&id)]).await;
        assert_eq!(answer.body, r#"{"views":7}"#, "{}", site.name);
        let (last, rest) = (signature.as_bytes()[42], &signature[..42]);
        // The same 32 bytes: the last character has two bits to spare.
        let noncanonical = char::from(if last == b'8' { b'9' } else { last + 1 });
        for forged in [
            format!("{signature}="),
            format!("{signature}%3D"),
            format!("{signature}=="),
            signature.replace('+', "-").replace('/', "_"),
            signature.replace('+', " "),
            format!("{rest}{noncanonical}"),
            rest.to_owned(),
            signature.to_lowercase(),
            format!("{signature}%20"),
            format!("{signature}%00"),
            String::new(),
        ] {
            let field = format!("connect.sid=s:{id}.{forged}").into_bytes();
            site.takes_for_a_stranger(&forged, &[field]).await;
        }
    }
}

const STRANGE_IDS: [&str; 8] = [
    "a\0b-and-twenty-characters",
    "\0",
    "../../../../../../etc/passwd",
    "' OR 1=1; DROP TABLE cloakroom_sessions; --",
    r#"{"$gt":""}"#,
    "sess:*\r\nFLUSHALL\r\n",
    "%00%2e%2e",
    "日本語日本語日本語日本語日本語",
];

fn strange_ids() -> Vec<String> {
    let long = "x".repeat(6000);
    let nul = "\0".repeat(6000);
    let fixed = STRANGE_IDS.iter().map(|&id| id.to_owned());
    fixed.chain([long, nul]).collect()
}

#[tokio::test]
async fn a_signed_id_of_any_shape_that_the_store_does_not_know_is_never_adopted() {
    for site in sites() {
        for id in strange_ids() {
            let what = id.escape_debug().take(40).collect::<String>();
            site.takes_for_a_stranger(&what, &[cookie(&id)]).await;
            let absent = site.store.get(&SessionId::from_store(&id)).await.unwrap();
            assert_eq!(absent, None, "{what}");
        }
        site.takes_for_a_stranger("no id", &[cookie("")]).await;
    }
}

#[tokio::test]
async fn an_id_of_any_shape_is_a_whole_id_to_each_store() {
    let record = r#"{"cookie":{"originalMaxAge":null,"expires":null},"views":7}"#;
    for site in sites_with("any id", &plain().id_grammar(IdGrammar::any())) {
        // Their beginnings are other ids.
        for id in ["a", "a\0", "x", "日"] {
            site.put(id, r#"{"cookie":{},"other":true}"#).await;
        }
        for id in strange_ids() {
            site.put(&id, record).await;
            let what = id.escape_debug().take(40).collect::<String>();
            // Beyond what Node takes of headers, escaped: nobody ever had such a cookie.
            let is_honoured = cookie(&id).len() < 16_384;
            let expected = if is_honoured {
                r#"{"views":8}"#
            } else {
                r#"{"views":1}"#
            };
            let answer = site.ask("/set", &[cookie(&id)]).await;
            assert_eq!(answer.body, expected, "{what} ({})", site.name);
        }
    }
    for site in sites_with("tokens only", &plain()) {
        for id in strange_ids() {
            site.put(&id, record).await;
            site.takes_for_a_stranger("outside the grammar", &[cookie(&id)])
                .await;
        }
    }
}

fn numbered_keys(keys: Range<u32>) -> String {
    let members: Vec<String> = keys.map(|key| format!(r#","k{key}":1"#)).collect();
    members.concat()
}

fn nested(depth: usize) -> String {
    "[".repeat(depth) + &"]".repeat(depth)
}

#[tokio::test]
async fn a_record_that_is_none_is_a_fresh_session() {
    #[rustfmt::skip]
    let mut texts: Vec<String> = [
        "", " ", "not json", "null", "7", "true", "\"cookie\"", "[]", "[{\"cookie\":{}}]", "{}",
        r#"{"a":1}"#, r#"{"cookie":null}"#, r#"{"cookie":7}"#, r#"{"cookie":"x","a":1}"#,
        r#"{"cookie":[]}"#, r#"{"cookie":true}"#, r#"{"cookie":{}"#, r#"{"cookie":{},}"#,
        r#"{"cookie":{}}}"#, r"{'cookie':{}}", r#"{"Cookie":{}}"#, r#"{"cookie":{},"cookie":1}"#,
        "{\"cookie\":{},\"a\":\"\0\"}", r#"{"cookie":{},"a":NaN}"#, r#"{"cookie":{},"a":"\u12"}"#,
    ].map(str::to_owned).into();
    texts.push(format!(r#"{{"cookie":{{}},"a":{}}}"#, nested(200)));
    texts.push(format!(r#"{{"cookie":{{"path":{}}}}}"#, nested(50)));
    texts.push(r#"{"cookie":{},"a":"#.to_owned() + &"[".repeat(MIB / 2));
    texts.push(format!(
        r#"{{"cookie":{{}},"a":"{}"}}"#,
        "x".repeat(2 * MIB)
    ));
    let keys = numbered_keys(0..20_000);
    texts.push(format!(r#"{{"cookie":{{}}{keys}}}"#));
    for site in sites() {
        for text in &texts {
            let id = SessionId::random().expose().to_owned();
            site.put(&id, text).await;
            let what = text.chars().take(40).collect::<String>();
            site.takes_for_a_stranger(&what, &[cookie(&id)]).await;
            let kept = site.store.get(&SessionId::from_store(&id)).await.unwrap();
            assert_eq!(&*kept.unwrap().text, text, "left for whoever can read it");
        }
    }
}

#[tokio::test]
async fn what_others_write_into_a_record_breaks_no_response() {
    #[rustfmt::skip]
    let members = [
        r#""cookie":{"originalMaxAge":1e400,"expires":"2026"}"#,
        r#""cookie":{"originalMaxAge":"60000","expires":7}"#,
        r#""cookie":{"originalMaxAge":-1e99,"expires":"-271821-04-20T00:00:00.000Z"}"#,
        r#""cookie":{"originalMaxAge":{},"expires":[]}"#,
        r#""cookie":{"path":"/; Domain=evil.example","httpOnly":"; Secure"}"#,
        r#""cookie":{"path":"/\r\nSet-Cookie: a=b","sameSite":"\u0000"}"#,
        r#""cookie":{"domain":"evil.example; Secure","priority":{}}"#,
        r#""cookie":{"domain":7,"path":[],"secure":"","partitioned":0}"#,
        r#""cookie":{},"_ck":7"#,
        r#""cookie":{},"_ck":{"created":"x"}"#,
        r#""cookie":{},"_ck":{"created":-9223372036854775808,"deadline":9223372036854775807}"#,
        r#""cookie":{},"_ck":{"created":9223372036854775807,"renewed":-9223372036854775808}"#,
        r#""cookie":{},"userId":{"id":{"id":[]}},"passport":7"#,
        r#""cookie":{},"__proto__":{"views":9},"constructor":1,"save":null,"":"","\ud800":"\udfff""#,
    ];
    for site in sites() {
        for member in members {
            let id = SessionId::random().expose().to_owned();
            site.put(&id, &format!(r#"{{{member},"views":7}}"#)).await;
            let what = format!("{member} ({})", site.name);
            let answer = site.ask("/set", &[cookie(&id)]).await;
            assert_eq!(answer.status, StatusCode::OK, "{what}");
            assert!(
                answer.body.contains(r#""views":8"#),
                "{what}: {}",
                answer.body
            );
            for field in answer.set_cookies() {
                assert_eq!(sid(field), id, "{what}");
                let evil = ["evil", "Set-Cookie", "\r", "a=b"];
                assert!(
                    !evil.iter().any(|evil| field.contains(evil)),
                    "{what}: {field}"
                );
            }
        }
    }
}

/// A record that another writer, who has no limits, may well have stored.
fn large() -> [(&'static str, String); 3] {
    let cookie = r#""cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"}"#;
    let keys = numbered_keys(0..600);
    [
        (
            "100 KiB",
            format!(r#"{{{cookie},"a":"{}"}}"#, "x".repeat(100 << 10)),
        ),
        ("600 keys", format!("{{{cookie}{keys}}}")),
        ("depth 100", format!(r#"{{{cookie},"a":{}}}"#, nested(99))),
    ]
}

// nor given an absolute time-out: by our policy each request that only reads is a 500, and by
// Express's the session's expiry stands still while it is in use.
#[tokio::test]
async fn a_large_record_of_another_writer_is_read_and_kept_alive() {
    for site in sites() {
        for (what, text) in large() {
            let id = SessionId::random();
            site.put(id.expose(), &text).await;
            let before = site.store.get(&id).await.unwrap().unwrap().expires;
            let answer = site.ask("/", &[cookie(id.expose())]).await;
            assert_eq!(answer.status, StatusCode::OK, "{what} ({})", site.name);
            assert!(answer.body.len() > 190, "{what} ({})", site.name);
            let after = site.store.get(&id).await.unwrap().unwrap().expires;
            assert_ne!(after, before, "{what} ({})", site.name);
        }
    }
}

/// A session that is stored, and one that is not.
async fn sessions(policy: PolicyBuilder) -> Vec<(&'static str, Arc<dyn Store>, Session, Session)> {
    let policy = policy.build().unwrap();
    let mut sessions = Vec::new();
    for (name, store) in stores() {
        let manager = Manager::with_clock(policy.clone(), Arc::clone(&store), Clock::System);
        let stored = manager.open([], RequestInfo::default()).await.unwrap();
        stored.insert("views", 1).unwrap();
        stored.save().await.unwrap();
        let new = manager.open([], RequestInfo::default()).await.unwrap();
        sessions.push((name, store, stored, new));
    }
    sessions
}

#[tokio::test]
async fn a_record_that_would_be_too_large_is_refused() {
    fn is_too_large(outcome: Result<impl Debug, SessionError>, what: &str) {
        let error = outcome.unwrap_err();
        assert!(matches!(error, SessionError::TooLarge), "{what}: {error:?}");
    }
    for (name, store, stored, new) in sessions(plain()).await {
        let before = store.get(&stored.id()).await.unwrap().unwrap().text;
        for session in [&stored, &new] {
            is_too_large(session.insert("a", "x".repeat(65_536)), name);
            is_too_large(session.insert_raw("a", &nested(100)), name);
            is_too_large(session.insert_raw("a", &"[".repeat(MIB)), name);
            for half in ["a", "b"] {
                session.insert(half, "x".repeat(40_000)).unwrap();
            }
            is_too_large(session.save().await, "two halves");
            session.clear().unwrap();
            for key in 0..600 {
                session.insert(&format!("k{key}"), key).unwrap();
            }
            is_too_large(session.save().await, "600 keys");
        }
        assert_eq!(
            store.get(&stored.id()).await.unwrap().unwrap().text,
            before,
            "{name}"
        );
        assert_eq!(store.get(&new.id()).await.unwrap(), None, "{name}");
        let huge = |_: Option<String>| "x".repeat(65_536);
        stored.clear().unwrap();
        is_too_large(stored.update("a", huge).await, "update");
        is_too_large(new.update("a", huge).await, "update");
    }
}

// stored, and one of depth 200 makes a record that cannot be read again, so that the session is lost.
#[tokio::test]
async fn update_refuses_what_insert_refuses() {
    for (name, store, stored, new) in sessions(plain()).await {
        let before = store.get(&stored.id()).await.unwrap().unwrap().text;
        for depth in [100, 200] {
            for session in [&new, &stored] {
                let deep: serde_json::Value = serde_json::from_str(&nested(100)).unwrap();
                let deep = (100..depth).fold(deep, |deep, _| serde_json::Value::Array(vec![deep]));
                let outcome = session
                    .update("a", move |_: Option<serde_json::Value>| deep.clone())
                    .await;
                let is_refused = matches!(outcome, Err(SessionError::TooLarge));
                assert!(
                    is_refused,
                    "depth {depth} in {name}: {:?}",
                    outcome.map(|_| "stored")
                );
            }
        }
        assert_eq!(
            store.get(&stored.id()).await.unwrap().unwrap().text,
            before,
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_text_that_is_no_json_is_said_to_be_none() {
    for (_, _, stored, _) in sessions(plain()).await {
        for text in ["", "x", "{", "NaN", "1 2", "'a'"] {
            let outcome = stored.insert_raw("a", text);
            assert!(
                matches!(outcome, Err(SessionError::Value(_))),
                "{text}: {outcome:?}"
            );
        }
    }
}

#[tokio::test]
async fn reserved_keys_are_refused_and_the_error_says_why() {
    #[rustfmt::skip]
    let reserved = [
        "id", "req", "save", "touch", "reload", "destroy", "regenerate", "resetMaxAge", "cookie",
        "_ck", "__proto__", "constructor", "toString", "toLocaleString", "valueOf",
        "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "__defineGetter__",
        "__defineSetter__", "__lookupGetter__", "__lookupSetter__",
    ];
    for (name, store, stored, new) in sessions(plain()).await {
        for key in reserved {
            for session in [&stored, &new] {
                let by_update = session
                    .update(key, |n: Option<u32>| n.unwrap_or(0) + 1)
                    .await;
                for refused in [
                    session.insert(key, 1).unwrap_err(),
                    session.insert_raw(key, "1").unwrap_err(),
                    by_update.unwrap_err(),
                ] {
                    assert!(matches!(&refused, SessionError::ReservedKey(name) if name == key));
                    let said = refused.to_string();
                    assert!(
                        said.contains(&format!("`{key}` cannot be a session key")),
                        "{said}"
                    );
                    assert!(said.contains("Express's Session object"), "{said}");
                }
                assert_eq!(session.get_raw(key).unwrap(), None);
                session.remove(key).unwrap();
            }
        }
        stored.save().await.unwrap();
        let text = store.get(&stored.id()).await.unwrap().unwrap().text;
        assert!(
            text.contains("\"_ck\"") && text.contains("\"cookie\""),
            "{name}: removed nothing"
        );
    }
}

#[test]
fn a_secret_that_is_empty_or_short_makes_no_ring() {
    let none: [&str; 0] = [];
    #[rustfmt::skip]
    let table = [
        (KeyRing::new(""),                                KeyError::TooShort),
        (KeyRing::new("keyboard cat"),                    KeyError::TooShort),
        (KeyRing::new("x".repeat(31)),                    KeyError::TooShort),
        (KeyRing::from_secrets(none),                     KeyError::NoSecret),
        (KeyRing::from_secrets([SECRET, ""]),             KeyError::TooShort),
        (keys().and_verify("short"),                      KeyError::TooShort),
        (KeyRing::with_insecure_short_secret(""),         KeyError::NoSecret),
        (KeyRing::with_insecure_short_secrets(["x", ""]), KeyError::NoSecret),
    ];
    for (index, (ring, error)) in table.into_iter().enumerate() {
        assert_eq!(ring.unwrap_err(), error, "{index}");
    }
    assert!(
        KeyError::TooShort
            .to_string()
            .contains("openssl rand -base64 48")
    );
}

#[test]
fn what_no_browser_would_take_does_not_build() {
    let policy = || Policy::builder(keys());
    #[rustfmt::skip]
    let table = [
        (policy().name("__Host-sid").domain("example.com"),        PolicyError::HostPrefixWithDomain),
        (policy().name("__HOST-sid").domain("example.com"),        PolicyError::HostPrefixWithDomain),
        (policy().name("__Host-sid").path("/app"),                 PolicyError::HostPrefixWithPath),
        (policy().name("__Host-sid").secure(Secure::Never),        PolicyError::PrefixWithoutSecure),
        (policy().same_site(SameSite::None).secure(Secure::Never), PolicyError::SameSiteNoneWithoutSecure),
        (policy().same_site(SameSite::None).secure(Secure::Auto),  PolicyError::SameSiteNoneWithoutSecure),
        (policy().name("sid\r\nSet-Cookie: a=b"),                  PolicyError::Name),
        (policy().domain("example.com\r\nSet-Cookie: a=b"),        PolicyError::Domain),
        (policy().path("/\r\nSet-Cookie: a=b"),                    PolicyError::Path),
    ];
    for (builder, error) in table {
        assert_eq!(builder.build().unwrap_err(), error);
    }
}

/// Everything that this process logs, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Listens to all threads: a store has its own.
    fn listen() -> Self {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_span_events(FmtSpan::FULL)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::set_global_default(subscriber).expect("no other test listens");
        log
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

/// Notes what a value, or an error with all its causes, looks like where it is printed.
fn print(value: &dyn Debug) {
    tracing::info!("printed: {value:?} {value:#?}");
}

fn print_error(error: &dyn Error) {
    let mut cause = Some(error);
    while let Some(error) = cause {
        tracing::info!("printed: {error} {error:?} {error:#?}");
        cause = error.source();
    }
}

/// What must not be told: ids, cookies and secrets that were handed out.
#[derive(Clone)]
struct Secrets(Arc<Mutex<Vec<String>>>);

impl Secrets {
    fn add(&self, secret: impl Into<String>) {
        self.0.lock().unwrap().push(secret.into());
    }

    /// A cookie's value with and without its escapes, and each of its parts.
    fn add_cookie(&self, value: &str) {
        let plain = value
            .replace("%3A", ":")
            .replace("%2B", "+")
            .replace("%2F", "/");
        let parts = plain.split(['.', ':']).filter(|part| part.len() > 20);
        parts.for_each(|part| self.add(part));
        self.add(plain.clone());
        self.add(value);
    }
}

/// Does what the path names to a session, and prints all that it holds.
async fn act(
    session: Session,
    uri: Uri,
    Extension(handle): Extension<SessionHandle>,
    Extension(store): Extension<Arc<dyn Store>>,
    Extension(secrets): Extension<Secrets>,
) -> Result<(), SessionError> {
    secrets.add(session.id().expose());
    print(&handle);
    match uri.path() {
        "/set" => {
            session.insert("note", DATA)?;
            session.insert("n", session.get::<u32>("n")?.unwrap_or(0) + 1)?;
        }
        "/login" => {
            session.regenerate()?;
            session.insert("userId", "ada")?;
        }
        "/reserved" => session.insert("__proto__", 1)?,
        "/type" => drop(session.get::<u32>("note")?),
        "/large" => session.insert("a", "x".repeat(1 << 17))?,
        "/large-at-the-end" => {
            (0..600).try_for_each(|key| session.insert(&format!("k{key}"), key))?;
        }
        "/bad-cookie" => {
            session.insert("path", 1)?;
            session.cookie_mut(|cookie| cookie.path("/a;b"));
        }
        "/gone" => {
            store.destroy(&session.id()).await?;
            session.insert("gone", 1)?;
        }
        "/gone-now" => {
            store.destroy(&session.id()).await?;
            session.reload().await?;
        }
        "/save" => session.save().await?,
        "/touch" => session.touch(),
        "/destroy" => session.destroy().await?,
        path => panic!("{path}"),
    }
    secrets.add(session.id().expose());
    print(&session);
    Ok(())
}

const DATA: &str = "what only the visitor should know";
const OLD_SECRET: &str = "an old secret of the tests, which verifies still";

/// A client whose every cookie is noted.
struct Watched {
    client: Client,
    secrets: Secrets,
}

impl Watched {
    fn of(manager: &Manager, store: &Arc<dyn Store>, secrets: &Secrets) -> Self {
        let router = Router::new()
            .fallback(act)
            .layer(SessionLayer::new(manager.clone()))
            .layer(Extension(Arc::clone(store)))
            .layer(Extension(secrets.clone()));
        Self {
            client: Client::new(router),
            secrets: secrets.clone(),
        }
    }

    async fn get(&mut self, path: &str) -> Answer {
        let answer = self.client.get(path).await;
        for value in self.client.cookies.values() {
            self.secrets.add_cookie(value);
        }
        answer
    }

    async fn expect(&mut self, path: &str, status: u16) {
        let answer = self.get(path).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.body);
    }

    fn value(&mut self) -> &mut String {
        self.client.cookies.get_mut("connect.sid").unwrap()
    }
}

/// What a manager and its parts look like where they are printed.
fn print_settings(manager: &Manager) {
    let policy = manager.policy();
    let rotated = policy.keys().clone().and_verify(OLD_SECRET).unwrap();
    print(&(
        manager,
        policy,
        policy.keys(),
        rotated,
        SessionLayer::new(manager.clone()),
    ));
    print(&(plain(), manager.clock(), policy.name()));
    for error in [
        KeyRing::new("a-short-secret").unwrap_err(),
        KeyError::NoSecret,
    ] {
        print_error(&error);
    }
    print_error(
        &plain()
            .name("__Host-sid")
            .domain("a.example")
            .build()
            .unwrap_err(),
    );
}

/// A visit with everything that can go wrong, by a store behind a gate.
async fn everything_goes_wrong(store: Arc<dyn Store>, secrets: &Secrets, on_error: OnStoreError) {
    let gate = Gate::before(Arc::clone(&store));
    let policy = plain().on_store_error(on_error).build().unwrap();
    let manager = Manager::with_clock(policy, Arc::new(gate.clone()), Clock::System);
    print_settings(&manager);
    let mut visitor = Watched::of(&manager, &store, secrets);
    for path in ["/set", "/login", "/save", "/touch", "/set"] {
        visitor.expect(path, 200).await;
    }
    for path in ["/reserved", "/type", "/large", "/large-at-the-end"] {
        visitor.expect(path, 500).await;
    }
    visitor.expect("/bad-cookie", 200).await;
    bad_cookies(&mut visitor).await;
    outage(&mut visitor, &gate, on_error).await;
    print_what_is_held(&manager, &visitor).await;
    poisoned_record(&mut visitor, &*store).await;
    visitor.expect("/set", 200).await;
    visitor.expect("/gone", 200).await;
    visitor.expect("/set", 200).await;
    visitor.expect("/gone-now", 409).await;
    visitor.expect("/set", 200).await;
    visitor.expect("/destroy", 200).await;
}

async fn bad_cookies(visitor: &mut Watched) {
    let valid = visitor.value().clone();
    let bare = valid.trim_start_matches("s%3A").split('.').next().unwrap();
    let unsigned = format!("s%3A{}", SessionId::random().expose());
    let unknown = String::from_utf8(cookie(SessionId::random().expose())).unwrap();
    let unknown = unknown.trim_start_matches("connect.sid=").to_owned();
    for bad in [
        format!("{valid}%3D"),
        format!("{valid}x"),
        bare.into(),
        unsigned,
        unknown,
    ] {
        visitor.secrets.add_cookie(&bad);
        *visitor.value() = bad;
        visitor.expect("/touch", 200).await;
    }
    *visitor.value() = valid;
    visitor.expect("/touch", 200).await;
}

async fn outage(visitor: &mut Watched, gate: &Gate, on_error: OnStoreError) {
    gate.refuse_with(|| {
        let cause = io::Error::other("the driver's own words");
        StoreError::new(StoreErrorKind::Unavailable, cause)
    });
    let unsaved = match on_error {
        OnStoreError::Unavailable => 503,
        OnStoreError::Anonymous => 200,
    };
    for (refused, path, status) in [
        (&["get"][..], "/touch", unsaved),
        (&["touch"], "/touch", 200),
        (&WRITES, "/set", unsaved),
        (&WRITES, "/login", unsaved),
        (&WRITES, "/save", 503),
        (&["destroy"], "/destroy", 503),
    ] {
        gate.refuse(refused);
        visitor.expect(path, status).await;
        gate.refuse(&[]);
    }
    visitor.expect("/set", 200).await;
}

/// The driver's own errors, from statements that were given an id.
async fn a_broken_database(secrets: &Secrets) {
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("sessions.db");
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&file).unwrap());
    let manager = Manager::with_clock(plain().build().unwrap(), Arc::clone(&store), Clock::System);
    let mut visitor = Watched::of(&manager, &store, secrets);
    visitor.expect("/set", 200).await;
    let database = rusqlite::Connection::open(file).unwrap();
    database
        .execute_batch("DROP TABLE cloakroom_sessions")
        .unwrap();
    visitor.expect("/set", 503).await;
    let error = store.get(&SessionId::random()).await.unwrap_err();
    print_error(&error);
}

async fn print_what_is_held(manager: &Manager, visitor: &Watched) {
    let field = format!("connect.sid={}", visitor.client.cookies["connect.sid"]);
    let ticket = manager.ticket([field.as_bytes()]).unwrap();
    let stored = manager.store().get(ticket.id()).await.unwrap().unwrap();
    let entry = Entry {
        text: stored.text.clone(),
        expires: stored.expires,
        user: None,
    };
    let page = manager.store().scan(None, 10).await.unwrap();
    let session = manager
        .open([field.as_bytes()], RequestInfo::default())
        .await
        .unwrap();
    session.insert("changed", 1).unwrap();
    let changed = Written::Changed(stored.clone());
    print(&(ticket, stored, entry, page, changed, &session));
    print(&manager.close(&session).await.unwrap());
    print(&manager.sessions_of("ada").await.unwrap());
    let taken = StoreError::from(StoreErrorKind::IdTaken);
    print_error(&SessionError::from(taken));
}

/// Puts what is no record in the place of the visitor's.
async fn poisoned_record(visitor: &mut Watched, store: &dyn Store) {
    let value = visitor.value().clone();
    let id = SessionId::from_store(value["s%3A".len()..].split('.').next().unwrap());
    let stored = store.get(&id).await.unwrap().unwrap();
    for text in [
        format!("[{}]", id.expose()),
        format!(r#"{{"a":"{value}"}}"#),
    ] {
        let read = store.get(&id).await.unwrap().unwrap().text;
        let entry = Entry {
            text: RecordText::from(text),
            expires: stored.expires,
            user: None,
        };
        assert_eq!(
            store.update(&id, &read, &entry).await.unwrap(),
            Written::Saved
        );
        visitor.expect("/touch", 200).await;
        visitor.expect("/save", 200).await;
        visitor.value().clone_from(&value);
    }
}

#[tokio::test]
async fn no_id_cookie_or_secret_reaches_a_log() {
    let log = Log::listen();
    let secrets = Secrets(Arc::default());
    for secret in [SECRET, OLD_SECRET, "a-short-secret", DATA] {
        secrets.add(secret);
    }
    for on_error in [OnStoreError::Unavailable, OnStoreError::Anonymous] {
        for (_, store) in stores() {
            everything_goes_wrong(store, &secrets, on_error).await;
        }
    }
    a_broken_database(&secrets).await;
    let text = log.text();
    for said in [
        "a stored session cannot be read; its owner gets a new one",
        "no such session",
        "a session could not be saved; the response becomes an error",
        "a session could not be saved; the response goes out without it",
        "a request goes on without its session",
        "no session for a request",
        "a session's cookie cannot be sent",
        "the session ended while a request ran",
        "printed: Session { id: SessionId(#",
        "the driver's own words",
        "no such table",
    ] {
        assert!(text.contains(said), "the log does not say {said:?}");
    }
    let secrets = secrets.0.lock().unwrap();
    assert!(
        secrets.len() > 100,
        "{} secrets were handed out",
        secrets.len()
    );
    for secret in secrets.iter() {
        let told = text.lines().find(|line| line.contains(secret.as_str()));
        assert_eq!(told, None, "{secret} is told");
    }
}
