//! Not written yet.
use std::sync::Arc;
use super::{Store, StoreError, StoreErrorKind, StoreOptions};
/// Not written yet.
#[derive(Clone)]
pub struct PostgresStore(Arc<dyn Store>);
impl PostgresStore {
    /// Not written yet.
    pub async fn connect_with(_: &str, _: &StoreOptions) -> Result<Self, StoreError> {
        Err(StoreErrorKind::Unavailable.into())
    }
}
super::delegate!(PostgresStore, |this| &this.0);
