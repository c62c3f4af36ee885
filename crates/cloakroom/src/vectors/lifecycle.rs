//! The option matrix times everything that a handler can do: the store operations, their order, the
//! cookie, and what is left in the store.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use super::{NOW, deviates, express, list, text};
use crate::clock::{ManualClock, Timestamp};
use crate::cookie::sign;
use crate::id::SessionId;
use crate::manager::Manager;
use crate::policy::{Policy, RequestInfo, Unset};
use crate::record::RecordText;
use crate::session::{Session, SessionError};
use crate::store::memory::{MemoryLimit, MemoryStore};
use crate::store::{Entry, Page, Store, StoreFuture, Stored, Written};

const EXISTING: &str = "existing-sid-00000000000000000000";

/// Runs a future that waits for nothing outside this thread.
pub(super) fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(future)
}

/// One application with a store in memory that takes notes.
pub(super) struct Run {
    pub(super) manager: Manager,
    pub(super) store: MemoryStore,
    pub(super) clock: ManualClock,
    operations: Arc<Mutex<Vec<String>>>,
    pub(super) written: Arc<Mutex<Vec<Entry>>>,
}

impl Run {
    pub(super) fn new(policy: Policy) -> Self {
        let clock = ManualClock::at(Timestamp::from_millis(NOW));
        let store = MemoryStore::with(MemoryLimit::default(), clock.clone());
        let operations = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::new(Mutex::new(Vec::new()));
        let recorder = Recorder {
            store: store.clone(),
            operations: Arc::clone(&operations),
            written: Arc::clone(&written),
        };
        let manager = Manager::with_clock(policy, Arc::new(recorder), clock.clone());
        Self {
            manager,
            store,
            clock,
            operations,
            written,
        }
    }

    pub(super) fn open_with(&self, cookie: Option<&str>, is_secure: bool) -> Session {
        let cookies = cookie.into_iter().map(str::as_bytes);
        let request = RequestInfo {
            is_secure,
            ..RequestInfo::default()
        };
        wait(self.manager.open(cookies, request)).unwrap()
    }

    pub(super) fn open(&self, id: &str) -> Session {
        self.open_with(Some(&self.cookie(id)), false)
    }

    fn cookie(&self, id: &str) -> String {
        let policy = self.manager.policy();
        format!("{}=s:{}", policy.name(), sign(id, policy.keys()))
    }

    /// The Set-Cookie of a request that changes a new session.
    pub(super) fn one_change(&self) -> Option<String> {
        let session = self.open_with(None, false);
        session.insert("a", 1).unwrap();
        wait(self.manager.close(&session)).unwrap().set_cookie
    }
}

struct Recorder {
    store: MemoryStore,
    operations: Arc<Mutex<Vec<String>>>,
    written: Arc<Mutex<Vec<Entry>>>,
}

impl Recorder {
    fn note(&self, operation: &str, id: &SessionId) {
        self.operations
            .lock()
            .unwrap()
            .push(format!("{operation} {}", id.expose()));
    }

    fn note_set(&self, id: &SessionId, entry: &Entry) {
        self.note("set", id);
        self.written.lock().unwrap().push(entry.clone());
    }
}

impl Store for Recorder {
    fn get<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, Option<Stored>> {
        self.note("get", id);
        self.store.get(id)
    }

