//! The documents that connect-mongo 6 wrote, compared with ours; `CLOAKROOM_MONGO_VECTORS` names another
//! file.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use mongodb::bson::{Bson, DateTime, Document, RawDocumentBuf, doc};
use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::{collection, connect, database};
use crate::clock::{ManualClock, Timestamp};
use crate::id::SessionId;
use crate::store::mongodb::encoding::document;
use crate::store::mongodb::{Algorithm, AutoRemove, Encoding, Hashing, Kruptein, WebCrypto};
use crate::store::mongodb::{MongoOptions, MongoStore};
use crate::store::{CasOutcome, NewRecord, Store as _, StoredRecord};

/// The variable that names a file of other rows: assertions on their number hold for the committed one alone.
const OTHERS: &str = "CLOAKROOM_MONGO_VECTORS";

fn is_committed() -> bool {
    std::env::var_os(OTHERS).is_none()
}

static VECTORS: LazyLock<Value> = LazyLock::new(|| {
    let committed = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../interop/mongo-vectors.json"
    );
    let path = std::env::var(OTHERS).unwrap_or_else(|_| committed.into());
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    // The text of a session with a lone surrogate before it was stored is in there as well.
    serde_json::from_str(&crate::record::without_lone_surrogates(&text)).unwrap()
});

/// One case, with a store whose options are those of the case.
struct Case {
    given: &'static Value,
    clock: ManualClock,
    database: String,
    store: MongoStore,
}

impl Case {
    async fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for case in VECTORS["cases"].as_array().unwrap() {
            // Nothing is stored where the writer threw.
            if !case["stored_bson_hex"].is_string() {
                continue;
            }
            let now = case["set_window_ms"][0].as_i64().unwrap_or_default();
            let clock = ManualClock::at(Timestamp::from_millis(now));
            let database = database();
            let options = options(case).clock(clock.clone());
            let store = connect(&database, options).await;
            all.push(Self {
                given: case,
                clock,
                database,
                store,
            });
        }
        assert!(all.len() >= 40 || !is_committed());
        all
    }

    fn name(&self) -> &'static str {
        self.given["name"].as_str().unwrap()
    }

    fn id(&self) -> SessionId {
        SessionId::from_store(self.given["sid"].as_str().unwrap())
    }

    fn stored(&self) -> RawDocumentBuf {
        let hex = self.given["stored_bson_hex"].as_str().unwrap();
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        let bytes = (0..hex.len()).step_by(2).map(byte).collect();
        RawDocumentBuf::from_bytes(bytes).unwrap()
    }

    fn document(&self) -> Document {
        self.stored().try_into().unwrap()
    }

    /// Stores the document that Node left.
    async fn put(&self) {
        let collection = collection::<RawDocumentBuf>(&self.database, "sessions").await;
        collection.insert_one(self.stored()).await.unwrap();
    }

    async fn found(&self) -> RawDocumentBuf {
        let collection = collection(&self.database, "sessions").await;
        collection.find_one(doc! {}).await.unwrap().unwrap()
    }

    /// Returns the text that Node sees, without what it adds or leaves undefined.
    fn text(&self) -> String {
        if let Some(plain) = self.given["plaintext"].as_str() {
            // With kruptein, a JSON string once more.
            return serde_json::from_str(plain).unwrap_or_else(|_| plain.to_owned());
        }
        if let Ok(text) = self.document().get_str("session") {
            return text.to_owned();
        }
        let mut seen = self.given["get_result_json"].clone();
        let keys = seen.as_object_mut().unwrap();
        keys.remove("lastModified");
        if keys["cookie"] == serde_json::json!({}) {
            keys.remove("cookie");
        }
        if let Some(cookie) = keys.get_mut("cookie") {
            let cookie = cookie.as_object_mut().unwrap();
            cookie.retain(|key, value| {
                !value.is_null() || ["originalMaxAge", "expires"].contains(&&**key)
            });
        }
        seen.to_string()
    }

    fn entry(&self, text: &str) -> NewRecord {
        let expires = self
            .document()
            .get_datetime("expires")
            .unwrap()
            .timestamp_millis();
        NewRecord {
            text: text.into(),
            expires: Timestamp::from_millis(expires),
            users: Vec::new(),
        }
    }

    fn is_document(&self) -> bool {
        matches!(self.document().get("session"), Some(Bson::Document(_)))
    }

    fn is_sealed(&self) -> bool {
        self.given.get("plaintext").is_some()
    }
}

