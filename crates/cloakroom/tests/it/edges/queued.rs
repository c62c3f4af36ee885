//! V13: a save that waits behind another keeps the meaning of its error.

use std::sync::Arc;
use std::time::Duration;

use cloakroom::store::StoreErrorKind;
use cloakroom::{Clock, Manager, MemoryStore, Policy, Session, SessionError};

use super::secure;
use crate::express::gate::Gate;
use crate::support::keys;

/// Runs two requests of one session, of which the first is saving while the second begins to.
async fn behind_another<F, T>(waiting: impl FnOnce(Session, Gate) -> F) -> T
where
    F: Future<Output = T>,
{
    let gate = Gate::before(Arc::new(MemoryStore::new()));
    let manager = Manager::with_clock(
        Policy::builder(keys()).build().unwrap(),
        Arc::new(gate.clone()),
        Clock::System,
    );
    let session = manager.open([], secure()).await.unwrap();
    session.insert("note", "a text").unwrap();
    let cookie = manager.close(&session).await.unwrap().set_cookie.unwrap();
    let cookie = cookie.split(';').next().unwrap();
    let first = manager.open([cookie.as_bytes()], secure()).await.unwrap();
    let second = manager.open([cookie.as_bytes()], secure()).await.unwrap();
    gate.delay(Duration::from_millis(50));
    let saving = tokio::spawn(async move {
        first.insert("first", 1).unwrap();
        first.save().await
    });
    tokio::time::sleep(Duration::from_millis(10)).await;
    let came_to = waiting(second, gate).await;
    saving.await.unwrap().unwrap();
    came_to
}

#[tokio::test]
async fn v13_a_queued_caller_keeps_its_type_error() {
    let outcome = behind_another(async |session: Session, _| {
        session
            .update("note", |n: Option<u32>| n.unwrap_or(0) + 1)
            .await
    })
    .await;
    assert!(
        matches!(outcome, Err(SessionError::Value(_))),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn v13_a_panic_reaches_its_own_caller_only() {
    let panicked = behind_another(async |session: Session, _| {
        let updating = tokio::spawn(async move {
            let change = |_: Option<String>| -> String { panic!("the application is at fault") };
            session.update("note", change).await
        });
        updating.await
    })
    .await;
    let panic = panicked.unwrap_err().into_panic();
    assert_eq!(panic.downcast_ref(), Some(&"the application is at fault"));
}

#[tokio::test]
async fn v13_queued_callers_keep_their_error_kinds() {
    let outcome = behind_another(async |session: Session, _| {
        session
            .update("large", |_: Option<String>| "x".repeat(100_000))
            .await
    })
    .await;
    assert!(
        matches!(outcome, Err(SessionError::TooLarge)),
        "{outcome:?}"
    );
    let outcome = behind_another(async |session: Session, gate: Gate| {
        gate.refuse(&["update"]);
        gate.refuse_with(|| {
            cloakroom::store::StoreError::new(StoreErrorKind::Corrupt, "the driver's own words")
        });
        session
            .update("n", |n: Option<u32>| n.unwrap_or(0) + 1)
            .await
    })
    .await;
    let Err(SessionError::Store(error)) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    assert!(
        format!("{error:?}").contains("the driver's own words"),
        "{error:?}"
    );
}
