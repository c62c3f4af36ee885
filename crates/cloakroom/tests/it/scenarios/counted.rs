//! A scripted hour: what `MetricsObserver` counts, read as Prometheus reads it, is exactly what happened.
//!
//! Each step names the series that it adds to, and by how much; all others must stay as they were. Time is a
//! clock that the script moves, for policy, store and browsers alike.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use cloakroom::cookie::cookie_value;
use cloakroom::observe::{
    EndCause, EventSubject, MetricsObserver, Observer, RefusalCause, SaveOutcome, StoreOperation,
};
use cloakroom::policy::{DuplicateCookies, PolicyBuilder, TrustedProxy};
use cloakroom::store::memory::MemoryLimit;
use cloakroom::store::{NewRecord, Store, StoreErrorKind};
use cloakroom::{Clock, KeyRing, ManualClock, MemoryStore, Policy, Secure, SessionId};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use serde_json::value::RawValue;

use super::app::{App, PROXY};
use super::browser::{Browser, FORM};
use super::site::{Framework, Site};
use crate::support::keys;

const NEWER_SECRET: &str = "a newer secret of these tests, as long as it must be";
const MINUTE: Duration = Duration::from_mins(1);

/// Series that the hour does not reach, each with what counts it elsewhere.
const UNREACHED: [&str; 1] = [
    // Another writer has to change the record for as long as the store's time-out: `session::events::tests`.
    "session_saves conflict",
];

/// The facade's macros count in this recorder, whichever thread a request is served by.
#[derive(Clone)]
struct Counted {
    recorder: Arc<PrometheusRecorder>,
    metrics: MetricsObserver,
}

impl Counted {
    fn new() -> Self {
        let builder = PrometheusBuilder::new().set_buckets(&[0.1, 1.0]).unwrap();
        let recorder = Arc::new(builder.build_recorder());
        let metrics = metrics::with_local_recorder(&*recorder, || MetricsObserver::new("memory"));
        Self { recorder, metrics }
    }

    fn count(&self, event: impl FnOnce(&MetricsObserver)) {
        metrics::with_local_recorder(&*self.recorder, || event(&self.metrics));
    }

    /// Returns what `/metrics` answers, each series by its short name; of a histogram its count.
    fn read(&self) -> BTreeMap<String, f64> {
        let text = self.recorder.handle().render();
        let mut series = BTreeMap::new();
        for line in text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            let (name, value) = line.rsplit_once(' ').unwrap();
            if name.contains("_seconds_bucket") || name.contains("_seconds_sum") {
                continue;
            }
            let known = series.insert(short(name), value.parse().unwrap());
            assert!(known.is_none(), "{name} is there twice:\n{text}");
        }
        series
    }
}

/// `session_saves written` for `cloakroom_session_saves_total{result="written"}`.
fn short(series: &str) -> String {
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    let name = name
        .trim_start_matches("cloakroom_")
        .trim_end_matches("_total");
    let name = name.replace("db_client_operation_duration_seconds_count", "store");
    let values = labels
        .split('"')
        .skip(1)
        .step_by(2)
        .filter(|value| *value != "memory");
    [name.as_str()]
        .into_iter()
        .chain(values)
        .collect::<Vec<_>>()
        .join(" ")
}

impl Observer for Counted {
    fn opened(&self, session: &EventSubject) {
        self.count(|metrics| metrics.opened(session));
    }

    fn opened_by_old_key(&self, session: &EventSubject) {
        self.count(|metrics| metrics.opened_by_old_key(session));
    }

    fn created(&self, session: &EventSubject) {
        self.count(|metrics| metrics.created(session));
    }

    fn signed_in(&self, session: &EventSubject) {
        self.count(|metrics| metrics.signed_in(session));
    }

    fn renewed(&self, session: &EventSubject) {
        self.count(|metrics| metrics.renewed(session));
    }

    fn saved(&self, session: &EventSubject, outcome: SaveOutcome) {
        self.count(|metrics| metrics.saved(session, outcome));
    }

    fn joined(&self, saves: usize) {
        self.count(|metrics| metrics.joined(saves));
    }

    fn ended(&self, session: &EventSubject, cause: EndCause, sessions: u64) {
        self.count(|metrics| metrics.ended(session, cause, sessions));
    }

