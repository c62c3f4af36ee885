//! Not written yet.
use std::sync::Arc;
use super::{Store, StoreError, StoreErrorKind, StoreOptions};
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
