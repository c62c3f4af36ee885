//! Keeps ids in the log absent, whatever a server replies.
//!
//! A reply may be older than the moment at which it is read: the server sent it before the ends were
//! repeated, which completed before the reply arrived. So it is judged by the state when it was requested,
//! and by whether that lasted all the time.

use std::sync::atomic::{AtomicU64, Ordering};

use super::log::EndLog;

/// A counter that is odd while ids are barred; it only grows.
#[derive(Default)]
pub(super) struct Bar(AtomicU64);

/// The state of the bar at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Stamp(u64);

impl Stamp {
    /// Returns `true` if nothing was barred.
    pub(super) fn is_free(self) -> bool {
        self.0.is_multiple_of(2)
    }
}

impl Bar {
    pub(super) fn stamp(&self) -> Stamp {
        Stamp(self.0.load(Ordering::SeqCst))
    }

    /// Bars the ids in the log, whose lock keeps others from raising or lifting it meanwhile.
    pub(super) fn raise(&self, _: &EndLog) {
        if self.stamp().is_free() {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Lifts the bar.
    pub(super) fn lift(&self, _: &EndLog) {
        if !self.stamp().is_free() {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}
