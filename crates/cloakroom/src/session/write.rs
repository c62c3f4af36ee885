//! The steps of a session that reach the store before the request is over.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::backend::Saved;
use super::{SaveError, Session, SessionError, read};
use crate::clock::Timestamp;
#[cfg(any(feature = "tower", feature = "actix"))]
use crate::engine::belongs;
use crate::engine::{Change, Edit, EditError, Phase, Sent};
use crate::id::SessionId;
use crate::record::{Record, is_reserved, stringify};
use crate::store::{StoreError, StoreErrorKind};

/// Where a session's record is to be written.
enum Target {
    New,
    Same(Arc<Record>),
    Moved {
        old: SessionId,
        base: Option<Arc<Record>>,
    },
}

impl Session {
    /// Writes the session now instead of at the end of the request.
    ///
    /// # Errors
    ///
    /// [`SessionError::Gone`] where it ended elsewhere meanwhile, [`SessionError::Conflict`],
    /// [`SessionError::TooLarge`], [`SessionError::Ended`]; [`SessionError::Store`] where the store
    /// failed: whether it wrote is then known only where the kind is not `Unknown`.
    pub async fn save(&self) -> Result<(), SessionError> {
        self.live(|_| ())?;
        self.must_be_attached()?;
        Ok(self.write(self.now()).await?)
    }

    /// Reads the session again, past every cache; changes of this request that were not saved are
    /// discarded.
    ///
    /// # Errors
    ///
    /// [`SessionError::NotStored`] for a session that was never saved, [`SessionError::Gone`] for
    /// one that ended meanwhile, [`SessionError::Store`], [`SessionError::Ended`].
    pub async fn reload(&self) -> Result<(), SessionError> {
        // One that `reset` has begun is not stored, although the one before it is.
        let id = self
            .live(|held| held.stored.clone().filter(|_| held.base.is_some()))?
            .ok_or(SessionError::NotStored)?;
        let stored = self.0.backend.get_uncached(&id).await?;
        let stored = stored.ok_or(SessionError::Gone)?;
        let limit = self.0.backend.policy.settings().record_limit;
        let record = Record::parse(stored.text, limit)
            .map_err(|error| StoreError::new(StoreErrorKind::Corrupt, error))?;
        self.live(|held| {
            held.was_reloaded(Arc::new(record), stored.expires);
            held.clamp_stamp(&self.0.backend.policy, self.now());
        })
    }

    /// Whether the session is as it is stored now, where it came from a cache; changes of this request
    /// then lie over what is stored by now.
    #[cfg(any(feature = "tower", feature = "actix"))]
    pub(crate) async fn confirm(&self) -> Result<bool, StoreError> {
        let backend = &self.0.backend;
        let stored = self.lock(|held| held.stored.clone());
        let (Some(id), false) = (stored, backend.store.staleness().is_zero()) else {
            return Ok(true);
        };
        let stored = match backend.get_uncached(&id).await {
            Err(error) if error.kind() == StoreErrorKind::Corrupt => None,
            stored => stored?,
        };
        let limit = backend.policy.settings().record_limit;
        let read = stored.and_then(|stored| {
            let record = Record::parse(stored.text, limit).ok()?;
            Some((record, stored.expires))
        });
        // What cannot be read is of as little use as what is not there.
        let Some((record, expires)) = read else {
            return Ok(false);
        };
        if !belongs(&backend.policy, record.stamp().map(AsRef::as_ref)) {
            return Ok(false);
        }
        self.lock(|held| {
            held.was_confirmed(Arc::new(record), expires);
            held.clamp_stamp(&backend.policy, backend.now());
        });
        Ok(true)
    }

    /// Ends the session, here and for every request that still runs with it; one that the store did not
    /// give to this request, too.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] where the store failed: the record may still be there. The cookie
    /// is cleared and nothing of the session is saved all the same.
    pub async fn destroy(&self) -> Result<(), SessionError> {
        let id = self.live(|held| {
            let phase = std::mem::replace(&mut held.phase, Phase::Destroyed);
            let unread = held.ticket.as_ref().filter(|_| phase == Phase::Detached);
            held.stored
                .clone()
                .or_else(|| unread.map(|ticket| ticket.id.clone()))
        })?;
        if let Some(id) = id {
            self.0.backend.destroy(&id).await?;
        }
        Ok(())
    }