    fn refused(&self, client: &EventSubject, cause: RefusalCause) {
        self.count(|metrics| metrics.refused(client, cause));
    }

    fn csrf_refused(&self, client: &EventSubject) {
        self.count(|metrics| metrics.csrf_refused(client));
    }

    fn attempts_throttled(&self, client: &EventSubject, retry_after: Duration) {
        self.count(|metrics| metrics.attempts_throttled(client, retry_after));
    }

    fn circuit_changed(&self, is_open: bool) {
        self.count(|metrics| metrics.circuit_changed(is_open));
    }

    fn store_operation(&self, operation: &StoreOperation) {
        self.count(|metrics| metrics.store_operation(operation));
    }
}

/// The script: the site, and what was counted before the present step.
struct Hour {
    site: Site,
    counted: Counted,
    before: BTreeMap<String, f64>,
    reached: BTreeSet<String>,
    /// The steps that were counted otherwise.
    failed: Vec<String>,
}

impl Hour {
    async fn begin(framework: Framework) -> Self {
        let (counted, clock) = (Counted::new(), ManualClock::at(Clock::System.now()));
        let site = site(framework, &counted, &clock, main_policy).await;
        let before = counted.read();
        Self {
            site,
            counted,
            before,
            reached: BTreeSet::new(),
            failed: Vec::new(),
        }
    }

    /// Notes a failure unless the series have grown by so much since the last step, and no other has.
    fn adds(&mut self, step: &str, expected: &[(&str, f64)]) {
        let now = self.counted.read();
        let grown = now.iter().filter_map(|(name, value)| {
            let by = value - self.before.get(name).copied().unwrap_or_default();
            (by != 0.0).then(|| (name.clone(), by))
        });
        let grown: BTreeMap<String, f64> = grown.collect();
        let expected = expected.iter().map(|(name, by)| ((*name).to_owned(), *by));
        let expected: BTreeMap<String, f64> = expected.collect();
        if grown != expected {
            self.failed.push(format!(
                "{step}\n  counted:  {grown:?}\n  expected: {expected:?}"
            ));
        }
        self.reached.extend(grown.into_keys());
        self.before = now;
    }

    /// Fails where a step has, or where a series is there that no step has reached.
    fn end(self) {
        assert!(self.failed.is_empty(), "{}", self.failed.join("\n"));
        let all: BTreeSet<String> = self.counted.read().into_keys().collect();
        let unreached = all.difference(&self.reached).map(String::as_str);
        assert_eq!(unreached.collect::<Vec<_>>(), UNREACHED);
    }
}

async fn site(
    framework: Framework,
    counted: &Counted,
    clock: &ManualClock,
    policy: impl FnOnce(PolicyBuilder) -> PolicyBuilder,
) -> Site {
    let store = MemoryStore::with(MemoryLimit::default(), clock.clone());
    let mut app = App::by(clock.clone(), Arc::new(store), policy);
    for manager in [&mut app.manager, &mut app.side, &mut app.strict] {
        *manager = manager.clone().observer(counted.clone());
    }
    app.attempts = app.attempts.observer(counted.clone());
    Site::serve(framework, app).await
}

fn main_policy(_: PolicyBuilder) -> PolicyBuilder {
    let ring = KeyRing::from_secrets([NEWER_SECRET, crate::support::SECRET]).unwrap();
    Policy::builder(ring)
        .secure(Secure::Auto)
        .trusted_proxy(TrustedProxy::networks([PROXY]).unwrap())
        .renewal_timeout(20 * MINUTE)
        .duplicate_cookies(DuplicateCookies::Reject)
}

/// A policy whose cookie is never set without TLS, and whose store is given up soon.
fn host_policy(_: PolicyBuilder) -> PolicyBuilder {
    Policy::builder(keys())
        .name("__Host-sid")
        .secure(Secure::Always)
        .store_timeout(Duration::from_millis(300))
}

async fn hour(framework: Framework) {
    let mut hour = Hour::begin(framework).await;
    visits(&mut hour).await;
    at_once(&mut hour).await;
    refusals(&mut hour).await;
    endings(&mut hour).await;
    by_time(&mut hour).await;
    failures(&mut hour).await;
    ends_that_fail(&mut hour).await;
    another_site(&mut hour, framework).await;
    hour.end();
}

