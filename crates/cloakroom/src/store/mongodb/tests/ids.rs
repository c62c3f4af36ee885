//! `_id`s that are no session ids.

use super::{clock, connect, database, entry, found, text};
use crate::id::{IdGrammar, SessionId};
use crate::store::mongodb::MongoOptions;
use crate::store::{CasOutcome, Store as _};

const SHA_256_OF_A: &str = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";

#[tokio::test]
async fn ids_returned_by_the_store_are_accepted_by_it() {
    let database = database();
    let store = connect(&database, MongoOptions::new().hash_ids().clock(clock())).await;
    let id = SessionId::from_store("a");
    let first = entry(r#","userId":"ada""#);
    store.create(&id, &first).await.unwrap();
    assert!(found(&database, "a").await.is_none());
    assert!(found(&database, SHA_256_OF_A).await.is_some());

    let given = SessionId::from_store(&format!("stored:{SHA_256_OF_A}"));
    let given_ids = std::slice::from_ref(&given);
    assert_eq!(store.scan(None, 10).await.unwrap().ids, given_ids);
    assert_eq!(store.list_by_user("ada").await.unwrap(), given_ids);
    assert_eq!(store.get(&given).await.unwrap().unwrap().text, first.text);
    let second = entry(r#","userId":"ada","a":2"#);
    let saved = store.update(&given, &first.text, &second).await.unwrap();
    assert_eq!(saved, CasOutcome::Stored);
    assert_eq!(store.get(&id).await.unwrap().unwrap().text, second.text);
    for keep in [&id, &given] {
        assert_eq!(store.destroy_by_user("ada", Some(keep)).await.unwrap(), 0);
    }
    assert!(store.destroy(&given).await.unwrap());
    assert_eq!(store.get(&id).await.unwrap(), None);
    assert!(!IdGrammar::default().allows(given.expose()));
}

#[tokio::test]
async fn pages_go_on_where_the_last_one_ended() {
    let store = connect(&database(), MongoOptions::new().hash_ids().clock(clock())).await;
    for id in 0..25 {
        let id = SessionId::from_store(&id.to_string());
        store.create(&id, &entry("")).await.unwrap();
    }
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let page = store.scan(cursor.as_deref(), 10).await.unwrap();
        found.extend(page.ids);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 25);
}

/// Without a transform an id has no other form.
#[tokio::test]
async fn plain_id_is_not_transformed() {
    let database = database();
    let store = connect(&database, MongoOptions::new().clock(clock())).await;
    let id = SessionId::from_store("stored:a");
    store.create(&id, &entry("")).await.unwrap();
    assert!(found(&database, "stored:a").await.is_some());
    assert_eq!(store.get(&id).await.unwrap().unwrap().text, text(""));
}
