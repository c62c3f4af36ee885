//! The store of the manual's page "Writing a store" keeps every rule of a store.

#[path = "../../src/manual/map_store.rs"]
mod map_store;

mod rules {
    use cloakroom::store::conformance::{self, Subject};

    use super::map_store::MapStore;

    conformance::suite!(Subject::new(MapStore::default()));
}