    fn create<'a>(&'a self, id: &'a SessionId, entry: &'a Entry) -> StoreFuture<'a, ()> {
        self.note_set(id, entry);
        self.store.create(id, entry)
    }

    fn update<'a>(
        &'a self,
        id: &'a SessionId,
        read: &'a RecordText,
        entry: &'a Entry,
    ) -> StoreFuture<'a, Written> {
        self.note_set(id, entry);
        self.store.update(id, read, entry)
    }

    fn touch<'a>(
        &'a self,
        id: &'a SessionId,
        read: &'a RecordText,
        entry: &'a Entry,
    ) -> StoreFuture<'a, bool> {
        self.note("touch", id);
        self.store.touch(id, read, entry)
    }

    fn destroy<'a>(&'a self, id: &'a SessionId) -> StoreFuture<'a, bool> {
        self.note("destroy", id);
        self.store.destroy(id)
    }

    fn replace<'a>(
        &'a self,
        old: &'a SessionId,
        read: Option<&'a RecordText>,
        new: &'a SessionId,
        entry: &'a Entry,
    ) -> StoreFuture<'a, Written> {
        self.note("destroy", old);
        self.note_set(new, entry);
        self.store.replace(old, read, new, entry)
    }

    fn prune(&self) -> StoreFuture<'_, u64> {
        self.store.prune()
    }

    fn scan<'a>(&'a self, cursor: Option<&'a str>, limit: usize) -> StoreFuture<'a, Page> {
        self.store.scan(cursor, limit)
    }

    fn count(&self) -> StoreFuture<'_, u64> {
        self.store.count()
    }

    fn of_user<'a>(&'a self, user: &'a str) -> StoreFuture<'a, Vec<SessionId>> {
        self.store.of_user(user)
    }

    fn destroy_of_user<'a>(
        &'a self,
        user: &'a str,
        keep: Option<&'a SessionId>,
    ) -> StoreFuture<'a, u64> {
        self.store.destroy_of_user(user, keep)
    }
}

/// What can be seen of one request from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    operations: Vec<String>,
    cookie: Option<String>,
    left: Option<BTreeMap<String, String>>,
}

/// The settings of a row.
struct Row<'a> {
    settings: &'a Value,
    request: &'a str,
    handler: &'a str,
}

impl Row<'_> {
    fn is(&self, option: &str) -> bool {
        self.settings[option] == true
    }

    fn destroys_unset(&self) -> bool {
        self.settings["unset"] == "destroy"
    }

    fn has_expiry(&self) -> bool {
        !self.settings["maxAge"].is_null()
    }

    fn policy(&self) -> Policy {
        let drawn = AtomicUsize::new(0);
        let unset = if self.destroys_unset() {
            Unset::Destroy
        } else {
            Unset::Keep
        };
        let mut builder = express()
            .save_uninitialized(self.is("saveUninitialized"))
            .resave(self.is("resave"))
            .rolling(self.is("rolling"))
            .unset(unset)
            .id_generator(move |_| {
                format!("new-sid-{}", drawn.fetch_add(1, Ordering::Relaxed) + 1)
            });
        if let Some(max_age) = self.settings["maxAge"].as_u64() {
            builder = builder.idle_timeout(Duration::from_millis(max_age));
        }
        builder.build().unwrap()
    }

    fn expected(&self) -> Outcome {
        let operations = self.settings["ops"].as_array().unwrap().iter();
        let left = self.settings["left_in_store"].as_object().unwrap().iter();
        Outcome {
            operations: operations
                .map(|op| op.as_str().unwrap().to_owned())
                .collect(),
            cookie: self.settings["set_cookie"].as_str().map(str::to_owned),
            left: Some(
                left.map(|(id, text)| (id.clone(), text.as_str().unwrap().to_owned()))
                    .collect(),
            ),
        }
    }
}

#[test]
fn every_row_of_the_life_cycle_matches_or_is_a_named_deviation() {
    let mut failed = Vec::new();
    for row in list("/lifecycle/rows") {
        let (request, handler) = text(row, "scenario").split_once('_').unwrap();
        let row = Row {
            settings: row,
            request,
            handler,
        };
        let express = row.expected();
        let (expected, deviations) = deviate(&row, express.clone());
        let mut ours = run(&row);
        if expected.left.is_none() {
            ours.left = None;
        }
        if ours != expected {
            failed.push(format!(
                "{}\n  ours     {ours:?}\n  expected {expected:?}",
                row.settings
            ));
        }
        for name in deviations {
            assert_ne!(ours, express, "`{name}` deviates no more: {}", row.settings);
            deviates(name);
        }
    }
    assert!(
        failed.is_empty(),
        "{} rows differ:\n{}",
        failed.len(),
        failed[..failed.len().min(6)].join("\n")
    );
    for name in [
        "cleared_on_destroy",
        "never_stored",
        "destroyed_once",
        "written_once",
        "not_touched_twice",
        "saved_new_sends_cookie",
        "after_the_head",
        "id_is_fixed",
    ] {
        assert!(
            super::SEEN.lock().unwrap().contains(name),
            "no row shows `{name}` any more"
        );
    }
}

