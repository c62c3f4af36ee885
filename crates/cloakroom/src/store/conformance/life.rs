//! The life of one record.

use std::collections::HashSet;
use std::time::Duration;

use super::{LONGER, SHORT, Subject, text};
use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::store::{CasOutcome, RetiredId, StoreErrorKind, StoredRecord};

/// A record exists once it was created, and not before.
pub async fn absent_until_created(subject: &Subject) {
    let id = SessionId::random();
    assert_eq!(subject.text_of(&id).await, None);
    subject.store.create(&id, &subject.entry("")).await.unwrap();
    subject.holds(&id, &text("")).await;
}

/// An id that is in use cannot be taken by another session.
pub async fn a_taken_id_is_refused(subject: &Subject) {
    let id = subject.stored(&subject.entry(r#","a":1"#)).await;
    let taken = subject
        .store
        .create(&id, &subject.entry(""))
        .await
        .unwrap_err();
    assert_eq!(taken.kind(), StoreErrorKind::IdTaken);
    subject.holds(&id, &text(r#","a":1"#)).await;
}

/// A record's text is kept byte for byte, whatever JSON it is; where a store keeps documents, its
/// values are.
pub async fn bytes_come_back_as_they_went_in(subject: &Subject) {
    let large = format!(r#","a":"{}""#, "x".repeat(60_000));
    let mut all = vec![
        r#","f":1.50e3,"big":123456789012345678901234567890,"z":-0"#,
        r#","é":"日本語😀","slash":"\/","line":" ""#,
        r#","n":{"10":1,"2":[ ],"b":{ }}"#,
        &large,
    ];
    if !subject.rewrites {
        all.push(r#","nul":"\u0000","lone":"\ud800""#);
    }
    for data in all {
        let id = subject.stored(&subject.entry(data)).await;
        subject.holds(&id, &text(data)).await;
    }
}

/// Checks that an expired record is absent to every method, and that its id is free again.
pub async fn expired_is_absent(subject: &Subject) {
    let entry = subject.entry_for(r#","a":1"#, SHORT);
    let (id, other) = (subject.stored(&entry).await, subject.stored(&entry).await);
    assert!(subject.text_of(&id).await.is_some());
    subject.wait(LONGER).await;
    assert_eq!(subject.text_of(&id).await, None);
    let next = subject.entry(r#","a":2"#);
    assert_eq!(
        subject.store.update(&id, &entry.text, &next).await.unwrap(),
        CasOutcome::NotFound
    );
    assert!(!subject.store.touch(&id, &entry.text, &next).await.unwrap());
    assert!(!subject.store.destroy(&other).await.unwrap());
    subject.store.create(&id, &next).await.unwrap();
    subject.holds(&id, &next.text).await;
}

/// A record whose time is up when it comes leaves nothing behind.
pub async fn an_entry_in_the_past_is_never_seen(subject: &Subject) {
    let mut entry = subject.entry(r#","a":1"#);
    entry.expires = Timestamp::from_millis(subject.now().as_millis() - 60_000);
    let id = SessionId::random();
    subject.store.create(&id, &entry).await.unwrap();
    assert_eq!(subject.text_of(&id).await, None);
    let live = subject.entry("");
    let id = subject.stored(&live).await;
    assert_eq!(
        subject.store.update(&id, &live.text, &entry).await.unwrap(),
        CasOutcome::Stored
    );
    assert_eq!(subject.text_of(&id).await, None);
}

/// An update with the latest text replaces it.
pub async fn update_replaces_what_was_read(subject: &Subject) {
    let first = subject.entry(r#","a":1"#);
    let id = subject.stored(&first).await;
    let second = subject.entry(r#","a":2"#);
    assert_eq!(
        subject
            .store
            .update(&id, &first.text, &second)
            .await
            .unwrap(),
        CasOutcome::Stored
    );
    subject.holds(&id, &second.text).await;
}

/// An update with an older text changes nothing, and returns the stored record.
pub async fn update_refuses_what_changed(subject: &Subject) {
    let first = subject.entry(r#","a":1"#);
    let id = subject.stored(&first).await;
    let second = subject.entry(r#","a":2"#);
    subject
        .store
        .update(&id, &first.text, &second)
        .await
        .unwrap();
    let third = subject.entry(r#","a":3"#);
    let refused = subject
        .store
        .update(&id, &first.text, &third)
        .await
        .unwrap();
    let CasOutcome::Conflict(StoredRecord { text: current, .. }) = refused else {
        panic!("{refused:?}")
    };
    subject.same(&current, &second.text);
    subject.holds(&id, &second.text).await;
}

/// An update of a session that does not exist creates none.
pub async fn update_never_creates(subject: &Subject) {
    let entry = subject.entry("");
    let id = SessionId::random();
    assert_eq!(
        subject
            .store
            .update(&id, &entry.text, &entry)
            .await
            .unwrap(),
        CasOutcome::NotFound
    );
    assert_eq!(subject.text_of(&id).await, None);
}

/// A touch extends a session, and the store reports the new expiry.
pub async fn touch_moves_the_expiry(subject: &Subject) {
    let entry = subject.entry_for(r#","a":1"#, SHORT);
    let id = subject.stored(&entry).await;
    let later = subject.entry(r#","a":1"#);
    assert!(subject.store.touch(&id, &entry.text, &later).await.unwrap());
    let stored = subject.store.get(&id).await.unwrap().unwrap();
    let (said, meant) = (stored.expires.as_millis(), later.expires.as_millis());
    assert!((said - meant).abs() <= 1_500, "{said} {meant}");
    subject.wait(LONGER).await;
    assert!(subject.text_of(&id).await.is_some());
}

/// A touch resurrects nothing and loses no change.
pub async fn touch_never_creates_and_never_loses_a_change(subject: &Subject) {
    let (absent, entry) = (SessionId::random(), subject.entry(r#","a":1"#));
    assert!(
        !subject
            .store
            .touch(&absent, &entry.text, &entry)
            .await
            .unwrap()
    );
    assert_eq!(subject.text_of(&absent).await, None);
    let id = subject.stored(&entry).await;
    let changed = subject.entry(r#","a":2"#);
    subject
        .store
        .update(&id, &entry.text, &changed)
        .await
        .unwrap();
    assert!(subject.store.touch(&id, &entry.text, &entry).await.unwrap());
    subject.holds(&id, &changed.text).await;
}

/// A touch with an earlier expiry leaves the stored one, whether or not the text is the same.
pub async fn a_touch_never_moves_an_expiry_back(subject: &Subject) {
    let entry = subject.entry_for(r#","a":1"#, Duration::from_mins(10));
    let id = subject.stored(&entry).await;
    let stored = async || subject.store.get(&id).await.unwrap().unwrap().expires;
    let before = stored().await;
    let sooner = subject.entry_for(r#","a":1"#, Duration::from_mins(1));
    assert!(
        subject
            .store
            .touch(&id, &entry.text, &sooner)
            .await
            .unwrap()
    );
    assert_not_sooner(stored().await, before);
    let changed = subject.entry_for(r#","a":2"#, Duration::from_mins(10));
    let saved = subject.store.update(&id, &entry.text, &changed).await;
    assert_eq!(saved.unwrap(), CasOutcome::Stored);
    assert!(
        subject
            .store
            .touch(&id, &entry.text, &sooner)
            .await
            .unwrap()
    );
    assert_not_sooner(stored().await, before);
    subject.holds(&id, &changed.text).await;
}

fn assert_not_sooner(now: Timestamp, before: Timestamp) {
    // Stores count in seconds, and some by the time that is left.
    let moved = before.since(now);
    assert!(moved <= Duration::from_millis(1500), "back by {moved:?}");
}

/// An update may shorten a session's life.
pub async fn an_update_may_shorten_a_life(subject: &Subject) {
    let entry = subject.entry_for(r#","a":1"#, Duration::from_mins(10));
    let id = subject.stored(&entry).await;
    let sooner = subject.entry_for(r#","a":2"#, Duration::from_mins(1));
    let saved = subject.store.update(&id, &entry.text, &sooner).await;
    assert_eq!(saved.unwrap(), CasOutcome::Stored);
    let stored = subject.store.get(&id).await.unwrap().unwrap();
    let late = stored.expires.since(sooner.expires);
    assert!(late <= Duration::from_millis(1500), "late by {late:?}");
}

/// A destroyed session is absent; destroying it again is no error.
pub async fn destroy_is_idempotent(subject: &Subject) {
    let id = subject.stored(&subject.entry("")).await;
    assert!(subject.store.destroy(&id).await.unwrap());
    assert_eq!(subject.text_of(&id).await, None);
    assert!(!subject.store.destroy(&id).await.unwrap());
}

/// A session that changes its id is found under the new one only.
pub async fn replace_moves_a_session(subject: &Subject) {
    let first = subject.entry(r#","a":1"#);
    let (old, new) = (subject.stored(&first).await, SessionId::random());
    let second = subject.entry(r#","a":2"#);
    let replaced = subject
        .store
        .replace(&old, Some(&first.text), &new, &second, &RetiredId::Closed)
        .await
        .unwrap();
    assert_eq!(replaced, CasOutcome::Stored);
    assert_eq!(subject.text_of(&old).await, None);
    subject.holds(&new, &second.text).await;
    // Without the text that was read: whatever the old id holds by then.
    let newer = SessionId::random();
    let replaced = subject
        .store
        .replace(&new, None, &newer, &first, &RetiredId::Closed)
        .await
        .unwrap();
    assert_eq!(replaced, CasOutcome::Stored);
    assert_eq!(subject.text_of(&new).await, None);
    subject.holds(&newer, &first.text).await;
}

/// A session that changed meanwhile keeps its id; one that ended stays ended.
pub async fn replace_refuses_what_changed_or_went(subject: &Subject) {
    let first = subject.entry(r#","a":1"#);
    let (old, new) = (subject.stored(&first).await, SessionId::random());
    let second = subject.entry(r#","a":2"#);
    subject
        .store
        .update(&old, &first.text, &second)
        .await
        .unwrap();
    let refused = subject
        .store
        .replace(&old, Some(&first.text), &new, &first, &RetiredId::Closed)
        .await
        .unwrap();
    let CasOutcome::Conflict(StoredRecord { text: current, .. }) = refused else {
        panic!("{refused:?}")
    };
    subject.same(&current, &second.text);
    subject.holds(&old, &second.text).await;
    assert_eq!(subject.text_of(&new).await, None);
    subject.store.destroy(&old).await.unwrap();
    let gone = subject
        .store
        .replace(&old, Some(&second.text), &new, &second, &RetiredId::Closed)
        .await
        .unwrap();
    assert_eq!(gone, CasOutcome::NotFound);
    assert_eq!(subject.text_of(&new).await, None);
}

/// A new id that is in use is refused, and the old session lives on.
pub async fn replace_refuses_a_taken_id(subject: &Subject) {
    let entry = subject.entry("");
    let (old, taken) = (subject.stored(&entry).await, subject.stored(&entry).await);
    let error = subject
        .store
        .replace(&old, Some(&entry.text), &taken, &entry, &RetiredId::Closed)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::IdTaken);
    assert!(subject.text_of(&old).await.is_some());
    assert!(subject.text_of(&taken).await.is_some());
}

/// Ids of any form are looked up as text, never interpreted.
pub async fn strange_ids_are_only_unknown(subject: &Subject) {
    let long = "x".repeat(6000);
    for id in [
        "*",
        "../../etc/passwd",
        "a\0b",
        "{$gt:''}",
        "' OR 1=1 --",
        "a\r\nDEL b",
        "日本語",
        &long,
    ] {
        let id = SessionId::from_store(id);
        assert_eq!(subject.store.get(&id).await.unwrap_or(None), None);
        assert!(!subject.store.destroy(&id).await.unwrap_or(false));
    }
}

/// Pruning deletes what expired and nothing else.
pub async fn prune_lets_go_of_what_expired(subject: &Subject) {
    let live = subject.stored(&subject.entry("")).await;
    for _ in 0..10 {
        subject.stored(&subject.entry_for("", SHORT)).await;
    }
    subject.wait(LONGER).await;
    subject.store.prune().await.unwrap();
    assert_eq!(subject.store.prune().await.unwrap(), 0);
    assert!(subject.text_of(&live).await.is_some());
}

/// A scan returns each live session, and ends.
pub async fn scan_finds_every_live_session(subject: &Subject) {
    let mut stored = HashSet::new();
    for _ in 0..50 {
        stored.insert(subject.stored(&subject.entry("")).await);
    }
    let gone = subject.stored(&subject.entry("")).await;
    subject.store.destroy(&gone).await.unwrap();
    let (mut found, mut cursor) = (HashSet::new(), None);
    loop {
        let page = subject.store.scan(cursor.as_deref(), 7).await.unwrap();
        found.extend(page.ids);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert!(found.is_superset(&stored));
    assert!(!found.contains(&gone));
    assert!(subject.store.count().await.unwrap() >= 50);
}
