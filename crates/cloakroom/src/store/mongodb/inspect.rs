//! What a MongoDB server says of itself and of the collection, for `store::inspect`: commands that read.

use std::collections::BTreeMap;
use std::time::Instant;

use futures_util::TryStreamExt as _;
use mongodb::bson::{Bson, Document, doc};
use mongodb::{Client, Collection, Database};

use super::connection::connect::{DATABASE, not_a_url, parse};
use super::connection::error::read_failed;
use super::encoding::document;
use super::options::MongoOptions;
use crate::clock::{Clock, Timestamp};
use crate::store::inspect::facts::Facts;
use crate::store::inspect::measure::{skew, time};
use crate::store::inspect::sample::{SAMPLE, Sample, Seen};
use crate::store::{StoreError, StoreOptions, UserKeys};

/// Returns the facts about the server and the collection that `url` and `options` name.
///
/// # Errors
///
/// As for [`MongoStore::connect`](super::MongoStore::connect), if it cannot be reached.
pub(in crate::store) async fn inspect(
    url: &str,
    options: &StoreOptions,
    keys: &UserKeys,
) -> Result<Facts, StoreError> {
    let client = Client::with_options(parse(url).await?).map_err(|_| not_a_url())?;
    let own = MongoOptions::of(options);
    let database = client
        .default_database()
        .unwrap_or_else(|| client.database(DATABASE));
    let mut facts = Facts::new("mongodb");
    facts.set("mixed_fleet", options.mixed_fleet);
    facts.set("collection", own.collection.as_str());
    server(&database, &mut facts).await?;
    let sessions: Collection<Document> = database.collection(&own.collection);
    indexes(&sessions, &mut facts).await;
    records(&sessions, keys, &mut facts).await?;
    if facts.number("sample.read") == Some(0) {
        elsewhere(&database, &own.collection, &mut facts).await;
    }
    time(&mut facts, || async {
        database.run_command(doc! { "ping": 1 }).await.is_ok()
    })
    .await;
    Ok(facts)
}

async fn server(database: &Database, facts: &mut Facts) -> Result<(), StoreError> {
    let (asked, begin) = (Clock::System.now(), Instant::now());
    let hello = database.run_command(doc! { "hello": 1 }).await;
    let (took, hello) = (begin.elapsed(), hello.map_err(read_failed)?);
    facts.set("clock.told", hello.get_datetime("localTime").is_ok());
    if let Ok(local) = hello.get_datetime("localTime") {
        skew(facts, asked.as_millis(), took, local.timestamp_millis());
    }
    facts.note("writable", hello.get_bool("isWritablePrimary").ok());
    facts.set(
        "replica_set",
        hello.get_str("setName").is_ok() || hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid"),
    );
    let wire = hello.get_i32("maxWireVersion").ok().map(i64::from);
    facts.note("version.wire", wire);
    let admin = database.client().database("admin");
    let build = admin.run_command(doc! { "buildInfo": 1 }).await.ok();
    facts.note(
        "version",
        build.and_then(|build| Some(build.get_str("version").ok()?.to_owned())),
    );
    let monitor = admin
        .run_command(doc! { "getParameter": 1, "ttlMonitorEnabled": 1 })
        .await
        .ok();
    facts.note(
        "ttl.monitor",
        monitor.and_then(|said| said.get_bool("ttlMonitorEnabled").ok()),
    );
    Ok(())
}

async fn indexes(sessions: &Collection<Document>, facts: &mut Facts) {
    let Ok(found) = sessions.list_indexes().await else {
        return;
    };
    let Ok(found) = found.try_collect::<Vec<_>>().await else {
        return;
    };
    let ttl = found
        .iter()
        .find(|index| index.keys == doc! { "expires": 1 });
    facts.set("ttl.index", ttl.is_some());
    let after = ttl.and_then(|index| index.options.as_ref()?.expire_after);
    facts.note("ttl.after_s", after.map(|after| after.as_secs()));
    let is_of_users = |keys: &Document| keys.keys().any(|key| key.starts_with("session."));
    facts.set(
        "index.users",
        found
            .iter()
            .filter(|index| is_of_users(&index.keys))
            .count(),
    );
}

async fn records(
    sessions: &Collection<Document>,
    keys: &UserKeys,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    let most = i64::try_from(SAMPLE).unwrap_or(i64::MAX);
    let found = sessions
        .find(doc! {})
        .limit(most)
        .await
        .map_err(read_failed)?;
    let found: Vec<Document> = found.try_collect().await.map_err(read_failed)?;
    let (mut lengths, mut texts, mut objects, mut undated) =
        (BTreeMap::new(), 0_usize, 0_usize, 0_usize);
    let (mut seen, mut overdue) = (Vec::new(), 0_usize);
    let now = Clock::System.now();
    for one in &found {
        let length = one.get_str("_id").map_or(0, str::len);
        *lengths.entry(length).or_insert(0_usize) += 1;
        let expires = one.get_datetime("expires").ok();
        let expires = expires.map(|at| Timestamp::from_millis(at.timestamp_millis()));
        undated += usize::from(expires.is_none());
        if expires.is_some_and(|expires| expires <= now) {
            // The server deletes them once a minute.
            overdue += usize::from(expires.is_some_and(|at| now.since(at).as_secs() > 3600));
            continue;
        }
        let text = match one.get("session") {
            Some(Bson::String(text)) => {
                texts += 1;
                Some(text.clone())
            }
            Some(Bson::Document(inner)) => {
                objects += 1;
                Some(document::to_text(inner))
            }
            _ => None,
        };
        seen.push(Seen { text, expires });
    }
    facts.set("records.texts", texts);
    facts.set("records.objects", objects);
    facts.set("records.undated", undated);
    facts.set("records.overdue", overdue);
    let common = lengths
        .values()
        .filter(|count| **count * 20 >= found.len())
        .count();
    facts.set("ids.lengths", common);
    Sample::of(&seen, now, keys).note(facts);
    facts.note("sessions", sessions.estimated_document_count().await.ok());
    Ok(())
}

/// Looks for collections that hold connect-mongo's documents.
async fn elsewhere(database: &Database, own: &str, facts: &mut Facts) {
    let Ok(names) = database.list_collection_names().await else {
        return;
    };
    let mut places = Vec::new();
    let session = doc! { "session": { "$exists": true }, "expires": { "$exists": true } };
    for name in names.iter().filter(|name| *name != own) {
        let other: Collection<Document> = database.collection(name);
        if matches!(other.find_one(session.clone()).await, Ok(Some(_))) {
            places.push(format!("the collection {name}"));
        }
    }
    facts.set("elsewhere", places.join(", "));
}
