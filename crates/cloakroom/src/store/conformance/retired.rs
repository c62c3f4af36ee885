//! Conformance of retired ids: the minute after a session was replaced or ended.

use std::time::Duration;

use super::{Subject, text};
use crate::clock::Clock;
use crate::id::SessionId;
use crate::store::{CasOutcome, RETIRED_FOR, RetiredId};

/// A replaced id is remembered, with the reason that came with the replacement.
pub async fn a_replaced_id_is_known_as_retired(subject: &Subject) {
    let renewed = RetiredId::Renewed("the successor's name".to_owned());
    for retired in [RetiredId::Closed, renewed] {
        let entry = subject.entry("");
        let (old, new) = (subject.stored(&entry).await, SessionId::random());
        assert_eq!(subject.store.retired(&old).await.unwrap(), None);
        let read = Some(&entry.text);
        let replaced = subject.store.replace(&old, read, &new, &entry, &retired);
        assert_eq!(replaced.await.unwrap(), CasOutcome::Stored);
        assert_eq!(subject.store.retired(&old).await.unwrap(), Some(retired));
        assert_eq!(subject.store.retired(&new).await.unwrap(), None);
    }
}

/// A replacement that was refused retires nothing.
pub async fn a_refused_replacement_retires_nothing(subject: &Subject) {
    let entry = subject.entry(r#","a":1"#);
    let old = subject.stored(&entry).await;
    let (read, new) = (text(r#","a":2"#), SessionId::random());
    let replacing = subject
        .store
        .replace(&old, Some(&read), &new, &entry, &RetiredId::Closed);
    assert!(matches!(replacing.await.unwrap(), CasOutcome::Conflict(_)));
    assert_eq!(subject.store.retired(&old).await.unwrap(), None);
}

/// A retired session is absent, and its id is remembered, whether or not there was a session; the reason of
/// an id that is retired already stays.
pub async fn retire_ends_a_session_and_knows_its_id(subject: &Subject) {
    let id = subject.stored(&subject.entry("")).await;
    assert!(subject.store.retire(&id).await.unwrap());
    assert_eq!(subject.text_of(&id).await, None);
    let closed = Some(RetiredId::Closed);
    assert_eq!(subject.store.retired(&id).await.unwrap(), closed);
    assert!(!subject.store.retire(&id).await.unwrap());
    let unknown = SessionId::random();
    assert!(!subject.store.retire(&unknown).await.unwrap());
    assert_eq!(subject.store.retired(&unknown).await.unwrap(), closed);
    let entry = subject.entry("");
    let (old, new) = (subject.stored(&entry).await, SessionId::random());
    let renewed = RetiredId::Renewed("successor".to_owned());
    let replacing = subject.store.replace(&old, None, &new, &entry, &renewed);
    assert_eq!(replacing.await.unwrap(), CasOutcome::Stored);
    assert!(!subject.store.retire(&old).await.unwrap());
    assert_eq!(subject.store.retired(&old).await.unwrap(), Some(renewed));
}

/// A session that is destroyed, or expires, retires no id: its visitor may begin another at once.
pub async fn destroy_retires_no_id(subject: &Subject) {
    let id = subject.stored(&subject.entry("")).await;
    subject.store.destroy(&id).await.unwrap();
    assert_eq!(subject.store.retired(&id).await.unwrap(), None);
    let id = subject.stored(&subject.entry_of("destroyed by user")).await;
    let ending = subject.store.destroy_by_user("destroyed by user", None);
    assert_eq!(ending.await.unwrap(), 1);
    assert_eq!(subject.store.retired(&id).await.unwrap(), None);
}

/// Without the text that was read, an id is replaced once: a second attempt is refused.
pub async fn a_retired_id_is_not_replaced_again(subject: &Subject) {
    let (old, entry) = (SessionId::random(), subject.entry(""));
    let (first, second) = (SessionId::random(), SessionId::random());
    for (new, outcome) in [
        (&first, CasOutcome::Stored),
        (&second, CasOutcome::NotFound),
    ] {
        let replacing = subject
            .store
            .replace(&old, None, new, &entry, &RetiredId::Closed);
        assert_eq!(replacing.await.unwrap(), outcome);
    }
    assert!(subject.text_of(&first).await.is_some());
    assert_eq!(subject.text_of(&second).await, None);
}

/// Of many concurrent replacements of an unknown id, one succeeds.
pub async fn of_many_replacements_of_an_unknown_id_one_wins(subject: &Subject) {
    let (old, entry) = (SessionId::random(), subject.entry(""));
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let (subject, old, entry) = (subject.clone(), old.clone(), entry.clone());
            tokio::spawn(async move {
                let new = SessionId::random();
                let replacing = subject
                    .store
                    .replace(&old, None, &new, &entry, &RetiredId::Closed);
                let written = replacing.await.unwrap();
                let is_stored = subject.text_of(&new).await.is_some();
                assert_eq!(is_stored, written == CasOutcome::Stored, "{written:?}");
                is_stored
            })
        })
        .collect();
    let mut stored = 0;
    for task in tasks {
        stored += u32::from(task.await.unwrap());
    }
    assert_eq!(stored, 1);
}

/// A reader that finds no session under an id that is being replaced finds it retired, however soon it looks,
/// and also if the replacing caller times out in the middle.
pub async fn nobody_finds_a_replaced_id_neither_live_nor_retired(subject: &Subject) {
    for n in 0..32 {
        let entry = subject.entry("");
        let old = subject.stored(&entry).await;
        let replacing = tokio::spawn({
            let (subject, old) = (subject.clone(), old.clone());
            async move {
                let (read, new) = (
                    Some(&entry.text).filter(|_| n % 2 == 0),
                    SessionId::random(),
                );
                let closed = RetiredId::Closed;
                let replacing = subject.store.replace(&old, read, &new, &entry, &closed);
                let patience = Duration::from_micros(1 << (n / 2));
                let _ = tokio::time::timeout(patience, replacing).await;
            }
        });
        loop {
            let is_over = replacing.is_finished();
            if subject.text_of(&old).await.is_none() {
                assert!(subject.store.retired(&old).await.unwrap().is_some());
                break;
            }
            if is_over {
                break;
            }
            tokio::task::yield_now().await;
        }
        replacing.await.unwrap();
    }
}

/// A retired id opens nothing, is neither counted nor listed, and is forgotten after a minute.
///
/// With a store that goes by the machine's clock or a server's, the test does not wait for the minute.
pub async fn a_retired_id_is_no_session_and_is_forgotten(subject: &Subject) {
    let of_user = subject.entry_of("retired and listed");
    let (old, new) = (subject.stored(&of_user).await, SessionId::random());
    let renewed = RetiredId::Renewed("successor".to_owned());
    let read = Some(&of_user.text);
    let replacing = subject.store.replace(&old, read, &new, &of_user, &renewed);
    assert_eq!(replacing.await.unwrap(), CasOutcome::Stored);
    assert_eq!(subject.text_of(&old).await, None);
    let listed = subject
        .store
        .list_by_user("retired and listed")
        .await
        .unwrap();
    assert_eq!(listed, std::slice::from_ref(&new));
    assert!(!subject.store.destroy(&old).await.unwrap());
    assert_eq!(subject.store.retired(&old).await.unwrap(), Some(renewed));
    if matches!(subject.clock, Clock::Manual(_)) {
        subject
            .wait(RETIRED_FOR.saturating_sub(Duration::from_millis(1)))
            .await;
        assert!(subject.store.retired(&old).await.unwrap().is_some());
        subject.wait(Duration::from_millis(1)).await;
        assert_eq!(subject.store.retired(&old).await.unwrap(), None);
        subject.store.prune().await.unwrap();
        assert_eq!(subject.store.retired(&old).await.unwrap(), None);
    }
}
