//! The operations that change a session's id or signature, and those that end it.

use cloakroom::{KeyRing, Policy, SessionError, SessionId};

use super::{MINUTE, Visit};
use crate::support::keys;

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
    assert_eq!(visit.stored(&old).await, None);
    visit.cookie = planted;
    assert!(!visit.read().await, "the old id stopped working");
}

#[tokio::test]
async fn an_id_is_chosen_for_a_session_that_is_not_stored_under_its_own() {
    let mut visit = Visit::new(Policy::builder(keys()));
    let [first, second, third] =
        ["first", "second", "third"].map(|name| SessionId::from_store(&name.repeat(8)));
    visit
        .request(|session| {
            session.choose_id(first.clone()).unwrap();
            session.insert("a", true).unwrap();
        })
        .await;
    assert!(visit.stored(&first).await.is_some());
    // A stored session keeps its id.
    visit
        .request(|session| session.choose_id(second.clone()).unwrap())
        .await;
    assert_eq!(visit.open().await.id(), first);
    visit
        .request(|session| {
            session.regenerate().unwrap();
            session.choose_id(third.clone()).unwrap();
        })
        .await;
    let session = visit.open().await;
    assert_eq!(session.id(), third);
    assert_eq!(visit.stored(&first).await, None);
    visit.close(&session).await;
    let late = session.choose_id(second);
    assert!(matches!(late, Err(SessionError::HeadersSent)), "{late:?}");
}

#[tokio::test]
async fn an_old_id_is_renewed_automatically() {
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
    assert_eq!(visit.stored(&session.id()).await, None);
    assert_eq!(visit.count().await, 1);
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
async fn secrets_are_rotated_without_a_logout() {
    let old = "an old secret of thirty-two bytes and more";
    let ring = KeyRing::new(old).unwrap();
    let mut visit = Visit::new(Policy::builder(ring.clone()));
    visit.set("a").await;
    let signed_by_old = visit.cookie.clone();
    ring.rotate_to(&keys().with_verification_key(old).unwrap());
    assert!(visit.read().await);
    assert_ne!(
        visit.cookie, signed_by_old,
        "it was signed again when it was used"
    );
    ring.rotate_to(&keys());
    assert!(visit.read().await);
    visit.cookie = signed_by_old;
    assert!(!visit.read().await, "the old secret counts no more");
}

#[tokio::test]
async fn destroy_removes_the_record_and_clears_the_cookie() {
    let mut visit = Visit::begun().await;
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
    assert_eq!(visit.count().await, 0);
}

#[tokio::test]
async fn a_new_session_may_follow_a_destroyed_one_at_once() {
    let mut visit = Visit::begun().await;
    let session = visit.open().await;
    session.destroy().await.unwrap();
    session.reset().unwrap();
    session.insert("flash", "goodbye").unwrap();
    visit.close(&session).await;
    assert_eq!(visit.open().await.keys(), ["flash"]);
    assert_eq!(visit.count().await, 1);
}

#[tokio::test]
async fn a_session_that_ended_elsewhere_is_not_revived_and_keeps_its_cookie() {
    let mut visit = Visit::begun().await;
    let (slow, other) = (visit.open().await, visit.open().await);
    other.destroy().await.unwrap();
    slow.insert("late", true).unwrap();
    assert!(matches!(slow.save().await, Err(SessionError::Gone)));
    visit.close(&slow).await;
    assert_eq!(visit.sent, None);
    assert_eq!(visit.count().await, 0);
}
