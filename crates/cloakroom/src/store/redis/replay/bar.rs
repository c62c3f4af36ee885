//! Keeps ids in the log absent, whatever a server replies.
//!
//! An answer may be older than the moment at which it is looked at: the server gave it before it was told, and
//! was told before it arrived. So it is judged by what held when it was asked for, and by whether that held
//! all the time.

use std::sync::atomic::{AtomicU64, Ordering};

use super::log::EndLog;

/// Odd while ids are barred; it never goes back.
#[derive(Default)]
pub(super) struct Bar(AtomicU64);

/// The state of the bar at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Stamp(u64);

impl Stamp {
    /// Nothing was barred.
    pub(super) fn is_free(self) -> bool {
        self.0.is_multiple_of(2)
    }
}

impl Bar {
    pub(super) fn stamp(&self) -> Stamp {
        Stamp(self.0.load(Ordering::SeqCst))
    }

    /// Bars what the log has, which is locked: nobody else raises or lifts it meanwhile.
    pub(super) fn raise(&self, _: &EndLog) {
        if self.stamp().is_free() {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Lifts it.
    pub(super) fn lift(&self, _: &EndLog) {
        if !self.stamp().is_free() {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}
