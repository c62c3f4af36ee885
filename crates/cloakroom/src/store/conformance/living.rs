//! Conformance of `expiries`, which asks for many sessions at once.

use std::time::Duration;

use super::{LONGER, SHORT, Subject};
use crate::id::SessionId;
use crate::store::{CasOutcome, RetiredId};

/// Tolerance between two readings of one session's expiry: a store may count in seconds, or by the time that
/// is left.
const ROUNDED: Duration = Duration::from_millis(1_100);

/// `expiries` of many ids returns, in their order, those that are live and until when.
pub async fn living_tells_which_sessions_live_and_until_when(subject: &Subject) {
    let entry = subject.entry("");
    let (first, second) = (subject.stored(&entry).await, subject.stored(&entry).await);
    let longer = subject.entry_for("", Duration::from_mins(10));
    let touched = subject.stored(&entry).await;
    assert!(
        subject
            .store
            .touch(&touched, &entry.text, &longer)
            .await
            .unwrap()
    );
    let destroyed = subject.stored(&entry).await;
    assert!(subject.store.destroy(&destroyed).await.unwrap());
    let (replaced, new) = (subject.stored(&entry).await, SessionId::random());
    let replacing = subject
        .store
        .replace(&replaced, None, &new, &entry, &RetiredId::Closed)
        .await;
    assert_eq!(replacing.unwrap(), CasOutcome::Stored);
    let ids = [
        &second,
        &destroyed,
        &touched,
        &SessionId::random(),
        &first,
        &SessionId::from_store(""),
        &SessionId::from_store("a\0b"),
        &replaced,
        &new,
        &first,
    ]
    .map(Clone::clone);
    let living = subject.store.expiries(&ids).await.unwrap();
    let lives: Vec<bool> = living.iter().map(Option::is_some).collect();
    assert_eq!(
        lives,
        [
            true, false, true, false, true, false, false, false, true, true
        ]
    );
    for (id, expires) in ids.iter().zip(living) {
        let Some(expires) = expires else { continue };
        let stored = subject.store.get(id).await.unwrap().expect("it lives");
        let apart = stored.expires.since(expires) + expires.since(stored.expires);
        assert!(apart <= ROUNDED, "{apart:?}");
    }
    assert_eq!(subject.store.expiries(&[]).await.unwrap(), []);
}

/// Checks that `expiries` leaves out expired sessions, though the store may still hold them.
pub async fn living_leaves_out_what_expired(subject: &Subject) {
    let id = subject.stored(&subject.entry_for("", SHORT)).await;
    let ids = [id, subject.stored(&subject.entry("")).await];
    subject.wait(LONGER).await;
    let living = subject.store.expiries(&ids).await.unwrap();
    let lives: Vec<bool> = living.iter().map(Option::is_some).collect();
    assert_eq!(lives, [false, true]);
}

/// `expiries` of more ids than a store asks its server for in one command.
pub async fn living_tells_of_thousands(subject: &Subject) {
    let live = [
        subject.stored(&subject.entry("")).await,
        subject.stored(&subject.entry("")).await,
    ];
    let mut ids: Vec<SessionId> = (0..2_500).map(|_| SessionId::random()).collect();
    ids[0] = live[0].clone();
    ids[2_499] = live[1].clone();
    let living = subject.store.expiries(&ids).await.unwrap();
    let lives = living
        .iter()
        .enumerate()
        .filter(|(_, living)| living.is_some());
    let lives: Vec<usize> = lives.map(|(at, _)| at).collect();
    assert_eq!((living.len(), lives), (2_500, vec![0, 2_499]));
}
