//! Not written yet.
use super::{Store, StoreError, StoreErrorKind, StoreOptions};
use std::sync::Arc;
/// Not written yet.
#[derive(Clone)]
pub struct RedisStore(Arc<dyn Store>);
impl RedisStore {
    /// Not written yet.
    pub async fn connect_with(_: &str, _: &StoreOptions) -> Result<Self, StoreError> {
        Err(StoreErrorKind::Unavailable.into())
    }
}
super::delegate!(RedisStore, |this| &this.0);
