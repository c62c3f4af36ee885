//! The attributes of a session's cookie during one request.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::record::{CookieState, Record};

/// The attributes, and what this request did to them.
#[derive(Debug)]
pub(crate) struct TrackedCookie {
    pub(crate) value: CookieState,
    /// `true` if this request set them.
    pub(crate) is_set: bool,
    /// `true` while they are still to be stored.
    pub(crate) changed: bool,
}

impl TrackedCookie {
    #[inline]
    pub(super) fn unchanged(value: CookieState) -> Self {
        Self {
            value,
            is_set: false,
            changed: false,
        }
    }

    /// Sets the attributes, for this session only.
    pub(crate) fn set(&mut self, value: CookieState) {
        *self = Self {
            value,
            is_set: true,
            changed: true,
        };
    }

    /// Sets the idle time-out; `None`: until the browser closes.
    pub(super) fn set_max_age(&mut self, timeout: Option<Duration>, now: Timestamp) {
        self.value.set_max_age(timeout, now);
        self.is_set = true;
        self.changed = true;
    }

    /// Takes the attributes of a stored record, unless this request's are still to be stored.
    pub(super) fn refresh(&mut self, record: &Record) {
        if !self.changed {
            self.value = record.cookie().clone();
        }
    }

    /// Takes the attributes of a stored record in the place of those of this request.
    pub(super) fn reload(&mut self, record: &Record) {
        self.value = record.cookie().clone();
        self.changed = false;
    }
}
