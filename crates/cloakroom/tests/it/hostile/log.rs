//! Every kind of failure, and a log without an id, cookie or secret.

use std::io;
use std::sync::Arc;

use cloakroom::cookie::KeyError;
use cloakroom::id::SessionId;
use cloakroom::policy::{OnStoreError, RequestInfo};
use cloakroom::record::RecordText;
use cloakroom::store::sqlite::SqliteStore;
use cloakroom::store::{CasOutcome, NewRecord, Store, StoreError, StoreErrorKind};
use cloakroom::{Clock, KeyRing, Manager, SessionError, SessionLayer};

use super::witness::{DATA, Log, Secrets, Watched, print, print_error};
use super::{cookie, plain};
use crate::express::gate::{Gate, WRITES};
use crate::support::SECRET;
use crate::support::servers::{STORES, connect, url};

const OLD_SECRET: &str = "an old secret of the tests, which verifies still";

#[tokio::test]
async fn no_id_cookie_or_secret_reaches_a_log() {
    let log = Log::listen();
    let secrets = Secrets(Arc::default());
    for secret in [SECRET, OLD_SECRET, "a-short-secret", DATA] {
        secrets.add(secret);
    }
    for on_error in [OnStoreError::Unavailable, OnStoreError::Anonymous] {
        for store in STORES {
            let store = connect(&url(store)).await;
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
        "a session could not be ended",
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
    let mut visitor = Watched::of(&manager, &store, secrets);
    visitor.expect("/set", 200).await;
    print_what_is_held(&manager, &visitor).await;
    poisoned_record(&mut visitor, &*store).await;
    visitor.expect("/set", 200).await;
    visitor.expect("/gone", 200).await;
    visitor.expect("/set", 200).await;
    visitor.expect("/gone-now", 409).await;
    visitor.expect("/set", 200).await;
    visitor.expect("/destroy", 200).await;
}

/// Prints a manager and its parts with `Debug`.
fn print_settings(manager: &Manager) {
    let policy = manager.policy();
    let rotated = policy
        .keys()
        .clone()
        .with_verification_key(OLD_SECRET)
        .unwrap();
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
    // It should have ended, and has by now.
    visitor.expect("/set", 409).await;
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
    let entry = NewRecord {
        text: stored.text.clone(),
        expires: stored.expires,
        users: Vec::new(),
    };
    let mut page = manager.store().scan(None, 10).await.unwrap();
    // As the stores have it that name the next part by an id, once they hold more than one part.
    page.next = Some(ticket.id().expose().to_owned());
    let session = manager
        .open([field.as_bytes()], RequestInfo::default())
        .await
        .unwrap();
    session.insert("changed", 1).unwrap();
    let changed = CasOutcome::Conflict(stored.clone());
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
        format!(r#"["{}"]"#, id.expose()),
        format!(r#"{{"a":"{value}"}}"#),
    ] {
        let read = store.get(&id).await.unwrap().unwrap().text;
        let entry = NewRecord {
            text: RecordText::from(text),
            expires: stored.expires,
            users: Vec::new(),
        };
        assert_eq!(
            store.update(&id, &read, &entry).await.unwrap(),
            CasOutcome::Stored
        );
        visitor.expect("/touch", 200).await;
        visitor.expect("/save", 200).await;
        visitor.value().clone_from(&value);
    }
}
