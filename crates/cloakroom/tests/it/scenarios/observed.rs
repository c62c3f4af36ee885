//! What observers are told: each event once, by a request that causes it, in both frameworks; and nothing that
//! a log must not hold.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use cloakroom::cookie::cookie_value;
use cloakroom::observe::{
    EndCause, EventSubject, Observer, RefusalCause, SaveOutcome, StoreOperation,
};
use cloakroom::policy::{DuplicateCookies, PolicyBuilder, RequestInfo};
use cloakroom::store::conformance::FaultInjectingStore;
use cloakroom::store::{NewRecord, Store};
use cloakroom::{
    Clock, KeyRing, Manager, ManualClock, Policy, Secure, Session, SessionId, Timestamp,
};

use super::app::App;
use super::browser::Browser;
use super::site::{Framework, Site};
use crate::support::servers::{connect, on_one_store};
use crate::support::{SECRET, keys};

/// Notes the events in words, the names of operations, and every subject.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Recorded>>);

#[derive(Default)]
struct Recorded {
    events: Vec<String>,
    operations: Vec<&'static str>,
    subjects: Vec<EventSubject>,
}

impl Recorder {
    fn note(&self, event: impl Into<String>, subject: &EventSubject) {
        let mut recorded = self.0.lock().unwrap();
        recorded.events.push(event.into());
        recorded.subjects.push(subject.clone());
    }

    /// Returns the events since the last call.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().events)
    }

    /// Returns the operations of the store since the last call.
    fn take_operations(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().unwrap().operations)
    }

    /// Fails if a subject holds one of these texts.
    fn never_held(&self, secrets: &[String]) {
        let recorded = self.0.lock().unwrap();
        assert!(!recorded.subjects.is_empty());
        let said = format!("{:?}", recorded.subjects);
        for secret in secrets {
            assert!(!secret.is_empty() && !said.contains(secret), "{said}");
        }
    }

    fn last(&self) -> EventSubject {
        self.0.lock().unwrap().subjects.last().unwrap().clone()
    }
}

impl Observer for Recorder {
    fn opened(&self, session: &EventSubject) {
        self.note("opened", session);
    }

    fn opened_by_old_key(&self, session: &EventSubject) {
        self.note("by old key", session);
    }

    fn created(&self, session: &EventSubject) {
        self.note("created", session);
    }

    fn signed_in(&self, session: &EventSubject) {
        self.note("signed in", session);
    }

    fn renewed(&self, session: &EventSubject) {
        self.note("renewed", session);
    }

    fn saved(&self, session: &EventSubject, outcome: SaveOutcome) {
        self.note(format!("saved {}", outcome.as_str()), session);
    }

    fn joined(&self, saves: usize) {
        self.note(format!("joined {saves}"), &EventSubject::unknown());
    }

    fn ended(&self, session: &EventSubject, cause: EndCause, sessions: u64) {
        self.note(format!("ended {} {sessions}", cause.as_str()), session);
    }

    fn refused(&self, client: &EventSubject, cause: RefusalCause) {
        self.note(format!("refused {}", cause.as_str()), client);
    }

    fn csrf_refused(&self, client: &EventSubject) {
        self.note("csrf refused", client);
    }

    fn attempts_throttled(&self, client: &EventSubject, retry_after: Duration) {
        self.note(format!("throttled {}", retry_after.as_secs()), client);
    }

    fn store_operation(&self, operation: &StoreOperation) {
        let mut recorded = self.0.lock().unwrap();
        recorded.operations.push(operation.name);
    }
}

async fn site(framework: Framework, url: &str) -> (Site, Recorder) {
    let recorder = Recorder::default();
    let mut app = App::new(connect(url).await);
    for manager in [&mut app.manager, &mut app.side, &mut app.strict] {
        *manager = manager.clone().observer(recorder.clone());
    }
    app.attempts = app.attempts.observer(recorder.clone());
    (Site::serve(framework, app).await, recorder)
}

/// Plants a value in a browser of its own, and returns what a request with it causes.
async fn shown(site: &Site, recorder: &Recorder, value: &str) -> Vec<String> {
    let mut browser = site.browser();
    browser.plant(value);
    browser.get("/").await;
    recorder.take()
}

