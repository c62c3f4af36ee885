//! Whether a copy of a session is worth its price: one that is written at each request is never served from
//! memory, and costs a subscription and a report each time.

use std::sync::atomic::{AtomicU8, Ordering};

/// The recent life of a session's copies in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CopyUse {
    /// The last copy was served, or nothing is known.
    Useful = 0,
    /// A copy was inserted, and not served yet.
    Unserved = 1,
    /// The last copy was dropped by a write of this process before it was served.
    Wasted = 2,
    /// The session was read without a copy, and not written since.
    Passed = 3,
}

/// An event of a session in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CopyEvent {
    Inserted,
    Served,
    Written,
    /// Read without a copy, as [`Worth::is_worth_it`] advised.
    Passed,
}

impl CopyUse {
    fn of(state: u8) -> Self {
        match state {
            1 => Self::Unserved,
            2 => Self::Wasted,
            3 => Self::Passed,
            _ => Self::Useful,
        }
    }

    /// Returns the state after an event.
    fn after(self, event: CopyEvent) -> Self {
        match (event, self) {
            (CopyEvent::Inserted, _) => Self::Unserved,
            (CopyEvent::Served, _) => Self::Useful,
            (CopyEvent::Passed, _) => Self::Passed,
            (CopyEvent::Written, Self::Unserved | Self::Passed) => Self::Wasted,
            (CopyEvent::Written, state) => state,
        }
    }
}

/// The states, one for each counter of [`Versions`](super::versions::Versions). Sessions share them: one may be
/// read once more from the store, or kept for nothing. Nothing depends on the order of events.
#[derive(Debug)]
pub(super) struct Worth(Box<[AtomicU8]>);

impl Worth {
    /// Allocates `slots` states, a byte each.
    pub(super) fn new(slots: usize) -> Self {
        Self((0..slots).map(|_| AtomicU8::new(0)).collect())
    }

    /// Returns `true` if the reply of a read should be kept as a copy: not the first after a write that
    /// dropped a copy, or a reply without one, unserved.
    pub(super) fn is_worth_it(&self, slot: usize) -> bool {
        let is_wasted = CopyUse::of(self.state(slot).load(Ordering::Relaxed)) == CopyUse::Wasted;
        if is_wasted {
            self.note(slot, CopyEvent::Passed);
        }
        !is_wasted
    }

    /// Notes that a copy was inserted.
    pub(super) fn was_inserted(&self, slot: usize) {
        self.note(slot, CopyEvent::Inserted);
    }

    /// Notes that a copy was served.
    pub(super) fn was_served(&self, slot: usize) {
        self.note(slot, CopyEvent::Served);
    }

    /// Notes that this process writes the session.
    pub(super) fn is_written(&self, slot: usize) {
        self.note(slot, CopyEvent::Written);
    }

    /// A served copy is the usual case: its line of memory is then only read.
    fn note(&self, slot: usize, event: CopyEvent) {
        let held = self.state(slot);
        let state = CopyUse::of(held.load(Ordering::Relaxed));
        let next = state.after(event);
        if next != state {
            held.store(next as u8, Ordering::Relaxed);
        }
    }

    fn state(&self, slot: usize) -> &AtomicU8 {
        &self.0[slot % self.0.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::CopyEvent::{self, Inserted, Passed, Served, Written};
    use super::CopyUse::{self, Unserved, Useful, Wasted};
    use super::Worth;

    #[test]
    fn a_copy_is_wasted_when_a_write_drops_it_unserved() {
        #[rustfmt::skip]
        let table: [(&[CopyEvent], CopyUse); 9] = [
            (&[],                                     Useful),
            (&[Written],                              Useful), // a login
            (&[Inserted],                             Unserved),
            (&[Inserted, Served, Written],            Useful), // a touch among reads
            (&[Inserted, Written],                    Wasted),
            (&[Inserted, Written, Written],           Wasted),
            (&[Inserted, Written, Passed],            CopyUse::Passed),
            (&[Inserted, Written, Passed, Written],   Wasted), // written at each request
            (&[Inserted, Written, Passed, Inserted],  Unserved),
        ];
        for (events, expected) in table {
            let state = events
                .iter()
                .fold(Useful, |state, event| state.after(*event));
            assert_eq!(state, expected, "{events:?}");
            assert_eq!(CopyUse::of(state as u8), state);
        }
    }

    #[test]
    fn every_second_read_without_a_write_is_kept() {
        let worth = Worth::new(8);
        assert!(worth.is_worth_it(1));
        worth.was_inserted(1);
        worth.is_written(1);
        for _ in 0..3 {
            assert!(!worth.is_worth_it(1));
            worth.is_written(1);
        }
        assert!(!worth.is_worth_it(1));
        assert!(worth.is_worth_it(1));
        worth.was_inserted(1);
        worth.was_served(1);
        worth.is_written(1);
        assert!(worth.is_worth_it(1));
        assert!(
            worth.is_worth_it(9) && worth.is_worth_it(2),
            "others are not concerned"
        );
    }
}
