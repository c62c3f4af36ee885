//! The rules that hold on every store.

use std::sync::Arc;
use std::time::Duration;

use cloakroom::policy::{PolicyBuilder, RequestInfo};
use cloakroom::store::{RetiredId, Store};
use cloakroom::{Clock, Manager, Policy, Secure, Session, SessionId};

use crate::support::servers::{connect, on_every_store};
use crate::support::{Cookies, keys};

/// An application with one visitor.
struct Visitor {
    manager: Manager,
    cookie: Cookies,
}

impl Visitor {
    async fn new(url: &str, settings: impl FnOnce(PolicyBuilder) -> PolicyBuilder) -> Self {
        let policy = settings(Policy::builder(keys()).secure(Secure::Never));
        let store: Arc<dyn Store> = connect(url).await;
        let manager = Manager::with_clock(policy.build().unwrap(), store, Clock::System);
        Self {
            manager,
            cookie: Cookies::by_system(),
        }
    }

    async fn open(&self) -> Session {
        let field = self.cookie.field();
        let cookies = field.iter().map(String::as_bytes);
        self.manager
            .open(cookies, RequestInfo::default())
            .await
            .unwrap()
    }

    async fn close(&mut self, session: &Session) {
        let closing = self.manager.close(session).await.unwrap();
        if let Some(field) = closing.set_cookie {
            self.cookie.keep(&field);
        }
    }
}

async fn a_session_lives_and_ends(url: &str) {
    let mut visitor = Visitor::new(url, |policy| policy).await;
    let user = format!("user-{}", SessionId::random().expose());
    let session = visitor.open().await;
    session.insert("cart", [1, 2]).unwrap();
    visitor.close(&session).await;
    let anonymous = visitor.cookie.clone();

    let session = visitor.open().await;
    assert_eq!(session.get("cart").unwrap(), Some([1, 2]));
    session.regenerate().unwrap();
    session.insert("userId", &user).unwrap();
    visitor.close(&session).await;
    assert_ne!(visitor.cookie, anonymous);

    let session = visitor.open().await;
    assert_eq!(session.get("userId").unwrap(), Some(user.clone()));
    assert_eq!(session.get("cart").unwrap(), Some([1, 2]));
    assert_eq!(
        visitor.manager.sessions_of(&user).await.unwrap(),
        [session.id()]
    );
    session.destroy().await.unwrap();
    visitor.close(&session).await;
    assert!(visitor.open().await.is_new());
    assert_eq!(visitor.manager.sessions_of(&user).await.unwrap(), []);
}

/// A touch leaves the text alone in most stores; the handler's attributes must be in it all the same.
async fn cookie_attributes_set_after_an_update_are_kept(url: &str) {
    let mut visitor = Visitor::new(url, PolicyBuilder::no_absolute_timeout).await;
    let session = visitor.open().await;
    session.insert("n", 1).unwrap();
    visitor.close(&session).await;
    let session = visitor.open().await;
    session
        .update("n", |n: Option<u32>| n.unwrap_or(0) + 1)
        .await
        .unwrap();
    let month = Duration::from_hours(24 * 30);
    session.cookie_mut(|cookie| cookie.max_age(Some(month)));
    visitor.close(&session).await;
    let session = visitor.open().await;
    let cookie = session.cookie();
    assert!(
        cookie.contains(r#""originalMaxAge":2592000000"#),
        "{cookie}"
    );
    assert_eq!(session.get("n").unwrap(), Some(2));
}

async fn hashed_ids_are_all_that_the_store_sees(url: &str) {
    let mut visitor = Visitor::new(url, |policy| policy.hash_ids_at_rest(true)).await;
    let session = visitor.open().await;
    session.insert("userId", session.id().expose()).unwrap();
    visitor.close(&session).await;
    let session = visitor.open().await;
    assert!(!session.is_new());
    let store = visitor.manager.store();
    assert_eq!(store.get(&session.id()).await.unwrap(), None);
    let user: String = session.get("userId").unwrap().unwrap();
    let listed = visitor.manager.sessions_of(&user).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_ne!(listed[0], session.id());
    assert_eq!(
        visitor.manager.end_sessions_of(&user, None).await.unwrap(),
        1
    );
    assert!(visitor.open().await.is_new());
}

/// A session that ended in the store from which sessions are moved is retired here for the same reason.
async fn the_reason_of_another_store_is_kept(url: &str) {
    let store = connect(url).await;
    let renewed = RetiredId::Renewed("successor".to_owned());
    let id = SessionId::random();
    assert!(!store.retire_as(&id, &renewed).await.unwrap());
    assert_eq!(store.retired(&id).await.unwrap(), Some(renewed));
}

on_every_store!(
    a_session_lives_and_ends
    cookie_attributes_set_after_an_update_are_kept
    hashed_ids_are_all_that_the_store_sees
    the_reason_of_another_store_is_kept
);