async fn every_event_once(framework: Framework, url: &str) {
    let (site, recorder) = site(framework, url).await;
    let (mut desk, user) = (site.browser(), site.user("ada"));
    let mut secrets = vec![SECRET.to_owned()];

    // A request without a cookie, and one that leaves nothing, are no events, and no operation of the store.
    desk.get("/").await;
    assert_eq!(recorder.take(), [""; 0]);
    assert_eq!(recorder.take_operations(), [""; 0]);

    desk.post("/cart", &[]).await;
    assert_eq!(recorder.take(), ["created", "saved written"]);
    assert_eq!(recorder.take_operations(), ["create"]);
    secrets.push(desk.ticket());

    desk.login(&user).await;
    let login = ["opened", "renewed", "saved written", "signed in"];
    assert_eq!(recorder.take(), login);
    assert_eq!(recorder.take_operations(), ["get", "replace"]);
    let signed_in = recorder.last();
    assert_eq!(signed_in.user.as_deref(), Some(&*user));
    assert!(signed_in.address.is_some_and(|it| it.is_loopback()));
    let devices = desk.get("/devices").await.body;
    assert!(
        devices.starts_with(&*signed_in.handle.unwrap()),
        "the handle is the device's"
    );
    recorder.take();
    recorder.take_operations();
    secrets.push(desk.ticket());

    desk.get("/").await;
    assert_eq!(recorder.take(), ["opened"]);
    assert_eq!(recorder.take_operations(), ["get"]);
    desk.get("/count").await;
    assert_eq!(recorder.take(), ["opened", "saved written"]);
    desk.post("/regenerate", &[]).await;
    assert_eq!(recorder.take(), ["opened", "renewed", "saved written"]);

    // Cookies that open nothing.
    let ticket = desk.ticket();
    let forged = format!("{ticket}x");
    assert_eq!(
        shown(&site, &recorder, &forged).await,
        ["refused signature"]
    );
    let short = cookie_value(&SessionId::from_store("short"), &keys());
    assert_eq!(shown(&site, &recorder, &short).await, ["refused grammar"]);
    let unknown = cookie_value(&SessionId::random(), &keys());
    assert_eq!(shown(&site, &recorder, &unknown).await, ["refused unknown"]);

    // Endings.
    let mut phone = site.browser();
    phone.login(&user).await;
    let first = ["created", "saved written", "signed in"];
    assert_eq!(recorder.take(), first);
    desk.post("/password/changed", &[]).await;
    let changed = recorder.take();
    let expected = [
        "opened",
        "renewed",
        "saved written",
        "signed in",
        "ended everywhere 1",
    ];
    assert_eq!(changed, expected);
    let handle = desk.get("/devices").await.body;
    let handle = handle.split(' ').next().unwrap().to_owned();
    phone.login(&user).await;
    recorder.take();
    phone.post("/devices/end", &[("handle", &*handle)]).await;
    assert_eq!(recorder.take(), ["opened", "ended logout 1"]);
    assert_eq!(recorder.last().handle, Some(handle));
    let mut thief = phone.copy();
    phone.post("/logout", &[]).await;
    assert_eq!(recorder.take(), ["opened", "ended logout 1"]);
    assert_eq!(recorder.last().user.as_deref(), Some(&*user));
    thief.get("/").await;
    assert_eq!(recorder.take(), ["refused retired"]);
    by_operators_limits_and_time(&site, &recorder).await;

    let cross = desk
        .request(Method::POST, "/cart")
        .header("sec-fetch-site", "cross-site");
    let answer = desk.send(cross, "").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(recorder.take(), ["csrf refused"]);
    throttled(&mut site.browser(), &user, &recorder).await;
    let values = secrets.iter().flat_map(|secret| secret.split(['.', ':']));
    let values: Vec<String> = values
        .map(str::to_owned)
        .filter(|it| it.len() > 3)
        .collect();
    recorder.never_held(&values);
}

