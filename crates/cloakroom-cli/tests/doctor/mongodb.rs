//! A MongoDB-compatible server.

use mongodb::bson::{DateTime, Document, doc};
use mongodb::{Client, Collection};
use testbed::Mongo;

use crate::{doctor, record, serve_once};

/// The documents of one database.
struct Documents(Collection<Document>, tokio::runtime::Runtime);

impl Documents {
    fn of(url: &str) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let client = runtime.block_on(Client::with_uri_str(url)).unwrap();
        let sessions = client.default_database().unwrap().collection("sessions");
        Self(sessions, runtime)
    }

    fn put(&self, document: Document) {
        self.1
            .block_on(async { self.0.insert_one(document).await })
            .unwrap();
    }

    fn clear(&self) {
        self.1
            .block_on(async { self.0.delete_many(doc! {}).await })
            .unwrap();
    }

    fn drop_ttl(&self) {
        self.1
            .block_on(async { self.0.drop_index("expires_1").await })
            .unwrap();
    }
}

fn in_an_hour() -> DateTime {
    DateTime::from_millis(DateTime::now().timestamp_millis() + 3_600_000)
}

fn session(id: &str) -> Document {
    doc! { "_id": id, "expires": in_an_hour(), "session": record(3_600_000, r#","userId":"7""#) }
}

#[test]
fn healthy_gets_no_finding_and_planted_faults_are_found() {
    let url = Mongo::shared().url("doctored");
    serve_once(&url);
    doctor(&url, &[]).is_healthy();
    let documents = Documents::of(&url);
    documents.put(session("one"));
    doctor(&url, &[]).is_healthy();

    documents.put(doc! { "_id": "two", "session": record(3_600_000, "") });
    doctor(&url, &[]).finds_only("M02");
    documents.clear();

    documents.put(session("one"));
    documents.put(doc! { "_id": "two", "expires": in_an_hour(), "session": { "cookie": {} } });
    doctor(&url, &[]).finds("M03");
    documents.clear();

    documents.put(session("one"));
    documents.put(session(&"f".repeat(64)));
    doctor(&url, &[]).finds_only("M06");
    documents.clear();

    documents.put(
        doc! { "_id": "one", "expires": in_an_hour(), "session": { "cookie": {}, "userId": "7" } },
    );
    doctor(&url, &[]).finds_only("M05");
    documents.clear();

    documents.put(session("one"));
    documents.drop_ttl();
    doctor(&url, &[]).finds_only("M01");
    documents.clear();

    // Nothing here, and sessions in another collection.
    documents.put(session("one"));
    doctor(&url, &["--table", "others"]).finds("S09");
}