/// What a row comes to with our deviations, and which they are.
fn deviate(row: &Row<'_>, mut outcome: Outcome) -> (Outcome, Vec<&'static str>) {
    let mut deviations = Vec::new();
    let mut is = |name, deviates: bool| {
        if deviates {
            deviations.push(name);
        }
        deviates
    };
    if is(
        "id_is_fixed",
        matches!(row.handler, "bogus_sessionID" | "sessionID_reassigned"),
    ) {
        outcome = modified(row);
    }
    if is("after_the_head", row.handler == "modified_after_headers") {
        outcome = untouched(row);
    }
    let existed = |operation: &String| row.request == "existing" || !never_stored(operation);
    if is("never_stored", !outcome.operations.iter().all(existed)) {
        outcome.operations.retain(existed);
    }
    let twice = outcome.operations.windows(2).any(|pair| pair[0] == pair[1]);
    if is("destroyed_once", twice && row.handler == "destroy") {
        outcome.operations.dedup();
    }
    if is(
        "written_once",
        twice && row.handler == "regenerate_modified_save",
    ) {
        outcome.operations.dedup();
    }
    let saves = [
        "explicit_save_unmodified",
        "modified_explicit_save",
        "reload_save",
    ];
    let touched = outcome
        .operations
        .last()
        .is_some_and(|last| last.starts_with("touch"));
    if is("not_touched_twice", touched && saves.contains(&row.handler)) {
        outcome.operations.pop();
    }
    let orphan = row.handler == "explicit_save_unmodified" && outcome.cookie.is_none();
    if is(
        "saved_new_sends_cookie",
        orphan && row.request != "existing",
    ) {
        outcome.cookie = Some(cookie_of(row, "new-sid-1"));
    }
    let ends = row.handler == "destroy"
        || (row.destroys_unset() && matches!(row.handler, "null" | "delete_prop"));
    if is("cleared_on_destroy", ends && row.request == "existing") {
        outcome.cookie = Some("cleared".into());
    }
    (outcome, deviations)
}

/// Whether Express asks the store for what was never stored: its first id is drawn in this request.
fn never_stored(operation: &str) -> bool {
    matches!(operation, "get new-sid-1" | "destroy new-sid-1")
}

fn cookie_of(row: &Row<'_>, id: &str) -> String {
    let expires = if row.has_expiry() {
        " +Expires=Fri, 02 Jan 2026 03:05:05 GMT"
    } else {
        ""
    };
    format!("{id}{expires}")
}

/// What Express does with an existing session that was modified (spec 5.13).
fn modified(row: &Row<'_>) -> Outcome {
    let sends = row.is("rolling") || row.has_expiry();
    Outcome {
        operations: vec![format!("get {EXISTING}"), format!("set {EXISTING}")],
        cookie: sends.then(|| cookie_of(row, EXISTING)),
        left: None,
    }
}

/// What Express does with a session that was left alone (spec 5.13).
fn untouched(row: &Row<'_>) -> Outcome {
    if row.request == "existing" {
        let operation = if row.is("resave") { "set" } else { "touch" };
        return Outcome {
            operations: vec![format!("get {EXISTING}"), format!("{operation} {EXISTING}")],
            cookie: row.is("rolling").then(|| cookie_of(row, EXISTING)),
            left: None,
        };
    }
    let saved = row.is("saveUninitialized");
    Outcome {
        operations: if saved {
            vec!["set new-sid-1".into()]
        } else {
            Vec::new()
        },
        cookie: saved.then(|| cookie_of(row, "new-sid-1")),
        left: None,
    }
}

