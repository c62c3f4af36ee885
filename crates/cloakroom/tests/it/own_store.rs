//! The store of the manual's page "Writing a store" keeps every rule of a store.

#[path = "../../src/manual/map_store.rs"]
mod map_store;

mod rules {
    use cloakroom::store::conformance::{self, Subject};

    use super::map_store::MapStore;

    conformance::suite!(Subject::new(MapStore::default()));
}

/// A wrapper that changes nothing keeps the rules of the store inside.
mod wrapped {
    use std::sync::Arc;

    use cloakroom::store::Store;
    use cloakroom::store::conformance::{self, Subject};

    use super::map_store::MapStore;

    fn shared() -> Arc<dyn Store> {
        Arc::new(MapStore::default())
    }

    conformance::suite!(Subject::new(Box::new(shared())));
}

/// The methods with defaults reach the store inside as well: it may have better ones.
#[tokio::test]
async fn wrapper_forwards_the_methods_that_have_defaults() {
    use std::time::Duration;

    use cloakroom::store::near::{NearOptions, NearStore};
    use cloakroom::store::{Store, StoreErrorKind, conformance::FaultInjectingStore};

    let inside = FaultInjectingStore::new(std::sync::Arc::new(map_store::MapStore::default()));
    let near = NearStore::with(
        std::sync::Arc::new(inside.clone()),
        &NearOptions::default().staleness(Duration::from_millis(700)),
    );
    let wrapped: std::sync::Arc<dyn Store> = std::sync::Arc::new(Box::new(near));
    assert_eq!(wrapped.staleness(), Duration::from_millis(700));
    let id = cloakroom::SessionId::random();
    wrapped.get(&id).await.unwrap();
    inside.take_calls();
    wrapped.get_uncached(&id).await.unwrap();
    wrapped.expiries(std::slice::from_ref(&id)).await.unwrap();
    wrapped.retired(&id).await.unwrap();
    assert_eq!(inside.take_calls(), ["get", "expiries", "retired"]);
    inside.fail(StoreErrorKind::Unavailable);
    assert!(wrapped.check().await.is_err());
}

/// A reader who writes a store has one page to read: the store on it stays one.
#[test]
fn the_manuals_store_has_at_most_150_lines() {
    let lines = include_str!("../../src/manual/map_store.rs").lines();
    assert!(lines.count() <= 150);
}
