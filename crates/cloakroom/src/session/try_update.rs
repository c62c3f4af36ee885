//! A read-modify-write update that may refuse, may remove its key, and may borrow.

use std::sync::{Arc, Mutex};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::{Session, SessionError, read};
use crate::lifecycle::{ComputedChange, EditError};
use crate::record::{ValueError, is_reserved, stringify};
use crate::store::{StoreError, StoreErrorKind};
use crate::util::lock;

/// The outcome of an update.
enum Swap {
    Done,
    /// It was computed from another value than the stored one.
    Stale(Option<String>),
}

/// The place where the closure that runs in the store's update leaves its outcome.
#[derive(Default)]
struct Found(Mutex<Option<Swap>>);

impl Found {
    fn note(&self, current: Option<&str>) {
        let mut place = lock(&self.0);
        *place = Some(Swap::Stale(current.map(str::to_owned)));
    }

    fn take(&self) -> Option<Swap> {
        lock(&self.0).take()
    }
}

impl Session {
    /// Changes one key by its present value, or refuses to: [`update`](Self::update) for a change that has a
    /// condition, removes the key, or borrows from the handler.
    ///
    /// `change` gets the stored value, `None` without one, and returns the next one; `None` removes the key,
    /// an `Err` leaves everything unchanged and is returned. It may be called several times. Of several
    /// requests that take a value this way, on any server, one gets it. Concurrent updates of one key are
    /// made one after the other: for hundreds of them, `update` takes fewer writes.
    ///
    /// ```
    /// # use cloakroom::session::{Session, SessionError};
    /// #[derive(Debug, thiserror::Error)]
    /// enum OrderError {
    ///     #[error("not enough credit")]
    ///     Credit,
    ///     #[error(transparent)]
    ///     Session(#[from] SessionError),
    /// }
    ///
    /// async fn pay(session: &Session, price: &u32) -> Result<Option<u32>, OrderError> {
    ///     session
    ///         .try_update("credit", |credit: Option<u32>| {
    ///             let left = credit.unwrap_or(0).checked_sub(*price).ok_or(OrderError::Credit)?;
    ///             Ok(Some(left))
    ///         })
    ///         .await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// The error that `change` returns; otherwise as for [`update`](Self::update), with
    /// [`SessionError::Conflict`] where other requests changed the key for as long as the policy's
    /// `store_timeout`.
    pub async fn try_update<T, E, F>(&self, key: &str, mut change: F) -> Result<Option<T>, E>
    where
        T: Serialize + DeserializeOwned,
        E: From<SessionError>,
        F: FnMut(Option<T>) -> Result<Option<T>, E>,
    {
        if is_reserved(key) {
            return Err(SessionError::ReservedKey(key.to_owned()).into());
        }
        let last = Instant::now() + self.coordinator().policy.settings().store_timeout;
        let mut current = self.present_value(key)?;
        let mut is_read_now = false;
        loop {
            let value = value_of(key, current.as_deref())?;
            let next = match change(value) {
                Ok(next) => next,
                Err(refused) if is_read_now => return Err(refused),
                Err(refused) => {
                    // The value that this request read may be out of date.
                    let stored = self.stored_value(key).await?;
                    if stored == current {
                        return Err(refused);
                    }
                    (current, is_read_now) = (stored, true);
                    continue;
                }
            };
            let json = next.as_ref().map(|next| json_of(key, next)).transpose()?;
            if is_read_now && json == current {
                return Ok(next);
            }
            match self.swap(key, current, json).await? {
                Swap::Done => return Ok(next),
                Swap::Stale(_) if Instant::now() >= last => {
                    return Err(SessionError::Conflict.into());
                }
                Swap::Stale(found) => (current, is_read_now) = (found, true),
            }
        }
    }

    /// Returns the JSON of a key's value as it is stored, or as this request has set it.
    async fn stored_value(&self, key: &str) -> Result<Option<String>, SessionError> {
        if let Some(id) = self.stored_id() {
            let stored = self.read_or_follow(&id).await?;
            let stored = stored.ok_or(SessionError::Gone)?;
            let record = self.coordinator().record(&id, stored.text);
            let record = record.map_err(|error| StoreError::new(StoreErrorKind::Corrupt, error))?;
            self.lock(|held| held.refresh_base(record, stored.expires));
        }
        self.present_value(key)
    }

    /// Returns the JSON of a key's value as this request sees it.
    fn present_value(&self, key: &str) -> Result<Option<String>, SessionError> {
        let found = self.peek(|held| held.get(key).map(str::to_owned))?;
        Ok(found.flatten())
    }

    /// Replaces `expected` by `next` in the store.
    async fn swap(
        &self,
        key: &str,
        expected: Option<String>,
        next: Option<String>,
    ) -> Result<Swap, SessionError> {
        let found = Arc::new(Found::default());
        let noted = Arc::clone(&found);
        let function = move |current: Option<&str>| {
            if current == expected.as_deref() {
                return Ok(next.clone());
            }
            noted.note(current);
            Err(EditError::Stale)
        };
        let change = ComputedChange {
            key: key.to_owned(),
            function: Box::new(function),
        };
        match self.apply(change).await {
            Ok(_) => Ok(Swap::Done),
            Err(error) => found.take().ok_or(error),
        }
    }
}

fn value_of<T: DeserializeOwned>(key: &str, json: Option<&str>) -> Result<Option<T>, SessionError> {
    let value = json.map(|json| read(key, json)).transpose()?;
    Ok(value.flatten())
}

fn json_of<T: Serialize>(key: &str, value: &T) -> Result<String, SessionError> {
    Ok(stringify(value).map_err(|error| ValueError::write::<T>(key, error))?)
}