async fn by_operators_limits_and_time(site: &Site, recorder: &Recorder) {
    let (user, mut browser) = (site.user("eve"), site.browser());
    for _ in 0..2 {
        site.browser().login(&user).await;
    }
    recorder.take();
    let ended = site.app.manager.end_sessions_of(&user, None).await.unwrap();
    assert_eq!(ended, 2);
    assert_eq!(recorder.take(), ["ended operator 2"]);
    browser.login(&user).await;
    recorder.take();
    let ids = site.app.manager.sessions_of(&user).await.unwrap();
    assert!(site.app.manager.end_session(&ids[0]).await.unwrap());
    assert_eq!(recorder.take(), ["ended operator 1"]);
    assert_eq!(recorder.last().user.as_deref(), Some(&*user));

    browser.login(&user).await;
    recorder.take();
    jobs_of_operators(site, recorder, &user).await;

    browser.login(&user).await;
    site.browser().login(&user).await;
    recorder.take();
    browser.post("/logout-everywhere", &[]).await;
    let expected = ["opened", "ended operator 1", "ended logout 1"];
    assert_eq!(recorder.take(), expected);

    for _ in 0..2 {
        site.browser().post("/side/login", &[("user", &user)]).await;
        site.app.clock.advance(Duration::from_secs(1));
    }
    recorder.take();
    site.browser().post("/side/login", &[("user", &user)]).await;
    let expected = ["created", "saved written", "signed in", "ended limit 1"];
    assert_eq!(recorder.take(), expected);

    browser.login(&user).await;
    let ticket = browser.ticket();
    site.app.clock.advance(Duration::from_hours(25));
    recorder.take();
    let expected = ["ended absolute 1", "refused unknown"];
    assert_eq!(shown(site, recorder, &ticket).await, expected);
    site.app.clock.set(Clock::System.now());
}

/// What is done to a session outside every request; what changes nothing is no event.
async fn jobs_of_operators(site: &Site, recorder: &Recorder, user: &str) {
    let manager = &site.app.manager;
    let id = manager.sessions_of(user).await.unwrap().swap_remove(0);
    for expected in [&["saved written"][..], &[]] {
        let set = manager.change(&id, |session| {
            session.insert_raw("plan", serde_json::value::RawValue::TRUE)
        });
        assert!(set.await.unwrap());
        assert_eq!(recorder.take(), expected);
    }
    assert_eq!(manager.set_roles_of(user, ["editor"]).await.unwrap(), 1);
    assert_eq!(recorder.take(), ["saved written"]);
    let device = manager.devices_of(user, None).await.unwrap().swap_remove(0);
    assert_eq!(recorder.last().handle.as_deref(), Some(&*device.handle));
    for expected in [&["ended operator 1"][..], &[]] {
        let _ = manager.end_device_of(user, &device.handle).await.unwrap();
        assert_eq!(recorder.take(), expected);
    }
    assert_eq!(recorder.last().user.as_deref(), Some(user));
}

async fn throttled(browser: &mut Browser, user: &str, recorder: &Recorder) {
    let guess = [("user", user), ("password", "guess")];
    for _ in 0..3 {
        browser.post("/try", &guess).await;
    }
    assert_eq!(recorder.take(), [""; 0]);
    let answer = browser.post("/try", &guess).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(recorder.take(), ["throttled 60"]);
    assert_eq!(recorder.last().user.as_deref(), Some(user));
}

async fn on_axum(url: &str) {
    every_event_once(Framework::Axum, url).await;
}

async fn on_actix(url: &str) {
    every_event_once(Framework::Actix, url).await;
}

/// A manager with a store that can be held up, and the policy changed.
struct Direct {
    manager: Manager,
    store: FaultInjectingStore,
    recorder: Recorder,
}

impl Direct {
    async fn new(url: &str, change: impl FnOnce(PolicyBuilder) -> PolicyBuilder) -> Self {
        Self::by(url, keys(), change).await
    }

    async fn by(
        url: &str,
        keys: KeyRing,
        change: impl FnOnce(PolicyBuilder) -> PolicyBuilder,
    ) -> Self {
        let (store, recorder) = (
            FaultInjectingStore::new(connect(url).await),
            Recorder::default(),
        );
        let policy = change(Policy::builder(keys).secure(Secure::Never))
            .build()
            .unwrap();
        let manager = Manager::with_clock(policy, Arc::new(store.clone()), Clock::System);
        Self {
            manager: manager.observer(recorder.clone()),
            store,
            recorder,
        }
    }

