//! Not written yet.
use std::sync::Arc;
use super::{Store, StoreError, StoreErrorKind, StoreOptions};
/// Not written yet.
#[derive(Clone)]
pub struct MongoStore(Arc<dyn Store>);
impl MongoStore {
    /// Not written yet.
    pub async fn connect_with(_: &str, _: &StoreOptions) -> Result<Self, StoreError> {
        Err(StoreErrorKind::Unavailable.into())
    }
}
super::delegate!(MongoStore, |this| &this.0);
