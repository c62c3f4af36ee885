//! A store at one end of a move.

use std::time::SystemTime;

use cloakroom::record::UserKeys;
use cloakroom::store::{AnyStore, NewRecord, Store as _, StoreOptions, StoredRecord};
use cloakroom::{SessionId, Timestamp};
use testbed::{Mongo, Postgres, Redis};

/// A store, its URL and what keeps it up.
pub(crate) struct Side {
    pub(crate) url: String,
    table: Option<String>,
    pub(crate) store: AnyStore,
    pub(crate) redis: Option<Redis>,
}

impl Side {
    async fn open(url: String, table: Option<&str>, redis: Option<Redis>) -> Self {
        let options = match table {
            Some(table) => StoreOptions::new().table(table),
            None => StoreOptions::new(),
        };
        let store = AnyStore::connect_with(&url, &options).await.unwrap();
        store.set_user_keys(&UserKeys::default());
        Self {
            url,
            table: table.map(str::to_owned),
            store,
            redis,
        }
    }

    pub(crate) async fn sqlite() -> Self {
        let file = testbed::directory().leave().join("sessions.db");
        Self::open(format!("sqlite:{}", file.display()), None, None).await
    }

    pub(crate) async fn redis() -> Self {
        let redis = Redis::start();
        Self::open(redis.url(), None, Some(redis)).await
    }

    pub(crate) async fn postgres(table: &str) -> Self {
        Self::open(Postgres::shared().url(), Some(table), None).await
    }

    pub(crate) async fn mongodb(database: &str) -> Self {
        Self::open(Mongo::shared().url(database), None, None).await
    }

    /// The flags that its URL does not carry.
    pub(crate) fn flags(&self, end: &str) -> Vec<String> {
        let table = self.table.iter();
        table
            .flat_map(|table| [format!("--{end}-table"), table.clone()])
            .collect()
    }

    pub(crate) async fn put(&self, id: &str, text: &str, expires: Timestamp) {
        let entry = NewRecord {
            text: text.into(),
            expires,
            users: UserKeys::default().users_of(text),
        };
        let id = SessionId::from_store(id);
        self.store.create(&id, &entry).await.unwrap();
    }

    pub(crate) async fn get(&self, id: &str) -> Option<StoredRecord> {
        let id = SessionId::from_store(id);
        self.store.get_uncached(&id).await.unwrap()
    }
}

pub(crate) fn in_millis(millis: i64) -> Timestamp {
    let now = Timestamp::from(SystemTime::now());
    Timestamp::from_millis(now.as_millis() + millis)
}
