//! How long a session lives, and what changes its id.

use std::sync::Arc;
use std::time::Duration;

use cloakroom::policy::{OnStoreError, PolicyBuilder, RequestInfo};
use cloakroom::store::conformance::Faulty;
use cloakroom::store::{Store, StoreErrorKind};
use cloakroom::{Manager, ManualClock, MemoryStore, Policy, Session, SessionError};
use serde::{Deserialize, Serialize};

use crate::support::{clock, keys, memory};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// One visitor's browser, without HTTP between.
struct Visit {
    manager: Manager,
    store: MemoryStore,
    faulty: Faulty,
    clock: ManualClock,
    cookie: Option<String>,
    /// The last Set-Cookie field.
    sent: Option<String>,
}

impl Visit {
    fn new(builder: PolicyBuilder) -> Self {
        let clock = clock();
        let store = memory(&clock);
        let faulty = Faulty::new(Arc::new(store.clone()));
        let policy = builder.build().unwrap();
        let manager = Manager::with_clock(policy, Arc::new(faulty.clone()), clock.clone());
        Self {
            manager,
            store,
            faulty,
            clock,
            cookie: None,
            sent: None,
        }
    }

    async fn open(&self) -> Session {
        let mut request = RequestInfo::default();
        request.is_secure = true;
        self.manager
            .open(self.cookie.iter().map(String::as_bytes), request)
            .await
            .unwrap()
    }

    async fn close(&mut self, session: &Session) {
        let closing = self.manager.close(session).await.unwrap();
        if let Some(field) = &closing.set_cookie {
            let pair = field.split(';').next().unwrap();
            self.cookie = Some(pair.to_owned()).filter(|pair| !pair.ends_with('='));
        }
        self.sent = closing.set_cookie;
    }

    /// A request that does something to the session.
    async fn request(&mut self, handle: impl FnOnce(&Session)) {
        let session = self.open().await;
        handle(&session);
        self.close(&session).await;
    }

    async fn set(&mut self, key: &str) {
        self.request(|session| session.insert(key, true).unwrap())
            .await;
    }

    /// A request that reads; whether the session is the one from before.
    async fn read(&mut self) -> bool {
        let session = self.open().await;
        self.close(&session).await;
        !session.is_new()
    }
}

#[tokio::test]
async fn an_idle_session_ends_and_one_in_use_lives_on() {
    let mut visit = Visit::new(Policy::builder(keys()));
    visit.set("a").await;
    for _ in 0..10 {
        visit.clock.advance(29 * MINUTE);
        assert!(visit.read().await);
    }
    visit.clock.advance(31 * MINUTE);
    assert!(!visit.read().await);
}

#[tokio::test]
async fn nothing_moves_the_absolute_time_out() {
    let mut visit = Visit::new(Policy::builder(keys()));
    visit.set("a").await;
    for minute in 1..72 {
        visit.clock.advance(20 * MINUTE);
        assert!(visit.read().await, "after {} minutes", minute * 20);
        if minute % 9 == 0 {
            visit.set("b").await;
            visit.request(|session| session.regenerate().unwrap()).await;
        }
    }
    visit.clock.advance(20 * MINUTE);
    assert!(!visit.read().await, "24 hours are over");
}

#[tokio::test]
async fn a_session_kept_alive_from_outside_ends_at_its_absolute_time_out() {
    let mut visit = Visit::new(Policy::builder(keys()));
    visit.set("a").await;
    let id = visit.open().await.id();
    let stored = visit.store.get(&id).await.unwrap().unwrap();
    let entry = cloakroom::store::Entry {
        text: stored.text.clone(),
        expires: stored.expires.after(48 * HOUR),
        user: None,
    };
    visit.store.touch(&id, &stored.text, &entry).await.unwrap();
    visit.clock.advance(25 * HOUR);
    assert!(!visit.read().await);
    assert_eq!(
        visit.store.get(&id).await.unwrap(),
        None,
        "it is taken out of the store as well"
    );
}

