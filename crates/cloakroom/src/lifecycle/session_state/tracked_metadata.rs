//! The metadata of a session during one request.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::policy::Policy;
use crate::record::{Metadata, Record};

/// The metadata, and whether the store has it.
#[derive(Debug)]
pub(crate) struct TrackedMetadata {
    pub(crate) value: Option<Arc<Metadata>>,
    /// `true` while it is still to be stored.
    pub(crate) changed: bool,
}

impl TrackedMetadata {
    /// Returns the metadata of a session that begins; it is still to be stored.
    pub(super) fn new(value: Option<Arc<Metadata>>) -> Self {
        Self {
            changed: value.is_some(),
            value,
        }
    }

    /// Returns the unchanged metadata of a stored record.
    #[inline]
    pub(super) fn of(record: &Record) -> Self {
        Self {
            value: record.metadata().cloned(),
            changed: false,
        }
    }

    /// Returns the instant from which the session is over, however often it is touched.
    #[inline]
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.value.as_ref()?.deadline()
    }

    /// Returns the time for which the session is remembered.
    pub(super) fn remembered(&self) -> Option<Duration> {
        self.value.as_ref()?.remembered()
    }

    /// Returns the metadata to be changed; even under a policy that stores no other.
    pub(super) fn change(&mut self, policy: &Policy, now: Timestamp) -> &mut Metadata {
        self.changed = true;
        let realm = policy.settings().realm.as_deref();
        let new = || Arc::new(Metadata::new(now, None, realm));
        Arc::make_mut(self.value.get_or_insert_with(new))
    }

    /// Notes that the session gets another id.
    pub(super) fn renew(&mut self, now: Timestamp) {
        if let Some(metadata) = &mut self.value {
            Arc::make_mut(metadata).renew(now);
            self.changed = true;
        }
    }

    /// Bounds metadata that another writer may have changed.
    #[inline]
    pub(super) fn clamp(&mut self, policy: &Policy, now: Timestamp) {
        let clamped = self.value.as_ref();
        if let Some(clamped) = clamped.and_then(|metadata| metadata.clamped(policy.times(), now)) {
            self.value = Some(Arc::new(clamped));
            self.changed = true;
        }
    }

    /// Takes the metadata of a stored record, unless this request's is still to be stored.
    pub(super) fn refresh(&mut self, record: &Record) {
        if !self.changed {
            self.value = record.metadata().cloned();
        }
    }
}