/// Prints a document so that NaN equals NaN and the order of keys does not count.
fn said(document: &Document) -> String {
    fn of(value: &Bson) -> String {
        match value {
            Bson::Document(document) => said(document),
            Bson::Array(values) => format!("{:?}", values.iter().map(of).collect::<Vec<_>>()),
            value => format!("{value:?}"),
        }
    }
    let members: BTreeMap<_, _> = document
        .iter()
        .map(|(key, value)| (key, of(value)))
        .collect();
    format!("{members:?}")
}

/// Returns `true` if JSON represents a value without loss.
fn is_json(value: &Bson) -> bool {
    match value {
        Bson::Null | Bson::Boolean(_) | Bson::Int32(_) | Bson::String(_) => true,
        // JavaScript has one zero in its texts, and two among its numbers.
        Bson::Double(number) => number.is_finite() && number.to_bits() != (-0.0_f64).to_bits(),
        Bson::Array(values) => values.iter().all(is_json),
        Bson::Document(document) => document.iter().all(|(_, value)| is_json(value)),
        _ => false,
    }
}

/// Returns `true` if JSON represents a session without loss: the only date that it may hold is its cookie's.
fn is_said_by_json(session: &Document) -> bool {
    let mut session = session.clone();
    if let Ok(cookie) = session.get_document_mut("cookie")
        && let Ok(&expires) = cookie.get_datetime("expires")
    {
        let is_date = expires.timestamp_millis().unsigned_abs() <= 8_640_000_000_000_000;
        cookie.insert("expires", if is_date { Bson::Null } else { expires.into() });
    }
    is_json(&Bson::Document(session))
}

/// Returns the keys of a JSON object, in the order of its text.
fn keys_in_order(text: &str) -> Vec<String> {
    struct Keys;
    impl<'de> Visitor<'de> for Keys {
        type Value = Vec<String>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut keys = Vec::new();
            while let Some((key, IgnoredAny)) = map.next_entry()? {
                keys.push(key);
            }
            Ok(keys)
        }
    }
    let mut parser = serde_json::Deserializer::from_str(text);
    parser.deserialize_map(Keys).unwrap()
}

