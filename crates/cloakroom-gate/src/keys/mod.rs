//! The keys that sign tokens: shared by the gate's replicas in a file, known to verifiers before they are used.

mod file;
mod schedule;
mod signing;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;

pub(crate) use signing::SigningKey;

use file::KeyFile;
use schedule::advance;

/// The keys of a gate: the previous one, the current one and the next one.
pub struct Keys {
    place: Option<KeyFile>,
    rotation: Rotation,
    held: ArcSwap<Vec<Arc<SigningKey>>>,
}

/// The schedule by which keys change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Age at which the next key takes its place. Default: 30 days.
    pub age: Duration,
    /// Time for which a key is published before it signs. Default: 10 minutes, twice as long as verifiers may
    /// keep the set.
    pub notice: Duration,
    /// Time for which a key stays published after it has signed last. Default: an hour; tokens live a minute.
    pub keep: Duration,
}

impl Default for Rotation {
    fn default() -> Self {
        Self {
            age: Duration::from_hours(30 * 24),
            notice: Duration::from_mins(10),
            keep: Duration::from_hours(1),
        }
    }
}

/// The keys could not be read, stored or drawn.
#[derive(Debug, thiserror::Error)]
#[error("the keys {path}: {reason}")]
pub struct KeysError {
    path: String,
    reason: String,
}

impl Keys {
    /// Reads the keys of a file, which is made if there is none: readable by its owner alone.
    ///
    /// Replicas share it: whoever changes it holds the lock of `FILE.lock` meanwhile.
    ///
    /// # Errors
    ///
    /// [`KeysError`] for a file that others may read, or that cannot be read or written.
    pub fn open(path: impl Into<PathBuf>, rotation: Rotation) -> Result<Self, KeysError> {
        let keys = Self {
            place: Some(KeyFile::new(path.into())),
            rotation,
            held: ArcSwap::default(),
        };
        keys.refresh(SystemTime::now())?;
        Ok(keys)
    }

    /// Draws keys of this process alone, which end with it: for a development machine.
    ///
    /// # Errors
    ///
    /// [`KeysError`] where the operating system has no random numbers.
    pub fn of_this_process(rotation: Rotation) -> Result<Self, KeysError> {
        let keys = Self {
            place: None,
            rotation,
            held: ArcSwap::default(),
        };
        keys.refresh(SystemTime::now())?;
        Ok(keys)
    }

    /// Reads what other replicas have changed, and draws, promotes and drops keys as their time comes. Call it
    /// every few seconds.
    ///
    /// # Errors
    ///
    /// [`KeysError`]: the keys stay as they were.
    pub fn refresh(&self, now: SystemTime) -> Result<(), KeysError> {
        self.advance(now, false)
    }

    /// Lets the next key take its place: now where it was published long enough ago, else as soon as it was.
    ///
    /// # Errors
    ///
    /// As [`refresh`](Self::refresh).
    pub fn rotate(&self, now: SystemTime) -> Result<(), KeysError> {
        self.advance(now, true)
    }

    fn advance(&self, now: SystemTime, is_asked: bool) -> Result<(), KeysError> {
        let seconds = seconds(now);
        let held = match &self.place {
            None => {
                let held = self.held.load().iter().map(|key| (**key).clone()).collect();
                advance(held, seconds, &self.rotation, is_asked, SigningKey::draw)?.keys
            }
            Some(file) => file.update(|held| {
                advance(held, seconds, &self.rotation, is_asked, SigningKey::draw)
            })?,
        };
        self.held
            .store(Arc::new(held.into_iter().map(Arc::new).collect()));
        Ok(())
    }

    /// Returns the key that signs at this time.
    pub(crate) fn current(&self, now: SystemTime) -> Option<Arc<SigningKey>> {
        let (held, now) = (self.held.load(), seconds(now));
        let used = held.iter().rev().find(|key| key.from <= now);
        used.or(held.first()).cloned()
    }

    /// Returns the set of public keys (RFC 7517), as JSON.
    pub fn jwks(&self) -> String {
        let keys: Vec<_> = self
            .held
            .load()
            .iter()
            .map(|key| key.public_jwk())
            .collect();
        serde_json::json!({ "keys": keys }).to_string()
    }

    /// Returns the time for which verifiers may keep the set: five minutes, and half the time for which a key is
    /// published before it signs, at the most.
    pub fn max_age(&self) -> Duration {
        (self.rotation.notice / 2).min(Duration::from_mins(5))
    }

    /// Returns the time for which the current key has signed.
    pub fn age(&self, now: SystemTime) -> Duration {
        let from = self.current(now).map_or(0, |key| key.from);
        Duration::from_secs(seconds(now).saturating_sub(from))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("rotation", &self.rotation)
            .finish_non_exhaustive()
    }
}

pub(crate) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}

#[cfg(test)]
mod tests;
