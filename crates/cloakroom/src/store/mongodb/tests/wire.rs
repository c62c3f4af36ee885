//! The commands on the wire: what they ask of the server, and the state after one is lost.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mongodb::Client;
use mongodb::bson::{Document, doc};
use mongodb::event::EventHandler;
use mongodb::event::command::CommandEvent;
use testbed::{Mongo, Proxy};
use tokio::runtime::Handle;

use super::{clock, collection, connect, database, entry, found};
use crate::id::SessionId;
use crate::store::mongodb::connection::connect::parse;
use crate::store::mongodb::{MongoInner, MongoOptions, MongoStore};
use crate::store::{RetiredId, Store as _, StoreErrorKind};

/// Returns a store whose commands are each shown before they are sent.
async fn watched(
    url: &str,
    options: MongoOptions,
    watch: impl Fn(&Document) + Send + Sync + 'static,
) -> MongoStore {
    let mut parsed = parse(url).await.unwrap();
    parsed.command_event_handler = Some(EventHandler::callback(move |event| {
        if let CommandEvent::Started(started) = event {
            watch(&started.command);
        }
    }));
    let client = Client::with_options(parsed).unwrap();
    let inner = MongoInner::with_client(client, options.clock(clock())).await;
    MongoStore(Arc::new(inner.unwrap()))
}

#[tokio::test]
async fn ends_of_sessions_wait_for_a_majority() {
    let commands = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&commands);
    // Whatever the URL sets.
    let url = Mongo::shared().url(&database()) + "&readPreference=secondaryPreferred&w=1";
    let options = MongoOptions::new().mixed_fleet(true);
    let store = watched(&url, options, move |command| {
        seen.lock().unwrap().push(command.clone());
    });
    let (store, entry) = (store.await, entry(r#","userId":"ada""#));
    let [a, b, c] = ["a", "b", "c"].map(SessionId::from_store);
    let take = || std::mem::take(&mut *commands.lock().unwrap());
    let durable = doc! { "w": "majority", "j": true };
    take();
    store.create(&a, &entry).await.unwrap();
    store.get(&a).await.unwrap();
    store.touch(&a, &entry.text, &entry).await.unwrap();
    let read = Some(&entry.text);
    for command in take() {
        let concern = command.get_document("writeConcern").ok();
        assert_ne!(concern, Some(&durable), "{command}");
    }
    store
        .replace(&a, read, &b, &entry, &RetiredId::Closed)
        .await
        .unwrap();
    store
        .replace(&b, None, &c, &entry, &RetiredId::Closed)
        .await
        .unwrap();
    store.destroy(&c).await.unwrap();
    store.create(&SessionId::random(), &entry).await.unwrap();
    assert_eq!(store.destroy_by_user("ada", None).await.unwrap(), 1);
    let (mut deletes, mut marks) = (0, 0);
    for command in take() {
        let preference = command.get_document("$readPreference").ok();
        let mode = preference.and_then(|preference| preference.get_str("mode").ok());
        assert!(!mode.unwrap_or_default().contains("secondary"), "{command}");
        let marking = command.get_str("update").ok() == Some("sessions_tombs");
        if marking || command.contains_key("delete") {
            let concern = command.get_document("writeConcern").unwrap();
            assert_eq!(concern, &durable, "{command}");
            deletes += i32::from(!marking);
            marks += i32::from(marking);
        }
    }
    assert_eq!((deletes, marks), (4, 4));
}

/// A query reads no snapshot: it misses a session that is stored behind its place under a new id and deleted
/// before it under the old one.
#[tokio::test(flavor = "multi_thread")]
async fn f26_a_session_that_one_query_missed_is_ended() {
    let database = database();
    let sessions = collection::<Document>(&database, "sessions").await;
    let (runtime, missed) = (Handle::current(), Arc::new(Mutex::new(None)));
    let hidden = Arc::clone(&missed);
    let queries = AtomicUsize::new(0);
    let url = Mongo::shared().url(&database);
    let store = watched(&url, MongoOptions::new(), move |command| {
        if command.get_str("find").ok() != Some("sessions") {
            return;
        }
        let hide_or_show = async {
            match queries.fetch_add(1, Ordering::SeqCst) {
                0 => {
                    let document = sessions.find_one_and_delete(doc! {}).await.unwrap();
                    *hidden.lock().unwrap() = document;
                }
                1 => {
                    let document = hidden.lock().unwrap().take();
                    sessions.insert_one(document.unwrap()).await.unwrap();
                }
                _ => {}
            }
        };
        tokio::task::block_in_place(|| runtime.block_on(hide_or_show));
    });
    let store = store.await;
    let id = SessionId::random();
    let entry = entry(r#","userId":"ada""#);
    store.create(&id, &entry).await.unwrap();
    assert_eq!(store.destroy_by_user("ada", None).await.unwrap(), 1);
    assert!(missed.lock().unwrap().is_none(), "it was there again");
    assert!(found(&database, id.expose()).await.is_none());
}

/// The old session may be gone: were the new one deleted, there would be none.
#[tokio::test(flavor = "multi_thread")]
async fn a_replace_whose_end_is_unknown_leaves_the_new_session() {
    let proxy = Arc::new(Proxy::to(Mongo::shared().port()));
    let database = database();
    let (port, deaf) = (proxy.port(), Arc::clone(&proxy));
    let url =
        format!("mongodb://127.0.0.1:{port}/{database}?directConnection=true&retryWrites=false");
    let store = watched(&url, MongoOptions::new(), move |command| {
        if command.contains_key("delete") {
            deaf.lose_answers(true);
        }
    });
    let store = store.await;
    let [old, new] = ["old", "new"].map(SessionId::from_store);
    let entry = entry("");
    store.create(&old, &entry).await.unwrap();
    let replacing = store.replace(&old, Some(&entry.text), &new, &entry, &RetiredId::Closed);
    let mending = async {
        while found(&database, "old").await.is_some() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // One connection is lost; later ones are not.
        proxy.cut(true);
        tokio::time::sleep(Duration::from_millis(100)).await;
        proxy.lose_answers(false);
        proxy.cut(false);
    };
    let (replaced, ()) = tokio::join!(replacing, mending);
    assert_eq!(replaced.unwrap_err().kind(), StoreErrorKind::Unknown);
    let other = connect(&database, MongoOptions::new().clock(clock())).await;
    assert!(other.get(&new).await.unwrap().is_some());
    assert!(other.get(&old).await.unwrap().is_none());
    // V2: the old id is not only absent.
    let known = other.retired(&old).await.unwrap();
    assert_eq!(known, Some(RetiredId::Closed));
}