#[tokio::test]
async fn a_clock_that_jumps_back_extends_no_absolute_time_out() {
    let mut visit = Visit::new(Policy::builder(keys()));
    visit.set("a").await;
    let began = visit.clock.now();
    let deadline = visit.open().await.deadline();
    visit.clock.set(cloakroom::Timestamp::from_millis(
        began.as_millis() - 3_600_000,
    ));
    visit.set("b").await;
    assert_eq!(visit.open().await.deadline(), deadline);
}

#[tokio::test]
async fn sessions_of_another_writer_get_an_absolute_time_out_when_they_are_first_used() {
    let mut visit = Visit::new(Policy::builder(keys()));
    visit.set("a").await;
    let id = visit.open().await.id();
    let stored = visit.store.get(&id).await.unwrap().unwrap();
    let foreign = stored.text.split(",\"_ck\"").next().unwrap().to_owned() + "}";
    let entry = cloakroom::store::Entry {
        text: foreign.as_str().into(),
        expires: stored.expires,
        user: None,
    };
    visit.store.update(&id, &stored.text, &entry).await.unwrap();
    assert!(visit.read().await);
    let stored = visit.store.get(&id).await.unwrap().unwrap();
    assert!(
        stored.text.contains("\"_ck\":{\"created\":"),
        "{}",
        &*stored.text
    );
}

#[tokio::test]
async fn a_read_writes_only_when_enough_time_is_used_up() {
    let mut visit = Visit::new(Policy::builder(keys()));
    visit.set("a").await;
    visit.faulty.take_calls();
    visit.clock.advance(MINUTE);
    visit.read().await;
    assert_eq!(
        visit.faulty.take_calls(),
        ["get"],
        "a twentieth of 30 minutes is not used up"
    );
    visit.clock.advance(MINUTE);
    visit.read().await;
    assert_eq!(visit.faulty.take_calls(), ["get", "touch"]);
    visit.request(Session::touch).await;
    assert_eq!(
        visit.faulty.take_calls(),
        ["get", "touch"],
        "asked for by name"
    );
}

#[tokio::test]
async fn a_visitor_who_leaves_nothing_costs_nothing() {
    let mut visit = Visit::new(Policy::builder(keys()));
    for _ in 0..1000 {
        visit.read().await;
        visit.request(|session| session.remove("a").unwrap()).await;
        assert_eq!(visit.sent, None);
    }
    assert_eq!(visit.faulty.take_calls(), Vec::<&str>::new());
    assert_eq!(visit.store.count().await.unwrap(), 0);
}

#[tokio::test]
async fn one_round_trip_reads_and_one_writes() {
    let mut visit = Visit::new(Policy::builder(keys()));
    visit.set("a").await;
    assert_eq!(visit.faulty.take_calls(), ["create"]);
    visit.set("b").await;
    assert_eq!(visit.faulty.take_calls(), ["get", "update"]);
    visit.request(|session| session.regenerate().unwrap()).await;
    assert_eq!(visit.faulty.take_calls(), ["get", "replace"]);
}

#[tokio::test]
async fn regenerate_changes_the_id_and_keeps_the_data() {
    let mut visit = Visit::new(Policy::builder(keys()));
    visit.set("cart").await;
    let planted = visit.cookie.clone();
    let old = visit.open().await.id();
    visit
        .request(|session| {
            session.regenerate().unwrap();
            session.insert("userId", "ada").unwrap();
        })
        .await;
    assert_ne!(visit.cookie, planted);
    let session = visit.open().await;
    assert_eq!(session.keys(), ["cart", "userId"]);
    assert_eq!(visit.store.get(&old).await.unwrap(), None);
    visit.cookie = planted;
    assert!(!visit.read().await, "the old id stopped working");
}

#[tokio::test]
async fn an_old_id_is_renewed_without_being_asked() {
    let mut visit = Visit::new(Policy::builder(keys()).renewal_timeout(10 * MINUTE));
    visit.set("a").await;
    let first = visit.cookie.clone();
    visit.clock.advance(9 * MINUTE);
    visit.read().await;
    assert_eq!(visit.cookie, first);
    visit.clock.advance(MINUTE);
    assert!(visit.read().await || visit.cookie != first);
    assert_ne!(visit.cookie, first);
    assert_eq!(visit.open().await.get("a").unwrap(), Some(true));
}