async fn visits(hour: &mut Hour) {
    let (mut ada, name) = (hour.site.browser(), hour.site.user("ada"));
    ada.get("/").await;
    hour.adds("a visit that leaves nothing", &[]);
    ada.post("/cart", &[]).await;
    let created = [
        ("sessions_created", 1.0),
        ("session_saves written", 1.0),
        ("store create", 1.0),
    ];
    hour.adds("a cart", &created);
    ada.login(&name).await;
    #[rustfmt::skip]
    hour.adds("a login", &[
        ("sessions_opened", 1.0), ("sessions_renewed", 1.0), ("session_saves written", 1.0), ("logins", 1.0),
        ("store get", 1.0), ("store replace", 1.0),
    ]);
    for _ in 0..3 {
        ada.get("/").await;
    }
    hour.adds(
        "three reads",
        &[("sessions_opened", 3.0), ("store get", 3.0)],
    );
    ada.get("/program").await;
    hour.adds(
        "a page behind a guard",
        &[("sessions_opened", 1.0), ("store get", 1.0)],
    );
    ada.get("/count").await;
    #[rustfmt::skip]
    hour.adds("an update", &[
        ("sessions_opened", 1.0), ("session_saves written", 1.0), ("store get", 1.0), ("store update", 1.0),
    ]);
    ada.get("/side").await;
    #[rustfmt::skip]
    hour.adds("a page of two layers", &[
        ("sessions_opened", 1.0), ("sessions_created", 1.0), ("session_saves written", 2.0),
        ("store get", 1.0), ("store update", 1.0), ("store create", 1.0),
    ]);
    hour.site.app.clock.advance(3 * MINUTE);
    ada.get("/").await;
    #[rustfmt::skip]
    hour.adds("a read that prolongs", &[("sessions_opened", 1.0), ("store get", 1.0), ("store touch", 1.0)]);
    hour.site.app.clock.advance(18 * MINUTE);
    ada.get("/").await;
    #[rustfmt::skip]
    hour.adds("a read after the renewal time-out", &[
        ("sessions_opened", 1.0), ("sessions_renewed", 1.0), ("session_saves written", 1.0),
        ("store get", 1.0), ("store replace", 1.0),
    ]);
    let id = hour
        .site
        .app
        .manager
        .sessions_of(&name)
        .await
        .unwrap()
        .swap_remove(0);
    let mut old = hour.site.browser();
    old.plant(&cookie_value(&id, &keys()));
    old.get("/").await;
    #[rustfmt::skip]
    hour.adds("a cookie of the older key", &[
        ("sessions_opened", 1.0), ("cookies_old_key", 1.0), ("store get", 1.0), ("store list_by_user", 1.0),
    ]);
    // Another user in the same session finds nothing of the first.
    ada.login(&hour.site.user("eve")).await;
    #[rustfmt::skip]
    hour.adds("another user's login", &[
        ("sessions_opened", 1.0), ("sessions_ended renewed", 1.0), ("sessions_created", 1.0),
        ("session_saves written", 1.0), ("logins", 1.0), ("store get", 1.0), ("store replace", 1.0),
    ]);
}

/// Sends a form to `/slow`, and returns once the handler has its session.
async fn slow(
    hour: &Hour,
    browser: &Browser,
    cart: &'static str,
) -> tokio::task::JoinHandle<StatusCode> {
    let mut tab = browser.copy();
    let task = tokio::spawn(async move { tab.post("/slow", &[("cart", cart)]).await.status });
    hour.site.app.arrived.notified().await;
    task
}

