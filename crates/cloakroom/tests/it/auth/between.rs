//! Logins and logouts that race other requests, lost replies and a store that is unavailable.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cloakroom::policy::{AtLimit, OnStoreError, PolicyBuilder, RequestInfo};
use cloakroom::store::StoreErrorKind;
use cloakroom::store::conformance::FaultInjectingStore;
use cloakroom::{Manager, MemoryStore, Session, SessionError};
use tokio::task::{JoinHandle, yield_now};

use super::policy;

/// A store that fails on demand, and the store behind it.
struct Shop {
    manager: Manager,
    faulty: FaultInjectingStore,
}

impl Shop {
    fn new(settings: impl FnOnce(PolicyBuilder) -> PolicyBuilder) -> Self {
        let faulty = FaultInjectingStore::new(Arc::new(MemoryStore::new()));
        let policy = settings(policy()).build().unwrap();
        Self {
            manager: Manager::new(policy, faulty.clone()),
            faulty,
        }
    }

    async fn open(&self, cookie: &str) -> Session {
        let opening = self
            .manager
            .open([cookie.as_bytes()], RequestInfo::default());
        opening.await.unwrap()
    }

    /// Ends a request; the cookie that its client has then, which had `cookie`.
    async fn close(&self, session: &Session, cookie: &str) -> String {
        let sent = self.manager.close(session).await.unwrap().set_cookie;
        let sent = sent.as_deref().and_then(|field| field.split(';').next());
        sent.unwrap_or(cookie).to_owned()
    }

    async fn signed_in(&self, user: &str) -> String {
        let session = self.open("").await;
        session.login(user).await.unwrap();
        self.close(&session, "").await
    }

    async fn user(&self, cookie: &str) -> Option<String> {
        self.open(cookie).await.user()
    }
}

fn is_unavailable<T>(outcome: Result<T, SessionError>) -> bool {
    matches!(outcome, Err(SessionError::Store(error)) if error.kind() == StoreErrorKind::Unavailable)
}

/// The second user finds nothing that the first user's concurrent requests store.
#[tokio::test]
async fn a_login_discards_what_another_user_stored_meanwhile() {
    for cleared in [false, true] {
        let shop = Shop::new(|policy| policy.clear_on_login(cleared));
        let cookie = shop.signed_in("ada").await;
        let (login, slow) = (shop.open(&cookie).await, shop.open(&cookie).await);
        slow.insert("orders", "of ada").unwrap();
        let user = if cleared { "ada" } else { "eve" };
        login.login(user).await.unwrap();
        shop.close(&slow, &cookie).await;
        let cookie = shop.close(&login, &cookie).await;
        let session = shop.open(&cookie).await;
        assert_eq!(session.user().as_deref(), Some(user));
        assert_eq!(session.get::<String>("orders").unwrap(), None, "{user}");
    }
}

