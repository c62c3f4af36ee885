//! The memo of a request: a value that was loaded beside its session, so that it is loaded once.

use std::any::Any;
use std::sync::{Arc, Mutex};

use super::Session;

use crate::util::lock;

/// One value and its key; neither is printed.
#[derive(Default)]
pub(super) struct Memo(Mutex<Option<(String, Arc<dyn Any + Send + Sync>)>>);

impl Session {
    /// Returns the kept value, if it is of this key and of this type.
    pub(crate) fn recall<T: Clone + Send + Sync + 'static>(&self, of: &str) -> Option<T> {
        let memo = lock(&self.0.memo.0);
        let (_, kept) = memo.as_ref().filter(|(whose, _)| whose == of)?;
        kept.downcast_ref().cloned()
    }

    /// Keeps a value for as long as the request.
    pub(crate) fn keep<T: Clone + Send + Sync + 'static>(&self, of: String, value: T) {
        *lock(&self.0.memo.0) = Some((of, Arc::new(value)));
    }
}