    /// Changes one key by its present value, so that no step of another request is lost, on this
    /// server or another: at once in the store, together with what else changed.
    ///
    /// `change` may be called several times, each time with the value that stands by then.
    ///
    /// ```
    /// # use cloakroom::session::{Session, SessionError};
    /// # async fn f(session: Session) -> Result<(), SessionError> {
    /// let hits = session.update("hits", |hits: Option<u64>| hits.unwrap_or(0) + 1).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`save`](Self::save) and [`insert`](Self::insert). After an outcome that is unknown
    /// the step may have been made: read before it is made again.
    pub async fn update<T, F>(&self, key: &str, mut change: F) -> Result<T, SessionError>
    where
        T: Serialize + DeserializeOwned,
        F: FnMut(Option<T>) -> T + Send + 'static,
    {
        if is_reserved(key) {
            return Err(SessionError::ReservedKey(key.to_owned()));
        }
        let function = move |current: Option<&str>| {
            let current = current.map(read).transpose().map_err(|error| match error {
                SessionError::Value(error) => EditError::Value(error),
                _ => EditError::TooLarge,
            })?;
            stringify(&change(current)).map_err(EditError::Value)
        };
        read(
            &self
                .apply(Change {
                    key: key.to_owned(),
                    function: Box::new(function),
                })
                .await?,
        )
    }

    async fn apply(&self, mut change: Change) -> Result<String, SessionError> {
        self.live(|_| ())?;
        let (target, sent, mut edit) = self.to_send(self.now());
        match target {
            Target::New | Target::Moved { base: None, .. } => self.apply_in_memory(&mut change),
            Target::Moved { .. } => {
                self.write(self.now()).await?;
                Box::pin(self.apply(change)).await
            }
            Target::Same(base) => {
                edit.add(change);
                let saving = self.0.backend.save(&sent.id, base, edit);
                let mut saved = saving.await.map_err(SessionError::from)?;
                let value = saved.value.take().unwrap_or_else(|| "null".into());
                self.was_saved(sent.id.clone(), saved, &sent);
                Ok(value)
            }
        }
    }

    /// Nobody else can know a record that was never stored.
    fn apply_in_memory(&self, change: &mut Change) -> Result<String, SessionError> {
        // The function is the application's own, and may use the session.
        let current = self.lock(|held| held.get(&change.key).map(str::to_owned));
        let next = (change.function)(current.as_deref()).map_err(SaveError::from)?;
        self.insert_raw(&change.key, &next)?;
        Ok(next)
    }

    /// Writes the record where it belongs.
    pub(crate) async fn write(&self, now: Timestamp) -> Result<(), SaveError> {
        let backend = &self.0.backend;
        let (target, sent, edit) = self.to_send(now);
        let mut id = sent.id.clone();
        let draw = || self.draw_id();
        let saved = match target {
            Target::Same(base) => backend.save(&id, base, edit).await,
            Target::New => backend.create(&mut id, draw, edit).await,
            Target::Moved { old, base } => backend.replace(&old, &mut id, draw, base, edit).await,
        }?;
        self.was_saved(id, saved, &sent);
        Ok(())
    }

    pub(crate) async fn touch_now(&self, now: Timestamp) -> Result<(), SaveError> {
        let (Target::Same(base), sent, edit) = self.to_send(now) else {
            return Ok(());
        };
        let found = self.0.backend.touch(&sent.id, &base, edit).await?;
        if found { Ok(()) } else { Err(SaveError::Gone) }
    }

    /// What a write that begins now is to write, and where: all as of one instant.
    fn to_send(&self, now: Timestamp) -> (Target, Sent, Box<Edit>) {
        self.lock(|held| {
            let target = match (&held.stored, &held.base) {
                (Some(stored), base) if *stored != held.id => Target::Moved {
                    old: stored.clone(),
                    base: base.clone(),
                },
                (Some(_), Some(base)) => Target::Same(Arc::clone(base)),
                _ => Target::New,
            };
            // Boxed, because the futures that carry it out each hold it several times.
            (target, held.sent(), Box::new(Edit::of(held, now)))
        })
    }

    fn was_saved(&self, id: SessionId, saved: Saved, sent: &Sent) {
        self.lock(|held| held.was_saved(id, saved.record, saved.expires, sent));
    }
}
