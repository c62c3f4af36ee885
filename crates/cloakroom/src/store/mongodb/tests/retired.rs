//! V2: the collection of retired ids.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use mongodb::bson::{DateTime, Document, doc};

use super::{NOW, clock, collection, connect, database, entry};
use crate::id::SessionId;
use crate::store::mongodb::MongoOptions;
use crate::store::{CasOutcome, RETIRED_FOR, RetiredId, Store as _};

fn renewed(successor: &str) -> RetiredId {
    RetiredId::Renewed(successor.to_owned())
}

#[tokio::test]
async fn v2_a_note_stands_for_a_minute_in_a_collection_of_its_own() {
    let (database, clock) = (database(), clock());
    let store = connect(&database, MongoOptions::new().clock(clock.clone())).await;
    let [old, new] = ["old", "new"].map(SessionId::from_store);
    let entry = entry("");
    store.create(&old, &entry).await.unwrap();
    let renewed = renewed("next");
    let replacing = store.replace(&old, Some(&entry.text), &new, &entry, &renewed);
    assert_eq!(replacing.await.unwrap(), CasOutcome::Stored);
    let notes = collection::<Document>(&database, "sessions_retired").await;
    let until = DateTime::from_millis(NOW + 60_000);
    let note = doc! { "by": "new", "successor": "next", "until": until };
    let found = notes
        .find_one(doc! { "_id": "old" })
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.get_array("notes").unwrap(), &[note.into()]);
    assert_eq!(found.get_datetime("expires").unwrap(), &until);
    let indexes: Vec<_> = notes
        .list_indexes()
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    let expiring = |index: &mongodb::IndexModel| {
        let options = index.options.as_ref();
        options.and_then(|options| options.expire_after) == Some(Duration::ZERO)
    };
    assert!(indexes.iter().any(expiring), "{indexes:?}");
    // The sessions that Express counts and lists.
    let sessions = collection::<Document>(&database, "sessions").await;
    assert_eq!(sessions.count_documents(doc! {}).await.unwrap(), 1);
    clock.advance(RETIRED_FOR);
    assert_eq!(store.prune().await.unwrap(), 1, "the new session");
    assert_eq!(notes.count_documents(doc! {}).await.unwrap(), 0);
}

/// V3: three requests renew one session at once. A reader waits meanwhile until one note is left.
#[tokio::test]
async fn v3_of_several_notes_the_surviving_one_is_read() {
    let store = connect(&database(), MongoOptions::new().clock(clock())).await;
    let (notes, now) = (store.0.notes.as_ref().unwrap(), store.0.now());
    for by in ["a", "b", "c"] {
        notes.add("old", by, &renewed(by), now).await.unwrap();
    }
    let old = SessionId::from_store("old");
    let taking = async {
        for by in ["a", "c"] {
            tokio::time::sleep(Duration::from_millis(20)).await;
            notes.take_back("old", by).await.unwrap();
        }
    };
    let (known, ()) = tokio::join!(store.retired(&old), taking);
    assert_eq!(known.unwrap(), Some(renewed("b")));
    notes.take_back("old", "b").await.unwrap();
    assert_eq!(store.retired(&old).await.unwrap(), None);
    // An id of which all notes were taken back can be claimed, once.
    assert!(notes.claim("old", "d", &renewed("d"), now).await.unwrap());
    assert!(!notes.claim("old", "e", &renewed("e"), now).await.unwrap());
    assert_eq!(store.retired(&old).await.unwrap(), Some(renewed("d")));
    let later = now.after(RETIRED_FOR);
    assert!(notes.claim("old", "f", &renewed("f"), later).await.unwrap());
}

/// A caller that timed out left a note beside a session that lives.
#[tokio::test]
async fn v6_live_session_is_replaced_despite_notes() {
    for mixed in [false, true] {
        let options = MongoOptions::new().clock(clock()).mixed_fleet(mixed);
        let store = connect(&database(), options).await;
        let [old, new, next] = ["old", "new", "next"].map(SessionId::from_store);
        let entry = entry("");
        store.create(&old, &entry).await.unwrap();
        let notes = store.0.notes.as_ref().unwrap();
        let renewed = renewed("left");
        let left = notes.add("old", "left", &renewed, store.0.now());
        left.await.unwrap();
        let replacing = store.replace(&old, None, &new, &entry, &RetiredId::Closed);
        assert_eq!(replacing.await.unwrap(), CasOutcome::Stored);
        assert!(store.get(&new).await.unwrap().is_some());
        assert_eq!(store.get(&old).await.unwrap(), None);
        assert_eq!(store.retired(&old).await.unwrap(), Some(RetiredId::Closed));
        let replacing = store.replace(&old, None, &next, &entry, &RetiredId::Closed);
        assert_eq!(replacing.await.unwrap(), CasOutcome::NotFound);
        assert_eq!(store.get(&next).await.unwrap(), None);
    }
}
