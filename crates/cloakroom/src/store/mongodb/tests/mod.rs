//! Tests against a real server.

mod crypto;
mod documents;
mod fields;
mod fleet;
mod ids;
mod node;
mod outages;
mod retired;
mod suites;
mod transfer;
mod users;
mod vectors;
mod wire;

use std::sync::atomic::{AtomicU32, Ordering};

use mongodb::bson::{Bson, DateTime, Document, RawDocumentBuf, doc};
use mongodb::{Client, Collection};
use testbed::Mongo;

use super::{MongoOptions, MongoStore};
use crate::clock::{ManualClock, Timestamp};
use crate::record::RecordText;
use crate::store::NewRecord;
use crate::store::conformance::Subject;

/// 2100-01-01: the server, which goes by its own clock, deletes nothing.
const NOW: i64 = 4_102_444_800_000;

fn clock() -> ManualClock {
    ManualClock::at(Timestamp::from_millis(NOW))
}

/// Returns the name of a database that no other test uses.
fn database() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("cloakroom_{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

async fn connect(database: &str, options: MongoOptions) -> MongoStore {
    let url = Mongo::shared().url(database);
    MongoStore::connect_options(&url, options).await.unwrap()
}

async fn collection<T: Send + Sync>(database: &str, name: &str) -> Collection<T> {
    let client = Client::with_uri_str(Mongo::shared().url(database)).await;
    client.unwrap().database(database).collection(name)
}

fn entry(data: &str) -> NewRecord {
    NewRecord {
        text: text(data),
        expires: Timestamp::from_millis(NOW + 60_000),
        users: Vec::new(),
    }
}

fn text(data: &str) -> RecordText {
    let cookie = r#"{"originalMaxAge":60000,"expires":"2100-01-01T00:01:00.000Z","httpOnly":true,"path":"/"}"#;
    format!(r#"{{"cookie":{cookie}{data}}}"#).into()
}

/// Saves a session as connect-mongo does, over whatever is there or nothing.
async fn node_sets(database: &str, id: &str, session: impl Into<Bson>) {
    let expires = DateTime::from_millis(NOW + 60_000);
    let set = doc! { "_id": id, "session": session.into(), "expires": expires };
    let sessions = collection::<Document>(database, "sessions").await;
    let setting = sessions.update_one(doc! { "_id": id }, doc! { "$set": set });
    setting.upsert(true).await.unwrap();
}

/// Reads a document as bytes: `Document`'s own reading takes `{"$oid": …}` for an `ObjectId`.
async fn found(database: &str, id: &str) -> Option<Document> {
    let sessions = collection::<RawDocumentBuf>(database, "sessions").await;
    let found = sessions.find_one(doc! { "_id": id }).await.unwrap();
    found.map(|found| found.try_into().unwrap())
}

async fn subject(options: MongoOptions) -> Subject {
    let clock = clock();
    let store = connect(&database(), options.clock(clock.clone())).await;
    Subject::with_clock(store, clock)
}