async fn at_once(hour: &mut Hour) {
    let (mut ada, name) = (hour.site.browser(), hour.site.user("ada"));
    ada.login(&name).await;
    #[rustfmt::skip]
    hour.adds("a login without a session", &[
        ("sessions_created", 1.0), ("session_saves written", 1.0), ("logins", 1.0), ("store create", 1.0),
    ]);
    let late = slow(hour, &ada, "a hat").await;
    ada.get("/count").await;
    hour.site.app.go_on.notify_one();
    assert_eq!(late.await.unwrap(), StatusCode::OK);
    #[rustfmt::skip]
    hour.adds("two changes that are merged", &[
        ("sessions_opened", 2.0), ("session_saves written", 1.0), ("session_saves merged", 1.0),
        ("store get", 2.0), ("store update", 3.0),
    ]);
    // Two saves wait for one that is under way, and are written together.
    let mut waiting = Vec::new();
    for cart in ["a coat", "a scarf", "a glove"] {
        waiting.push(slow(hour, &ada, cart).await);
    }
    hour.site.app.store.take_calls();
    hour.site.app.store.hold_answers();
    for n in 0..3 {
        hour.site.app.go_on.notify_one();
        while n == 0 && hour.site.app.store.take_calls().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    // The others are in the queue by then.
    tokio::time::sleep(Duration::from_millis(400)).await;
    hour.site.app.store.work();
    for save in waiting {
        assert_eq!(save.await.unwrap(), StatusCode::OK);
    }
    #[rustfmt::skip]
    hour.adds("three saves, of which two become one write", &[
        ("sessions_opened", 3.0), ("session_saves written", 3.0), ("session_saves_joined", 1.0),
        ("store get", 3.0), ("store update", 2.0),
    ]);
    // A save of a session that ended meanwhile does not bring it back.
    let late = slow(hour, &ada, "a ghost").await;
    let (mut thief, mut again) = (ada.copy(), ada.copy());
    ada.post("/logout", &[]).await;
    hour.site.app.go_on.notify_one();
    assert_eq!(late.await.unwrap(), StatusCode::OK);
    #[rustfmt::skip]
    hour.adds("a resurrection that is refused", &[
        ("sessions_opened", 2.0), ("sessions_ended logout", 1.0), ("session_saves gone", 1.0),
        ("store get", 2.0), ("store retire", 1.0), ("store update", 1.0), ("store retired", 1.0),
    ]);
    thief.get("/").await;
    let retired = [
        ("cookies_refused retired", 1.0),
        ("store get", 1.0),
        ("store retired", 1.0),
    ];
    hour.adds("a cookie of a session that has ended", &retired);
    again.post("/logout", &[]).await;
    hour.adds("a second logout", &retired);
}

async fn shown(hour: &Hour, value: &str) {
    let mut browser = hour.site.browser();
    browser.plant(value);
    browser.get("/").await;
}

async fn refusals(hour: &mut Hour) {
    let ring = KeyRing::from_secrets([NEWER_SECRET]).unwrap();
    let value = |id: &SessionId| cookie_value(id, &ring);
    let mut ada = hour.site.browser();
    ada.login(&hour.site.user("ada")).await;
    let mut other = hour.site.browser();
    other.post("/cart", &[]).await;
    #[rustfmt::skip]
    hour.adds("two visitors", &[
        ("sessions_created", 2.0), ("session_saves written", 2.0), ("logins", 1.0), ("store create", 2.0),
    ]);
    shown(hour, &format!("{}x", ada.ticket())).await;
    hour.adds("a forged cookie", &[("cookies_refused signature", 1.0)]);
    shown(hour, &value(&SessionId::from_store("short"))).await;
    hour.adds(
        "a signed value that is no id",
        &[("cookies_refused grammar", 1.0)],
    );
    shown(hour, &value(&SessionId::random())).await;
    #[rustfmt::skip]
    hour.adds("an id that the store does not know", &[
        ("cookies_refused unknown", 1.0), ("store get", 1.0), ("store retired", 1.0),
    ]);
    let both = format!(
        "connect.sid={}; connect.sid={}",
        ada.ticket(),
        other.ticket()
    );
    let mut nobody = hour.site.browser();
    let request = nobody.request(Method::GET, "/").header("cookie", both);
    nobody.send(request, "").await;
    hour.adds(
        "two live sessions",
        &[("cookies_refused duplicate", 1.0), ("store get", 2.0)],
    );

    let cross = ada
        .request(Method::POST, "/cart")
        .header("sec-fetch-site", "cross-site");
    assert_eq!(ada.send(cross, "").await.status, StatusCode::FORBIDDEN);
    hour.adds("another site's form", &[("csrf_refused", 1.0)]);
    // Without a source: a form without a token, a token that is wrong, none at all.
    for (name, content) in [
        ("content-type", FORM),
        ("x-csrf-token", "wrong"),
        ("content-type", "text/plain"),
    ] {
        let request = ada.request(Method::POST, "/cart").header(name, content);
        assert_eq!(ada.send(request, "a=b").await.status, StatusCode::FORBIDDEN);
    }
    #[rustfmt::skip]
    hour.adds("three requests without a token", &[("csrf_refused", 3.0), ("sessions_opened", 3.0), ("store get", 3.0)]);
    let user = hour.site.user("bob");
    for expected in [
        StatusCode::OK,
        StatusCode::OK,
        StatusCode::OK,
        StatusCode::TOO_MANY_REQUESTS,
    ] {
        let answer = nobody
            .post("/try", &[("user", &user), ("password", "guess")])
            .await;
        assert_eq!(answer.status, expected);
    }
    hour.adds("four guesses", &[("attempts_throttled", 1.0)]);
}

async fn endings(hour: &mut Hour) {
    let (mut desk, name) = (hour.site.browser(), hour.site.user("ada"));
    let mut others = Vec::new();
    desk.login(&name).await;
    for _ in 0..2 {
        let mut phone = hour.site.browser();
        phone.login(&name).await;
        others.push(phone);
    }
    #[rustfmt::skip]
    let three = [
        ("sessions_created", 3.0), ("session_saves written", 3.0), ("logins", 3.0), ("store create", 3.0),
    ];
    hour.adds("three logins", &three);
    desk.post("/password/changed", &[]).await;
    #[rustfmt::skip]
    hour.adds("a new password", &[
        ("sessions_opened", 1.0), ("sessions_renewed", 1.0), ("session_saves written", 1.0), ("logins", 1.0),
        ("sessions_ended everywhere", 2.0), ("store get", 1.0), ("store replace", 1.0), ("store destroy_by_user", 1.0),
    ]);
    others[0].login(&name).await;
    hour.before = hour.counted.read();
    desk.post("/sessions/end-all", &[]).await;
    #[rustfmt::skip]
    hour.adds("log out everywhere", &[
        ("sessions_opened", 1.0), ("sessions_ended everywhere", 2.0),
        ("store get", 1.0), ("store destroy_by_user", 1.0), ("store retire", 1.0), ("store retired", 1.0),
    ]);
    for browser in others.iter_mut().chain([&mut desk]) {
        browser.login(&name).await;
    }
    hour.before = hour.counted.read();
    let manager = hour.site.app.manager.clone();
    let id = manager.sessions_of(&name).await.unwrap().swap_remove(0);
    assert!(manager.end_session(&id).await.unwrap());
    #[rustfmt::skip]
    hour.adds("an operator ends one by its id", &[
        ("sessions_ended operator", 1.0), ("store list_by_user", 1.0), ("store get", 1.0), ("store retire", 1.0),
    ]);
    let set =
        |session: &mut cloakroom::manager::Changing<'_>| session.insert_raw("plan", RawValue::TRUE);
    let left = manager.sessions_of(&name).await.unwrap().swap_remove(0);
    assert!(manager.change(&left, set).await.unwrap());
    assert_eq!(manager.set_roles_of(&name, ["editor"]).await.unwrap(), 2);
    #[rustfmt::skip]
    hour.adds("jobs change three", &[
        ("session_saves written", 3.0), ("store list_by_user", 2.0), ("store get_uncached", 3.0), ("store update", 3.0),
    ]);
    assert_eq!(manager.end_sessions_of(&name, None).await.unwrap(), 2);
    hour.adds(
        "an operator ends a user's",
        &[
            ("sessions_ended operator", 2.0),
            ("store destroy_by_user", 1.0),
        ],
    );
    assert_eq!(manager.end_sessions_of(&name, None).await.unwrap(), 0);
    hour.adds("there is none left", &[("store destroy_by_user", 1.0)]);

    for number in 0..3 {
        hour.before = hour.counted.read();
        hour.site
            .browser()
            .post("/side/login", &[("user", &name)])
            .await;
        hour.site.app.clock.advance(Duration::from_secs(1));
        assert!(number < 2 || hour.counted.read()["sessions_ended limit"] > 0.0);
    }
    #[rustfmt::skip]
    hour.adds("a third session where there may be two", &[
        ("sessions_created", 1.0), ("session_saves written", 1.0), ("logins", 1.0), ("sessions_ended limit", 1.0),
        ("store create", 1.0), ("store list_by_user", 2.0), ("store get_uncached", 5.0), ("store destroy", 1.0),
    ]);
}

async fn by_time(hour: &mut Hour) {
    let (app, mut ada) = (Arc::clone(&hour.site.app), hour.site.browser());
    ada.login(&hour.site.user("ada")).await;
    let idle = ada.ticket();
    hour.before = hour.counted.read();
    app.clock.advance(31 * MINUTE);
    shown(hour, &idle).await;
    #[rustfmt::skip]
    hour.adds("the idle time-out", &[("cookies_refused unknown", 1.0), ("store get", 1.0), ("store retired", 1.0)]);

    // Express keeps a session alive beyond the absolute time-out.
    let name = hour.site.user("ada");
    ada.login(&name).await;
    let (ticket, id) = (
        ada.ticket(),
        app.manager.sessions_of(&name).await.unwrap().swap_remove(0),
    );
    let stored = app.store.get(&id).await.unwrap().unwrap();
    let entry = NewRecord {
        text: stored.text.clone(),
        expires: app.clock.now().after(30 * 60 * MINUTE),
        users: vec![name],
    };
    app.store.touch(&id, &stored.text, &entry).await.unwrap();
    hour.before = hour.counted.read();
    app.clock.advance(25 * 60 * MINUTE);
    shown(hour, &ticket).await;
    #[rustfmt::skip]
    hour.adds("the absolute time-out", &[
        ("sessions_ended absolute", 1.0), ("cookies_refused unknown", 1.0),
        ("store get", 1.0), ("store update", 1.0), ("store retired", 1.0),
    ]);
}

async fn failures(hour: &mut Hour) {
    let (app, mut ada) = (Arc::clone(&hour.site.app), hour.site.browser());
    ada.login(&hour.site.user("ada")).await;
    hour.before = hour.counted.read();
    app.store.fail(StoreErrorKind::Unavailable);
    assert_eq!(ada.get("/").await.status, StatusCode::SERVICE_UNAVAILABLE);
    app.store.work();
    hour.adds(
        "a read that fails is tried twice",
        &[("store get unavailable", 2.0)],
    );
    app.store.fail_call(2, StoreErrorKind::Unavailable);
    assert_eq!(
        ada.get("/count").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    #[rustfmt::skip]
    hour.adds("a save that fails", &[
        ("sessions_opened", 1.0), ("session_saves failed", 1.0), ("store get", 1.0), ("store update unavailable", 1.0),
    ]);
    app.store.lose_answer_of_call(2);
    assert_eq!(
        ada.get("/count").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    #[rustfmt::skip]
    hour.adds("a save whose answer is lost", &[
        ("sessions_opened", 1.0), ("session_saves unknown", 1.0), ("store get", 1.0), ("store update unknown", 1.0),
    ]);
    // A record that nobody can read ends with the login of its client.
    let id = SessionId::random();
    let entry = NewRecord {
        text: "[]".into(),
        expires: app.clock.now().after(MINUTE),
        users: Vec::new(),
    };
    app.store.create(&id, &entry).await.unwrap();
    let mut odd = hour.site.browser();
    odd.plant(&cookie_value(
        &id,
        &KeyRing::from_secrets([NEWER_SECRET]).unwrap(),
    ));
    odd.login(&hour.site.user("eve")).await;
    #[rustfmt::skip]
    hour.adds("a login over a record that cannot be read", &[
        ("sessions_ended unreadable", 1.0), ("sessions_created", 1.0), ("session_saves written", 1.0), ("logins", 1.0),
        ("store get", 1.0), ("store replace", 1.0),
    ]);
}

/// Waits until so many sessions have ended for this cause.
async fn ended(hour: &Hour, cause: &str, sessions: f64) {
    let name = format!("sessions_ended {cause}");
    let wanted = hour.before[&name] + sessions;
    let end = tokio::time::Instant::now() + Duration::from_secs(10);
    while hour.counted.read()[&name] < wanted && tokio::time::Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// An end that the store did not carry out at first is counted once it has, with the cause of whoever asked.
async fn ends_that_fail(hour: &mut Hour) {
    let (app, mut ada, name) = (
        Arc::clone(&hour.site.app),
        hour.site.browser(),
        hour.site.user("ada"),
    );
    ada.login(&name).await;
    hour.before = hour.counted.read();
    app.store.fail_call(2, StoreErrorKind::Unavailable);
    ada.post("/logout", &[]).await;
    ended(hour, "logout", 1.0).await;
    #[rustfmt::skip]
    hour.adds("a logout that the store refuses at first", &[
        ("sessions_opened", 1.0), ("sessions_ended logout", 1.0),
        ("store get", 1.0), ("store retire unavailable", 1.0), ("store retire", 1.0),
    ]);
    let mut ada = hour.site.browser();
    ada.login(&name).await;
    hour.before = hour.counted.read();
    app.store.lose_answer_of_call(2);
    ada.post("/logout", &[]).await;
    ended(hour, "logout", 1.0).await;
    #[rustfmt::skip]
    hour.adds("a logout whose answer is lost", &[
        ("sessions_opened", 1.0), ("sessions_ended logout", 1.0),
        ("store get", 1.0), ("store retire unknown", 1.0), ("store retire", 1.0), ("store retired", 1.0),
    ]);
    let mut ada = hour.site.browser();
    ada.login(&name).await;
    let id = app.manager.sessions_of(&name).await.unwrap().swap_remove(0);
    hour.before = hour.counted.read();
    app.store.fail_call(2, StoreErrorKind::Unavailable);
    app.manager.end_session(&id).await.unwrap_err();
    ended(hour, "operator", 1.0).await;
    #[rustfmt::skip]
    hour.adds("an operator's end that the store refuses at first", &[
        ("sessions_ended operator", 1.0),
        ("store get", 1.0), ("store retire unavailable", 1.0), ("store retire", 1.0),
    ]);
    let mut ada = hour.site.browser();
    ada.login(&name).await;
    hour.before = hour.counted.read();
    app.store.fail_call(1, StoreErrorKind::Unavailable);
    app.manager.end_sessions_of(&name, None).await.unwrap_err();
    ended(hour, "operator", 1.0).await;
    #[rustfmt::skip]
    hour.adds("an operator's end of a user that the store refuses at first", &[
        ("sessions_ended operator", 1.0), ("store destroy_by_user unavailable", 1.0),
        ("store list_by_user", 1.0), ("store retire", 1.0),
    ]);
}

/// A cookie without the prefix that the policy requires; a store that hangs.
async fn another_site(hour: &mut Hour, framework: Framework) {
    let clock = hour.site.app.clock.clone();
    let host = site(framework, &hour.counted, &clock, host_policy).await;
    hour.before = hour.counted.read();
    let mut browser = host.browser();
    let request = browser
        .request(Method::GET, "/")
        .header("cookie", "sid=s%3Ax.y");
    browser.send(request, "").await;
    hour.adds(
        "a cookie without its prefix",
        &[("cookies_refused prefix", 1.0)],
    );

    let cookie = format!("__Host-sid={}", cookie_value(&SessionId::random(), &keys()));
    let ask = || {
        let (mut browser, cookie) = (host.browser(), cookie.clone());
        async move {
            let request = browser.request(Method::GET, "/").header("cookie", cookie);
            browser.send(request, "").await.status
        }
    };
    host.app.store.hang();
    let waiting: Vec<_> = (0..5).map(|_| tokio::spawn(ask())).collect();
    for request in waiting {
        assert_eq!(request.await.unwrap(), StatusCode::SERVICE_UNAVAILABLE);
    }
    #[rustfmt::skip]
    hour.adds("five reads that hang open the circuit", &[("store get timeout", 5.0), ("store_circuit_open", 1.0)]);
    assert_eq!(ask().await, StatusCode::SERVICE_UNAVAILABLE);
    hour.adds("while it is open no operation is sent", &[]);
    host.app.store.work();
    let end = tokio::time::Instant::now() + Duration::from_secs(10);
    while ask().await != StatusCode::OK && tokio::time::Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    #[rustfmt::skip]
    hour.adds("an answer closes it", &[
        ("store_circuit_open", -1.0), ("cookies_refused unknown", 1.0), ("store get", 1.0), ("store retired", 1.0),
    ]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_hour_is_counted_exactly_on_axum() {
    hour(Framework::Axum).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_hour_is_counted_exactly_on_actix() {
    hour(Framework::Actix).await;
}
