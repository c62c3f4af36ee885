//! The lifetime of a session, changes of its id, and its data.

mod ids;
mod outages;
mod timeouts;

use std::sync::Arc;
use std::time::Duration;

use cloakroom::id::SessionId;
use cloakroom::policy::{PolicyBuilder, RequestInfo};
use cloakroom::store::conformance::FaultInjectingStore;
use cloakroom::store::{Store, StoreError, StoredRecord};
use cloakroom::{Manager, ManualClock, MemoryStore, Policy, Session};
use serde::{Deserialize, Serialize};

use crate::support::{Cookies, clock, keys, memory};

const MINUTE: Duration = Duration::from_mins(1);

/// One visitor's browser, without HTTP between.
struct Visit {
    manager: Manager,
    store: MemoryStore,
    faulty: FaultInjectingStore,
    clock: ManualClock,
    cookie: Cookies,
    /// The last Set-Cookie field.
    sent: Option<String>,
}

impl Visit {
    fn new(builder: PolicyBuilder) -> Self {
        let clock = clock();
        let store = memory(&clock);
        let faulty = FaultInjectingStore::new(Arc::new(store.clone()));
        let policy = builder.build().unwrap();
        let manager = Manager::with_clock(policy, Arc::new(faulty.clone()), clock.clone());
        Self {
            manager,
            store,
            faulty,
            cookie: Cookies::by(&clock),
            clock,
            sent: None,
        }
    }

    /// A visit by default settings, whose session has an `a`.
    async fn begun() -> Self {
        let mut visit = Self::new(Policy::builder(keys()));
        visit.set("a").await;
        visit
    }

    async fn open(&self) -> Session {
        let mut request = RequestInfo::default();
        request.is_secure = true;
        let field = self.cookie.field();
        let cookies = field.iter().map(String::as_bytes);
        self.manager.open(cookies, request).await.unwrap()
    }

    async fn close(&mut self, session: &Session) {
        let closing = self.manager.close(session).await.unwrap();
        if let Some(field) = &closing.set_cookie {
            self.cookie.keep(field);
        }
        self.sent = closing.set_cookie;
    }

    /// A request that does something to the session.
    async fn request(&mut self, handle: impl FnOnce(&Session)) {
        let session = self.open().await;
        handle(&session);
        self.close(&session).await;
    }

    async fn set(&mut self, key: &str) {
        self.request(|session| session.insert(key, true).unwrap())
            .await;
    }

    /// A request that reads; whether the session is the one from before.
    async fn read(&mut self) -> bool {
        let session = self.open().await;
        self.close(&session).await;
        !session.is_new()
    }
    /// Returns the error of a request whose session cannot be read.
    async fn refusal(&self) -> StoreError {
        let field = self.cookie.field();
        let cookies = field.iter().map(String::as_bytes);
        let opening = self.manager.open(cookies, RequestInfo::default());
        opening.await.unwrap_err()
    }

    async fn stored(&self, id: &SessionId) -> Option<StoredRecord> {
        self.store.get(id).await.unwrap()
    }

    async fn count(&self) -> u64 {
        self.store.count().await.unwrap()
    }
}

#[derive(Serialize, Deserialize, Default, PartialEq, Debug)]
#[serde(default)]
struct Shop {
    views: u32,
    theme: Option<String>,
    cart: std::collections::BTreeMap<String, u32>,
}

#[tokio::test]
async fn a_typed_session_is_saved_field_by_field() {
    let mut visit = Visit::new(Policy::builder(keys()));
    visit
        .request(|session| session.insert("other", "untouched").unwrap())
        .await;
    let (one, two) = (visit.open().await, visit.open().await);
    one.typed::<Shop>().unwrap().views += 1;
    two.typed::<Shop>().unwrap().theme = Some("dark".into());
    visit.close(&one).await;
    visit.close(&two).await;
    let session = visit.open().await;
    let shop = session.typed::<Shop>().unwrap();
    assert_eq!(
        *shop,
        Shop {
            views: 1,
            theme: Some("dark".into()),
            ..Shop::default()
        }
    );
    assert_eq!(
        session.get::<String>("other").unwrap().as_deref(),
        Some("untouched")
    );
    assert_eq!(
        session.keys(),
        ["other", "views", "theme"],
        "what did not change is not written"
    );
}

#[tokio::test]
async fn application_code_may_use_the_session_inside_its_own_functions() {
    let mut visit = Visit::begun().await;
    let session = visit.open().await;
    let inner = session.clone();
    let n = session
        .update("n", move |n: Option<u32>| {
            inner.insert("seen", true).unwrap();
            n.unwrap_or(0) + 1
        })
        .await
        .unwrap();
    assert_eq!(n, 1);
    session.cookie_mut(|cookie| {
        assert!(!session.is_new());
        cookie.http_only(true);
    });
    visit.close(&session).await;
    assert_eq!(visit.open().await.keys(), ["a", "n", "seen"]);
}