fn run(row: &Row<'_>) -> Outcome {
    let run = Run::new(row.policy());
    let max_age = row.settings["maxAge"].as_i64();
    let expires = max_age.map(|_| Timestamp::from_millis(NOW + 30_000).iso().to_string());
    let json = |value: Option<String>| value.map_or("null".into(), |value| value);
    run.put(EXISTING, &format!(
        r#"{{"cookie":{{"originalMaxAge":{},"expires":{},"httpOnly":true,"path":"/"}},"a":1,"n":{{"x":1}}}}"#,
        json(max_age.map(|age| age.to_string())),
        json(expires.map(|expires| format!("\"{expires}\""))),
    ));
    let existing = run.cookie(EXISTING);
    let cookie = match row.request {
        "none" => None,
        "existing" => Some(existing),
        "unknown" => Some(run.cookie("gone")),
        "badsig" => Some(existing[..existing.len() - 2].to_owned()),
        request => panic!("{request}"),
    };
    let session = run.open_with(cookie.as_deref(), false);
    let mut closing = None;
    wait(handle(row, &session, &run, &mut closing));
    let closing = closing.unwrap_or_else(|| wait(run.manager.close(&session)).unwrap().set_cookie);
    let operations = run.operations.lock().unwrap().clone();
    let ids = wait(run.store.scan(None, 100)).unwrap().ids;
    let left = ids
        .iter()
        .map(|id| (id.expose().to_owned(), run.text_of(id.expose()).unwrap()));
    Outcome {
        operations,
        cookie: closing.map(|field| summary(&field)),
        left: Some(left.collect()),
    }
}

/// A Set-Cookie field as the rows write it down.
fn summary(field: &str) -> String {
    let (pair, attributes) = field.split_once("; ").unwrap();
    let expires = attributes
        .split("; ")
        .find_map(|attribute| attribute.strip_prefix("Expires="));
    let Some(value) = pair.strip_prefix("connect.sid=s%3A") else {
        assert_eq!(
            (pair, expires),
            ("connect.sid=", Some("Thu, 01 Jan 1970 00:00:00 GMT"))
        );
        return "cleared".into();
    };
    let id = value.rsplit_once('.').unwrap().0;
    expires.map_or(id.into(), |expires| format!("{id} +Expires={expires}"))
}

#[expect(
    clippy::option_option,
    reason = "whether it was closed, and what was sent then"
)]
async fn handle(row: &Row<'_>, session: &Session, run: &Run, closing: &mut Option<Option<String>>) {
    let existing = row.request == "existing";
    let change = || session.insert("a", if existing { 2 } else { 1 }).unwrap();
    match row.handler {
        "untouched" | "set_undefined" => {}
        "modified" | "bogus_sessionID" | "sessionID_reassigned" => change(),
        "modified_then_reverted" => {
            change();
            session.remove("a").unwrap();
        }
        "maxage_changed_only" => {
            session.cookie_mut(|cookie| cookie.max_age(Some(Duration::from_secs(5))));
        }
        "explicit_save_unmodified" => session.save().await.unwrap(),
        "modified_explicit_save" => {
            change();
            session.save().await.unwrap();
        }
        "explicit_save_then_modified" => {
            session.save().await.unwrap();
            change();
        }
        "explicit_touch" => session.touch(),
        "destroy" => session.destroy().await.unwrap(),
        "null" | "delete_prop" => session.unset(),
        "regenerate" => session.reset(),
        "regenerate_modified" | "regenerate_modified_save" => {
            session.reset();
            session.insert("a", if existing { 9 } else { 1 }).unwrap();
            if row.handler == "regenerate_modified_save" {
                session.save().await.unwrap();
            }
        }
        "reload" => reload(row, session).await,
        "modified_after_headers" => {
            *closing = Some(run.manager.close(session).await.unwrap().set_cookie);
            change();
        }
        "explicit_cookie_secure_plain_http" => {
            change();
            session.cookie_mut(|cookie| cookie.secure(true));
        }
        "same_value" => session.insert("a", 1).unwrap(),
        "key_order_changed" => {
            session.remove("a").unwrap();
            session.insert("a", 1).unwrap();
        }
        "cookie_prop_other" => {
            session
                .cookie_mut(|cookie| cookie.assign_json("sameSite", "\"strict\""))
                .unwrap();
        }
        "nested_cookie_key" => session.insert_raw("n", r#"{"x":1,"cookie":1}"#).unwrap(),
        "modified_reload" => {
            session.insert("a", 5).unwrap();
            session.reload().await.unwrap();
        }
        "reload_save" => {
            session.reload().await.unwrap();
            session.save().await.unwrap();
        }
        handler => panic!("{handler}"),
    }
}

async fn reload(row: &Row<'_>, session: &Session) {
    match (session.reload().await, row.settings["body"].as_str()) {
        (Ok(()), None) => {}
        (Err(error @ SessionError::NotStored), Some(body)) => assert_eq!(error.to_string(), body),
        (outcome, body) => panic!("{outcome:?} {body:?}"),
    }
}