/// Express changed `passport` and kept the rest (`keepSessionInfo`): a user who signs in here must not be
/// another user there.
#[tokio::test]
async fn a_session_that_names_two_users_is_cleared_for_either() {
    for user in ["ada", "eve"] {
        let shop = Shop::new(|policy| policy);
        let session = shop.open("").await;
        session.insert("userId", "ada").unwrap();
        session.insert_raw("passport", r#"{"user":"eve"}"#).unwrap();
        session.insert("cart", "a hat").unwrap();
        let cookie = shop.close(&session, "").await;
        let session = shop.open(&cookie).await;
        session.login(user).await.unwrap();
        let cookie = shop.close(&session, &cookie).await;
        let session = shop.open(&cookie).await;
        assert_eq!(session.keys(), ["userId"], "{user}");
        assert_eq!(session.user().as_deref(), Some(user));
    }
}

/// Runs what another task does with the session up to the store, calls `meanwhile`, and lets the store
/// answer.
async fn meanwhile<F>(shop: &Shop, under_way: F, meanwhile: impl AsyncFnOnce())
where
    F: Future<Output = Result<(), SessionError>> + Send + 'static,
{
    shop.faulty.hold_answers();
    let under_way = tokio::spawn(under_way);
    for _ in 0..8 {
        yield_now().await;
    }
    meanwhile().await;
    shop.faulty.work();
    under_way.await.unwrap().unwrap();
}

async fn count_hit(session: Session) -> Result<(), SessionError> {
    let next = |hits: Option<u64>| hits.unwrap_or(0) + 1;
    session.update("hits", next).await.map(drop)
}

async fn save_hit(session: Session) -> Result<(), SessionError> {
    session.insert("hits", 1)?;
    session.save().await
}

/// A handler may save in one task and sign in by another.
async fn a_login_goes_through<F>(under_way: impl FnOnce(Session) -> F)
where
    F: Future<Output = Result<(), SessionError>> + Send + 'static,
{
    let shop = Shop::new(|policy| policy);
    let session = shop.open("").await;
    session.insert("cart", "a hat").unwrap();
    let planted = shop.close(&session, "").await;
    let session = shop.open(&planted).await;
    let login = async || session.login("ada").await.unwrap();
    meanwhile(&shop, under_way(session.clone()), login).await;
    let cookie = shop.close(&session, "").await;
    assert_eq!(shop.user(&planted).await, None, "the old id is over");
    let session = shop.open(&cookie).await;
    assert_eq!(session.user().as_deref(), Some("ada"));
    assert_eq!(session.get::<u64>("hits").unwrap(), Some(1));
    assert!(session.authenticated_at().is_some());
}

#[tokio::test]
async fn a_save_under_way_does_not_undo_an_id_change() {
    a_login_goes_through(save_hit).await;
}

#[tokio::test]
async fn an_update_under_way_does_not_undo_an_id_change() {
    a_login_goes_through(count_hit).await;
}

#[tokio::test]
async fn a_save_under_way_does_not_restore_discarded_data() {
    let shop = Shop::new(|policy| policy);
    let session = shop.open("").await;
    session.insert("cart", "a hat").unwrap();
    session.login("ada").await.unwrap();
    let before = shop.close(&session, "").await;
    let session = shop.open(&before).await;
    let leave = async || session.logout_keeping(&["cart"]).unwrap();
    meanwhile(&shop, save_hit(session.clone()), leave).await;
    let cookie = shop.close(&session, "").await;
    assert_eq!(shop.open(&cookie).await.keys(), ["cart"]);
    assert!(shop.open(&before).await.is_new(), "the old id is over");
}

/// A task that continues while the response is sent does not change the client's cookie.
#[tokio::test]
async fn a_cookie_names_the_id_that_is_stored() {
    let shop = Shop::new(|policy| policy);
    let session = shop.open("").await;
    session.login("ada").await.unwrap();
    shop.faulty.hold_answers();
    let (manager, other) = (shop.manager.clone(), session.clone());
    let closing = tokio::spawn(async move { manager.close(&other).await.unwrap() });
    for _ in 0..8 {
        yield_now().await;
    }
    let late = session.regenerate();
    assert!(matches!(late, Err(SessionError::HeadersSent)), "{late:?}");
    shop.faulty.work();
    let sent = closing.await.unwrap().set_cookie.unwrap();
    let cookie = sent.split(';').next().unwrap();
    assert_eq!(shop.user(cookie).await.as_deref(), Some("ada"));
}

/// A reload discards changes, but not the pending end of the old id.
#[tokio::test]
async fn a_reload_does_not_undo_an_id_change() {
    let shop = Shop::new(|policy| policy);
    let session = shop.open("").await;
    session.insert("cart", "a hat").unwrap();
    let planted = shop.close(&session, "").await;
    let session = shop.open(&planted).await;
    session.regenerate().unwrap();
    session.reload().await.unwrap();
    let cookie = shop.close(&session, &planted).await;
    assert_eq!(shop.open(&cookie).await.keys(), ["cart"]);
    assert!(shop.open(&planted).await.is_new(), "the old id is over");
    let session = shop.open(&cookie).await;
    session.reset().unwrap();
    let reloaded = session.reload().await;
    assert!(
        matches!(reloaded, Err(SessionError::NotStored)),
        "{reloaded:?}"
    );
    assert_eq!(session.keys(), Vec::<String>::new());
}

/// No response claims a login or a logout that did not happen, where the policy lets requests through
/// without the store.
#[tokio::test]
async fn without_a_readable_session_a_request_cannot_log_in_or_out() {
    let shop = Shop::new(|policy| policy.on_store_error(OnStoreError::Anonymous));
    let cookie = shop.signed_in("ada").await;
    shop.faulty.fail(StoreErrorKind::Unavailable);
    let session = shop.open(&cookie).await;
    assert!(is_unavailable(session.login("eve").await), "login");
    assert!(
        is_unavailable(session.logout_keeping(&[]).map(drop)),
        "leave"
    );
    assert!(is_unavailable(session.save().await), "save");
    assert!(is_unavailable(session.devices().await), "devices");
    assert!(is_unavailable(session.end_device("x").await), "end_device");
    assert!(is_unavailable(session.end_others().await), "end_others");
    assert!(is_unavailable(session.password_changed().await), "password");
    assert!(is_unavailable(session.end_all().await), "end_all");
    shop.faulty.work();
    assert_eq!(shop.user(&cookie).await.as_deref(), Some("ada"));
    shop.faulty.fail(StoreErrorKind::Unavailable);
    let session = shop.open(&cookie).await;
    assert!(is_unavailable(session.logout().await), "logout");
    assert_eq!(shop.close(&session, &cookie).await, cookie, "it is kept");
    shop.faulty.work();
    assert_eq!(shop.user(&cookie).await, None, "it is done later");
    let cookie = shop.signed_in("ada").await;
    shop.faulty.fail(StoreErrorKind::Unavailable);
    let session = shop.open(&cookie).await;
    shop.faulty.work();
    session.logout().await.unwrap();
    let sent = shop.close(&session, &cookie).await;
    assert_eq!(sent, "connect.sid=", "its cookie is cleared");
    assert_eq!(shop.user(&cookie).await, None, "and it is over");
    assert_eq!(shop.manager.store().count().await.unwrap(), 0);
}

/// A copy of the cookie whose request changes the id concurrently must not survive.
#[tokio::test]
async fn a_stolen_session_that_changes_its_id_does_not_outlive_a_password_change() {
    for moves_first in [true, false] {
        let shop = Shop::new(|policy| policy);
        let cookie = shop.signed_in("ada").await;
        let (session, thief) = (shop.open(&cookie).await, shop.open(&cookie).await);
        thief.regenerate().unwrap();
        let mut stolen = cookie.clone();
        if moves_first {
            stolen = shop.close(&thief, &stolen).await;
        }
        let changed = session.password_changed().await;
        if !moves_first {
            stolen = shop.close(&thief, &stolen).await;
        }
        let own = shop.close(&session, &cookie).await;
        assert_eq!(shop.user(&stolen).await, None, "{moves_first}");
        // Where the copy moved first, the change follows it to the id that it has by then.
        assert!(changed.is_ok(), "{changed:?}");
        assert_eq!(shop.user(&own).await.as_deref(), Some("ada"));
    }
}

/// A client that disconnects leaves either the old state or the new one.
#[tokio::test]
async fn a_password_change_completes_after_a_disconnect() {
    let shop = Shop::new(|policy| policy);
    let (cookie, other) = (shop.signed_in("ada").await, shop.signed_in("ada").await);
    let session = shop.open(&cookie).await;
    shop.faulty.hold_answers();
    let changing = tokio::spawn(async move { session.password_changed().await });
    for _ in 0..8 {
        yield_now().await;
    }
    changing.abort();
    shop.faulty.work();
    for _ in 0..32 {
        yield_now().await;
    }
    assert_eq!(shop.user(&other).await, None);
    assert_eq!(shop.user(&cookie).await, None);
}

/// A login that fails leaves no user signed in, nor in the store where that can be avoided.
#[tokio::test]
async fn a_login_fails_where_the_session_limit_cannot_be_enforced() {
    let shop = Shop::new(|policy| policy.max_sessions(1, AtLimit::EndOldest));
    let session = shop.open("").await;
    shop.faulty.hold_answers();
    let other = session.clone();
    let login = tokio::spawn(async move { other.login("ada").await });
    for _ in 0..8 {
        yield_now().await;
    }
    // It is stored, and the user's sessions cannot be asked for any more.
    shop.faulty.work();
    shop.faulty.fail(StoreErrorKind::Unavailable);
    assert!(is_unavailable(login.await.unwrap()));
    shop.faulty.work();
    assert_eq!(shop.close(&session, "").await, "", "no cookie is sent");
    assert!(session.is_ended());
}

/// Concurrent logins that see each other would each end the other as one too many.
#[tokio::test]
async fn logins_that_overlap_do_not_end_each_other() {
    let shop = Shop::new(|policy| policy.max_sessions(1, AtLimit::EndOldest));
    let old = shop.signed_in("ada").await;
    let sessions = [shop.open("").await, shop.open("").await];
    shop.faulty.hold_answers();
    let logins = sessions.clone().map(|session| {
        let login = async move { session.login("ada").await };
        tokio::spawn(login)
    });
    // Step by step, so that neither is ahead of the other.
    while !logins.iter().all(JoinHandle::is_finished) {
        tokio::time::sleep(Duration::from_millis(1)).await;
        shop.faulty.work();
        shop.faulty.hold_answers();
    }
    shop.faulty.work();
    for login in logins {
        login.await.unwrap().unwrap();
    }
    let mut live = 0;
    for session in &sessions {
        let cookie = shop.close(session, "").await;
        live += u32::from(shop.user(&cookie).await.is_some());
    }
    assert_eq!((live, shop.user(&old).await), (1, None));
}
