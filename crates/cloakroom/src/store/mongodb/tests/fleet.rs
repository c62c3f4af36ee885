//! Express, which resurrects destroyed sessions.

use std::time::Duration;

use mongodb::bson::Document;

use super::{NOW, clock, collection, connect, database, entry, found, node_sets, text};
use crate::clock::{ManualClock, Timestamp};
use crate::id::SessionId;
use crate::store::mongodb::session::tombstones::Tombstone;
use crate::store::mongodb::{MongoOptions, MongoStore};
use crate::store::{CasOutcome, NewRecord, RetiredId, Store as _, StoreErrorKind};

struct Fleet {
    database: String,
    clock: ManualClock,
    store: MongoStore,
    id: SessionId,
    entry: NewRecord,
}

impl Fleet {
    async fn new(mixed: bool) -> Self {
        let (database, clock) = (database(), clock());
        let options = MongoOptions::new().mixed_fleet(mixed).clock(clock.clone());
        let store = connect(&database, options).await;
        let (id, entry) = (SessionId::from_store("a"), entry(r#","userId":"ada""#));
        store.create(&id, &entry).await.unwrap();
        Self {
            database,
            clock,
            store,
            id,
            entry,
        }
    }

    /// Saves, now, the session that a request of Express read before.
    async fn resurrect(&self) {
        node_sets(&self.database, "a", &*self.entry.text).await;
        assert!(found(&self.database, "a").await.is_some());
    }

    async fn refuses_it(&self) {
        let (store, id, entry) = (&self.store, &self.id, &self.entry);
        self.resurrect().await;
        let scanned = store.scan(None, 10).await.unwrap().ids;
        assert!(!scanned.contains(id));
        assert!(!store.list_by_user("ada").await.unwrap().contains(id));
        assert_eq!(store.count().await.unwrap(), scanned.len() as u64);
        assert_eq!(store.get(id).await.unwrap(), None);
        // It was deleted again, before its tombstone expires.
        assert_eq!(found(&self.database, "a").await, None);
        self.resurrect().await;
        let saved = store.update(id, &entry.text, entry).await.unwrap();
        assert_eq!(saved, CasOutcome::NotFound);
        self.resurrect().await;
        assert!(!store.touch(id, &entry.text, entry).await.unwrap());
        self.resurrect().await;
        let (new, text) = (SessionId::random(), Some(&entry.text));
        let replaced = store
            .replace(id, text, &new, entry, &RetiredId::Closed)
            .await
            .unwrap();
        assert_eq!(replaced, CasOutcome::NotFound);
        assert_eq!(store.get(&new).await.unwrap(), None);
        let taken = store.create(id, entry).await.unwrap_err();
        assert_eq!(taken.kind(), StoreErrorKind::IdTaken);
    }
}

#[tokio::test]
async fn what_express_brings_back_is_refused() {
    let fleet = Fleet::new(true).await;
    assert!(fleet.store.destroy(&fleet.id).await.unwrap());
    fleet.refuses_it().await;
}

#[tokio::test]
async fn a_replaced_session_is_refused_as_well() {
    let fleet = Fleet::new(true).await;
    let new = SessionId::random();
    let read = Some(&fleet.entry.text);
    let replacing = fleet
        .store
        .replace(&fleet.id, read, &new, &fleet.entry, &RetiredId::Closed);
    assert_eq!(replacing.await.unwrap(), CasOutcome::Stored);
    fleet.refuses_it().await;
    assert!(fleet.store.get(&new).await.unwrap().is_some());

    let fleet = Fleet::new(true).await;
    let replacing = fleet
        .store
        .replace(&fleet.id, None, &new, &fleet.entry, &RetiredId::Closed);
    assert_eq!(replacing.await.unwrap(), CasOutcome::Stored);
    fleet.refuses_it().await;
}

#[tokio::test]
async fn a_logout_everywhere_is_final() {
    let fleet = Fleet::new(true).await;
    for id in ["b", "c"] {
        let id = SessionId::from_store(id);
        fleet.store.create(&id, &fleet.entry).await.unwrap();
    }
    assert_eq!(fleet.store.destroy_by_user("ada", None).await.unwrap(), 3);
    fleet.refuses_it().await;
    assert_eq!(fleet.store.count().await.unwrap(), 0);
}

#[tokio::test]
async fn a_tombstone_stands_for_a_month() {
    let fleet = Fleet::new(true).await;
    fleet.store.destroy(&fleet.id).await.unwrap();
    let second = Duration::from_secs(1);
    let month = Duration::from_hours(31 * 24);
    fleet.clock.advance(month.saturating_sub(second));
    let taken = fleet.store.create(&fleet.id, &fleet.entry).await;
    assert_eq!(taken.unwrap_err().kind(), StoreErrorKind::IdTaken);
    fleet.clock.advance(second);
    let expires = Timestamp::from_millis(NOW).after(2 * month);
    let entry = NewRecord {
        expires,
        ..fleet.entry.clone()
    };
    fleet.store.create(&fleet.id, &entry).await.unwrap();
    assert_eq!(fleet.store.prune().await.unwrap(), 0);
    let tombs = collection::<Document>(&fleet.database, "sessions_tombs").await;
    assert_eq!(tombs.count_documents(Document::default()).await.unwrap(), 0);
}

/// A session that did not exist cannot be resurrected: its id must not be blocked, either.
#[tokio::test]
async fn absent_session_leaves_no_tombstone() {
    let fleet = Fleet::new(true).await;
    let absent = SessionId::from_store("absent");
    assert!(!fleet.store.destroy(&absent).await.unwrap());
    fleet.store.create(&absent, &fleet.entry).await.unwrap();
    // A tombstone that stood before stays.
    assert!(fleet.store.destroy(&absent).await.unwrap());
    assert!(!fleet.store.destroy(&absent).await.unwrap());
    assert!(fleet.store.create(&absent, &fleet.entry).await.is_err());
}

/// Two processes end a session at once: the one that finds none takes no tombstone back.
#[tokio::test]
async fn tombstone_set_by_two_is_taken_back_by_neither() {
    let fleet = Fleet::new(true).await;
    let (tombs, now) = (fleet.store.0.tombs.as_ref().unwrap(), fleet.clock.now());
    assert!(tombs.mark("b", now).await.unwrap() == Tombstone::New);
    assert!(tombs.mark("b", now).await.unwrap() == Tombstone::Again);
    tombs.unmark("b").await.unwrap();
    assert!(tombs.has("b", now).await.unwrap());
    assert!(!tombs.has("c", now).await.unwrap());
}

#[tokio::test]
async fn refused_replace_hides_nothing() {
    let fleet = Fleet::new(true).await;
    let (new, other) = (SessionId::random(), text(r#","a":2"#));
    let replacing = fleet.store.replace(
        &fleet.id,
        Some(&other),
        &new,
        &fleet.entry,
        &RetiredId::Closed,
    );
    assert!(matches!(replacing.await.unwrap(), CasOutcome::Conflict(_)));
    assert!(fleet.store.get(&fleet.id).await.unwrap().is_some());
}

/// Shows the need for the tombstone: without one, Express resurrects the session.
#[tokio::test]
async fn without_tombstones_express_brings_it_back() {
    let fleet = Fleet::new(false).await;
    fleet.store.destroy(&fleet.id).await.unwrap();
    fleet.resurrect().await;
    assert!(fleet.store.get(&fleet.id).await.unwrap().is_some());
}
