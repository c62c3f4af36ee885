//! Not written yet.
use super::{Store, StoreError, StoreErrorKind, StoreOptions};
use std::sync::Arc;
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