#[tokio::test]
async fn ids_are_hashed_at_rest_where_the_policy_says_so() {
    let mut visit = Visit::new(Policy::builder(keys()).hash_ids_at_rest(true));
    visit
        .request(|session| session.insert("userId", "ada").unwrap())
        .await;
    let session = visit.open().await;
    assert!(!session.is_new());
    assert_eq!(visit.store.get(&session.id()).await.unwrap(), None);
    assert_eq!(visit.store.count().await.unwrap(), 1);
    assert_eq!(
        visit
            .manager
            .end_sessions_of("ada", Some(&session))
            .await
            .unwrap(),
        0
    );
    assert_eq!(visit.manager.end_sessions_of("ada", None).await.unwrap(), 1);
    assert!(!visit.read().await);
}

#[tokio::test]
async fn what_was_destroyed_is_gone_and_its_cookie_too() {
    let mut visit = Visit::new(Policy::builder(keys()));
    visit.set("a").await;
    let replayed = visit.cookie.clone();
    let session = visit.open().await;
    session.destroy().await.unwrap();
    assert!(matches!(session.insert("b", 1), Err(SessionError::Ended)));
    assert!(matches!(session.destroy().await, Err(SessionError::Ended)));
    visit.close(&session).await;
    let sent = visit.sent.clone().unwrap();
    assert!(sent.starts_with(
        "connect.sid=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure"
    ));
    visit.cookie = replayed;
    assert!(!visit.read().await);
    assert_eq!(visit.store.count().await.unwrap(), 0);
}

#[tokio::test]
async fn a_new_session_may_follow_a_destroyed_one_at_once() {
    let mut visit = Visit::new(Policy::builder(keys()));
    visit.set("a").await;
    let session = visit.open().await;
    session.destroy().await.unwrap();
    session.reset();
    session.insert("flash", "goodbye").unwrap();
    visit.close(&session).await;
    assert_eq!(visit.open().await.keys(), ["flash"]);
    assert_eq!(visit.store.count().await.unwrap(), 1);
}

#[tokio::test]
async fn a_session_that_ended_elsewhere_is_not_revived_and_its_cookie_left_alone() {
    let mut visit = Visit::new(Policy::builder(keys()));
    visit.set("a").await;
    let (slow, other) = (visit.open().await, visit.open().await);
    other.destroy().await.unwrap();
    slow.insert("late", true).unwrap();
    assert!(matches!(slow.save().await, Err(SessionError::Gone)));
    visit.close(&slow).await;
    assert_eq!(visit.sent, None);
    assert_eq!(visit.store.count().await.unwrap(), 0);
}

#[derive(Serialize, Deserialize, Default, PartialEq, Debug)]
#[serde(default)]
struct Shop {
    views: u32,
    theme: Option<String>,
    cart: std::collections::BTreeMap<String, u32>,
}

#[tokio::test]
async fn a_typed_session_is_saved_field_by_field() {
    let mut visit = Visit::new(Policy::builder(keys()));
    visit
        .request(|session| session.insert("other", "untouched").unwrap())
        .await;
    let (one, two) = (visit.open().await, visit.open().await);
    one.typed::<Shop>().unwrap().views += 1;
    two.typed::<Shop>().unwrap().theme = Some("dark".into());
    visit.close(&one).await;
    visit.close(&two).await;
    let session = visit.open().await;
    let shop = session.typed::<Shop>().unwrap();
    assert_eq!(
        *shop,
        Shop {
            views: 1,
            theme: Some("dark".into()),
            ..Shop::default()
        }
    );
    assert_eq!(
        session.get::<String>("other").unwrap().as_deref(),
        Some("untouched")
    );
    assert_eq!(
        session.keys(),
        ["other", "views", "theme"],
        "what did not change is not written"
    );
}

