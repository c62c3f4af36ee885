//! Not written yet.
use super::{Store, StoreError, StoreErrorKind, StoreOptions};
use std::sync::Arc;
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