fn options(case: &Value) -> MongoOptions {
    let given = &case["options"];
    let seconds = |key: &str| given[key].as_f64().map(Duration::from_secs_f64);
    let custom = given.get("serialize").is_some();
    let mut options = MongoOptions::new()
        .auto_remove(AutoRemove::Disabled)
        .stringify(given["stringify"] != false && !custom)
        .timestamps(given["timestamps"] == true)
        .touch_after(seconds("touchAfter").unwrap_or_default());
    if let Some(ttl) = seconds("ttl") {
        options = options.ttl(ttl);
    }
    if given.get("transformId").is_some() {
        options = options.transform_id(|id| format!("sess:{id}"));
    }
    if let Some(secret) = given["crypto"]["secret"].as_str() {
        let mut kruptein = Kruptein::new(secret);
        if given["crypto"]["algorithm"] == "aes-256-cbc" {
            kruptein = kruptein.algorithm(Algorithm::AesCbc);
        }
        if given["crypto"]["encodeas"] == "hex" {
            kruptein = kruptein.encoding(Encoding::Hex);
        }
        if given["crypto"]["hashing"] == "sha256" {
            kruptein = kruptein.hashing(Hashing::Sha256);
        }
        options = options.encryption(kruptein);
    }
    if given["cryptoAdapter"] == "webcrypto" {
        options = options.encryption(WebCrypto::new("squirrel"));
    }
    options
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_of_connect_mongo_are_read_as_the_same_session() {
    for case in Case::all().await {
        case.put().await;
        let read = case.store.get(&case.id()).await.unwrap();
        if case.given["get_result_json"].is_null() {
            assert_eq!(read, None, "{}", case.name());
            continue;
        }
        let StoredRecord { text, expires } = read.unwrap();
        assert_eq!(expires, case.entry("").expires, "{}", case.name());
        if !case.is_document() {
            assert_eq!(*text, *case.text(), "{}", case.name());
            continue;
        }
        let values = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(values(&text), values(&case.text()), "{}", case.name());
        let ours = keys_in_order(&text);
        let theirs = case.given["get_key_order"].as_array().unwrap().iter();
        let mut theirs: Vec<&str> = theirs.map(|key| key.as_str().unwrap()).collect();
        // What the store adds, and what is undefined, is in no text.
        theirs.retain(|key| ours.iter().any(|own| own == key));
        assert_eq!(ours, theirs, "{}", case.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_we_write_is_the_document_that_connect_mongo_writes() {
    for case in Case::all().await {
        let document = case.document();
        if let Ok(at) = document.get_datetime("lastModified") {
            case.clock
                .set(Timestamp::from_millis(at.timestamp_millis()));
        }
        // Types that JSON cannot express survive a save: the next test.
        if let Ok(session) = document.get_document("session")
            && !is_said_by_json(session)
        {
            continue;
        }
        let text = match document.get_document("session") {
            // In its stored order; the test above checks that it is the right text.
            Ok(session) => document::to_text(session),
            Err(_) => case.text(),
        };
        let entry = case.entry(&text);
        case.store.create(&case.id(), &entry).await.unwrap();
        let ours = case.found().await;
        let mut fields: Document = (&ours).try_into().unwrap();
        if case.is_sealed() {
            assert!(fields.remove("userOf").is_some(), "{}", case.name());
            assert_eq!(fields.remove("userId"), Some(Bson::Null), "{}", case.name());
            let read = case.store.get(&case.id()).await.unwrap().unwrap();
            assert_eq!(*read.text, *case.text(), "{}", case.name());
            assert!(fields.keys().eq(document.keys()), "{}", case.name());
            let length = |document: &Document| document.get_str("session").unwrap().len();
            assert_eq!(length(&fields), length(&document), "{}", case.name());
        } else if document.contains_key("createdAt") {
            let now = DateTime::from_millis(case.clock.now().as_millis());
            let mut theirs = document.clone();
            theirs.insert("createdAt", now);
            theirs.insert("updatedAt", now);
            assert!(fields.keys().eq(document.keys()), "{}", case.name());
            assert_eq!(said(&fields), said(&theirs), "{}", case.name());
        } else {
            assert_eq!(ours.as_bytes(), case.stored().as_bytes(), "{}", case.name());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn types_unknown_to_json_survive_our_save() {
    let mut typed = 0;
    for case in Case::all().await {
        if !case.is_document() || case.given["get_result_json"].is_null() {
            continue;
        }
        case.put().await;
        let read = case.store.get(&case.id()).await.unwrap().unwrap().text;
        let comma = if *read == *"{}" { "" } else { "," };
        let changed = format!("{}{comma}\"zz\":{{\"a.b\":1.5}}}}", &read[..read.len() - 1]);
        let (id, entry) = (case.id(), case.entry(&changed));
        let saved = case.store.update(&id, &read, &entry).await.unwrap();
        assert_eq!(saved, CasOutcome::Stored, "{}", case.name());
        let ours: Document = case.found().await.try_into().unwrap();
        let mut theirs = case.document();
        let session = theirs.get_document_mut("session").unwrap();
        session.insert("zz", doc! { "a.b": 1.5 });
        let session = |document: &Document| said(document.get_document("session").unwrap());
        assert_eq!(session(&ours), session(&theirs), "{}", case.name());
        typed += 1;
    }
    assert!(typed >= 15 || !is_committed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_touch_changes_what_connect_mongos_touch_changes() {
    let mut touched = 0;
    for case in Case::all().await {
        let Some(after) = case.given.get("after_touch").cloned() else {
            continue;
        };
        let mut after: Document = serde_json::from_value(after).unwrap();
        case.put().await;
        if let Ok(at) = after.get_datetime("lastModified") {
            case.clock
                .set(Timestamp::from_millis(at.timestamp_millis()));
        }
        let read = case.store.get(&case.id()).await.unwrap().unwrap().text;
        let expires = after.get_datetime("expires").unwrap().timestamp_millis();
        let entry = NewRecord {
            expires: Timestamp::from_millis(expires),
            ..case.entry(&read)
        };
        assert!(case.store.touch(&case.id(), &read, &entry).await.unwrap());
        let mut ours: Document = case.found().await.try_into().unwrap();
        // The server's own time.
        assert_eq!(
            ours.remove("updatedAt").is_some(),
            after.remove("updatedAt").is_some()
        );
        assert_eq!(said(&ours), said(&after), "{}", case.name());
        touched += 1;
    }
    assert!(touched >= 4 || !is_committed());
}