#[tokio::test]
async fn a_store_that_is_down_is_never_an_empty_session() {
    let mut visit = Visit::new(Policy::builder(keys()));
    visit.set("a").await;
    visit.faulty.fail(StoreErrorKind::Unavailable);
    let cookies = visit.cookie.iter().map(String::as_bytes);
    let error = visit
        .manager
        .open(cookies, RequestInfo::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    visit.faulty.work();
    assert!(visit.read().await);
}

#[tokio::test]
async fn a_save_that_fails_is_an_error_and_a_touch_that_fails_is_none() {
    let mut visit = Visit::new(Policy::builder(keys()));
    visit.set("a").await;
    visit.clock.advance(10 * MINUTE);
    let (reads, writes) = (visit.open().await, visit.open().await);
    writes.insert("b", 1).unwrap();
    visit.faulty.fail(StoreErrorKind::Unavailable);
    assert_eq!(visit.manager.close(&reads).await.unwrap().set_cookie, None);
    assert!(
        visit
            .manager
            .close(&writes)
            .await
            .unwrap_err()
            .is_temporary()
    );
}

#[tokio::test]
async fn without_a_store_a_policy_may_let_requests_go_on_anonymously() {
    let mut visit = Visit::new(Policy::builder(keys()).on_store_error(OnStoreError::Anonymous));
    visit.set("a").await;
    visit.faulty.fail(StoreErrorKind::Unavailable);
    let session = visit.open().await;
    assert_eq!(session.keys(), Vec::<String>::new());
    session.insert("b", 1).unwrap();
    visit.faulty.work();
    visit.close(&session).await;
    assert_eq!(visit.sent, None, "its cookie is left alone");
    assert_eq!(visit.open().await.keys(), ["a"], "and so is its record");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_is_given_up_in_time() {
    let mut visit = Visit::new(Policy::builder(keys()));
    visit.set("a").await;
    visit.faulty.hang();
    let started = tokio::time::Instant::now();
    let cookies = visit.cookie.iter().map(String::as_bytes);
    let error = visit
        .manager
        .open(cookies, RequestInfo::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert_eq!(started.elapsed(), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_is_lost_is_never_called_done() {
    let mut visit = Visit::new(Policy::builder(keys()));
    visit.set("a").await;
    let session = visit.open().await;
    session.insert("b", 1).unwrap();
    visit.faulty.lose_answers();
    let error = session.save().await.unwrap_err();
    assert!(
        matches!(&error, SessionError::Store(error) if error.kind() == StoreErrorKind::Unknown)
    );
    visit.faulty.work();
    assert_eq!(
        visit.open().await.keys(),
        ["a", "b"],
        "it was done all the same"
    );
}

#[tokio::test]
async fn secrets_are_rotated_without_a_logout() {
    let old = "an old secret of thirty-two bytes and more";
    let ring = cloakroom::KeyRing::new(old).unwrap();
    let mut visit = Visit::new(Policy::builder(ring.clone()));
    visit.set("a").await;
    let signed_by_old = visit.cookie.clone();
    ring.exchange(&keys().and_verify(old).unwrap());
    assert!(visit.read().await);
    assert_ne!(
        visit.cookie, signed_by_old,
        "it was signed anew when it was used"
    );
    ring.exchange(&keys());
    assert!(visit.read().await);
    visit.cookie = signed_by_old;
    assert!(!visit.read().await, "the old secret counts no more");
}

#[tokio::test]
async fn application_code_may_use_the_session_inside_its_own_functions() {
    let mut visit = Visit::new(Policy::builder(keys()));
    visit.set("a").await;
    let session = visit.open().await;
    let inner = session.clone();
    let n = session
        .update("n", move |n: Option<u32>| {
            inner.insert("seen", true).unwrap();
            n.unwrap_or(0) + 1
        })
        .await
        .unwrap();
    assert_eq!(n, 1);
    session.cookie_mut(|cookie| {
        assert!(!session.is_new());
        cookie.http_only(true);
    });
    visit.close(&session).await;
    assert_eq!(visit.open().await.keys(), ["a", "n", "seen"]);
}