    async fn open(&self, cookies: &str) -> Session {
        let opening = self
            .manager
            .open([cookies.as_bytes()], RequestInfo::default());
        opening.await.unwrap()
    }

    /// Begins a session, and returns the Cookie field that leads to it.
    async fn begun(&self) -> String {
        let session = self.open("").await;
        session.insert("a", 1).unwrap();
        let field = self
            .manager
            .close(&session)
            .await
            .unwrap()
            .set_cookie
            .unwrap();
        self.recorder.take();
        field.split(';').next().unwrap().to_owned()
    }
}

async fn saves_by_their_outcome(url: &str) {
    let direct = Direct::new(url, |policy| policy).await;
    let (recorder, cookie) = (&direct.recorder, direct.begun().await);
    let (one, other) = (direct.open(&cookie).await, direct.open(&cookie).await);
    recorder.take();
    one.insert("b", 1).unwrap();
    one.save().await.unwrap();
    assert_eq!(recorder.take(), ["saved written"]);
    other.insert("c", 1).unwrap();
    other.save().await.unwrap();
    assert_eq!(recorder.take(), ["saved merged"]);
    other
        .update("c", |n: Option<u32>| n.unwrap_or(0) + 1)
        .await
        .unwrap();
    assert_eq!(recorder.take(), ["saved written"]);
    one.insert("b", 2).unwrap();
    direct
        .store
        .fail_call(1, cloakroom::store::StoreErrorKind::Invalid);
    one.save().await.unwrap_err();
    assert_eq!(recorder.take(), ["saved failed"]);
    direct.store.lose_answer_of_call(1);
    one.save().await.unwrap_err();
    assert_eq!(recorder.take(), ["saved unknown"]);
    other.destroy().await.unwrap();
    assert_eq!(recorder.take(), ["ended logout 1"]);
    one.insert("b", 3).unwrap();
    one.save().await.unwrap_err();
    assert_eq!(recorder.take(), ["saved gone"]);
}

/// Counts sessions that were opened, and whether each had a name.
#[derive(Clone, Default)]
struct Counter(Arc<Mutex<Vec<bool>>>);

impl Observer for Counter {
    fn asks_who(&self) -> bool {
        false
    }

    fn opened(&self, session: &EventSubject) {
        self.0.lock().unwrap().push(session.handle.is_some());
    }
}

/// One that does not ask who comes costs no hash; beside one that does it is told as well.
async fn who_it_is_costs_nothing_where_nobody_asks(url: &str) {
    let direct = Direct::new(url, |policy| policy).await;
    let (cookie, counter) = (direct.begun().await, Counter::default());
    let policy = direct.manager.policy().clone();
    let alone = Manager::with_clock(policy, Arc::new(direct.store.clone()), Clock::System);
    let alone = alone.observer(counter.clone());
    let both = direct.manager.clone().observer(counter.clone());
    for manager in [alone, both] {
        let opening = manager.open([cookie.as_bytes()], RequestInfo::default());
        assert!(opening.await.unwrap().handle().is_some());
    }
    assert_eq!(*counter.0.lock().unwrap(), [false, true]);
}

async fn saves_that_become_one(url: &str) {
    let direct = Direct::new(url, |policy| policy).await;
    let cookie = direct.begun().await;
    let mut sessions = Vec::new();
    for n in 0..3 {
        let session = direct.open(&cookie).await;
        session.insert(format!("k{n}").as_str(), n).unwrap();
        sessions.push(session);
    }
    direct.recorder.take();
    direct.store.hold_answers();
    let saves: Vec<_> = sessions
        .into_iter()
        .map(|session| tokio::spawn(async move { session.save().await }))
        .collect();
    // The first waits for its answer by then, the others for the first.
    tokio::time::sleep(Duration::from_millis(300)).await;
    direct.store.work();
    for save in saves {
        save.await.unwrap().unwrap();
    }
    let mut events = direct.recorder.take();
    events.sort_unstable();
    let expected = [
        "joined 2",
        "saved written",
        "saved written",
        "saved written",
    ];
    assert_eq!(events, expected);
}

