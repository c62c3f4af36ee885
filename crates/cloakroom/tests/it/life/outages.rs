//! A store that fails, hangs, or loses an answer.

use std::time::Duration;

use cloakroom::policy::OnStoreError;
use cloakroom::store::StoreErrorKind;
use cloakroom::{Policy, SessionError};

use super::{MINUTE, Visit};
use crate::support::keys;

#[tokio::test]
async fn a_store_that_is_down_is_never_an_empty_session() {
    let mut visit = Visit::begun().await;
    visit.faulty.fail(StoreErrorKind::Unavailable);
    assert_eq!(visit.refusal().await.kind(), StoreErrorKind::Unavailable);
    visit.faulty.work();
    assert!(visit.read().await);
}

#[tokio::test]
async fn a_failed_save_is_an_error_and_a_failed_touch_is_not() {
    let visit = Visit::begun().await;
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
async fn a_store_that_hangs_times_out() {
    let visit = Visit::begun().await;
    visit.faulty.hang();
    let started = tokio::time::Instant::now();
    assert_eq!(visit.refusal().await.kind(), StoreErrorKind::Unavailable);
    assert_eq!(started.elapsed(), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_is_lost_is_never_called_done() {
    let visit = Visit::begun().await;
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