async fn a_reset_ends_one_session_and_begins_another(url: &str) {
    let direct = Direct::new(url, |policy| policy).await;
    let session = direct.open(&direct.begun().await).await;
    session.reset().unwrap();
    session.insert("b", 1).unwrap();
    direct.recorder.take();
    direct.manager.close(&session).await.unwrap();
    let expected = ["ended renewed 1", "created", "saved written"];
    assert_eq!(direct.recorder.take(), expected);
}

async fn endings_of_ones_own_sessions_are_told_once(url: &str) {
    let direct = Direct::new(url, |policy| policy).await;
    let user = SessionId::random().expose()[..8].to_owned();
    let mut sessions = Vec::new();
    for _ in 0..3 {
        let session = direct.open("").await;
        session.login(&user).await.unwrap();
        session.save().await.unwrap();
        sessions.push(session);
    }
    direct.recorder.take();
    let ended = sessions[0].end_others().await.unwrap();
    assert_eq!(
        (ended, direct.recorder.take()),
        (2, vec!["ended everywhere 2".to_owned()])
    );
    let ended = sessions[0].end_all().await.unwrap();
    assert_eq!(
        (ended, direct.recorder.take()),
        (1, vec!["ended everywhere 1".to_owned()])
    );
    assert_eq!(direct.recorder.last().user, Some(user));
}

async fn an_unreadable_record_ends_with_its_cause(url: &str) {
    let direct = Direct::new(url, |policy| policy).await;
    let id = SessionId::random();
    let entry = NewRecord {
        text: "[]".into(),
        expires: Timestamp::from(std::time::SystemTime::now()).after(Duration::from_mins(1)),
        users: Vec::new(),
    };
    direct.store.create(&id, &entry).await.unwrap();
    let cookie = format!("connect.sid={}", cookie_value(&id, &keys()));
    let session = direct.open(&cookie).await;
    session.insert("a", 1).unwrap();
    session.save().await.unwrap();
    session.login("ada").await.unwrap();
    direct.manager.close(&session).await.unwrap();
    let events = direct.recorder.take();
    let ended = events.iter().filter(|it| it.starts_with("ended")).count();
    assert_eq!(ended, 1, "{events:?}");
    assert!(
        events.contains(&"ended unreadable 1".to_owned()),
        "{events:?}"
    );
}

async fn cookies_of_rings_prefixes_and_duplicates(url: &str) {
    let prefixed = Direct::new(url, |policy| {
        policy.name("__Host-sid").secure(Secure::Always)
    })
    .await;
    prefixed.open("sid=s%3Ax.y").await;
    assert_eq!(prefixed.recorder.take(), ["refused prefix"]);
    prefixed.open("other=1").await;
    assert_eq!(prefixed.recorder.take(), [""; 0]);

    let strict = Direct::new(url, |policy| {
        policy.duplicate_cookies(DuplicateCookies::Reject)
    })
    .await;
    let both = [strict.begun().await, strict.begun().await].join("; ");
    strict.open(&both).await;
    assert_eq!(strict.recorder.take(), ["refused duplicate"]);

    let old = Direct::new(url, |policy| policy).await;
    let cookie = old.begun().await;
    let ring = KeyRing::from_secrets(["a newer secret of these tests, as long", SECRET]).unwrap();
    let rotated = Manager::with_clock(
        Policy::builder(ring).secure(Secure::Never).build().unwrap(),
        Arc::new(old.store.clone()),
        ManualClock::at(Clock::System.now()),
    );
    let rotated = rotated.observer(old.recorder.clone());
    let opening = rotated.open([cookie.as_bytes()], RequestInfo::default());
    opening.await.unwrap();
    assert_eq!(old.recorder.take(), ["opened", "by old key"]);
}

on_one_store!(memory: on_axum on_actix saves_by_their_outcome saves_that_become_one who_it_is_costs_nothing_where_nobody_asks
    a_reset_ends_one_session_and_begins_another endings_of_ones_own_sessions_are_told_once an_unreadable_record_ends_with_its_cause
    cookies_of_rings_prefixes_and_duplicates);
on_one_store!(redis: on_axum on_actix saves_by_their_outcome saves_that_become_one
    a_reset_ends_one_session_and_begins_another endings_of_ones_own_sessions_are_told_once an_unreadable_record_ends_with_its_cause
    cookies_of_rings_prefixes_and_duplicates);
