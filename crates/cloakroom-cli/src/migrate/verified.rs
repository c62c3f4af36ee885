//! The outcome of a comparison of both stores.

use std::fmt::Write as _;

use serde::Serialize;

use super::grouped::grouped;

/// The outcome of a comparison, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Verified {
    pub(super) compared: u64,
    /// Equal to the byte; equal by value.
    pub(super) bytes: u64,
    pub(super) values: u64,
    /// Changed at the source since the last pass.
    pub(super) changed: u64,
    pub(super) missing: u64,
    pub(super) different: u64,
}

/// The outcome for one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Bytes,
    Value,
    Changed,
    Missing,
    Different,
}

impl Verified {
    /// Returns the number of sessions that are not at the target as they are at the source.
    pub(super) fn differ(&self) -> u64 {
        self.missing + self.different
    }

    /// Returns the numbers in a sentence.
    pub(super) fn sentence(&self) -> String {
        let Self {
            compared,
            bytes,
            values,
            changed,
            missing,
            different,
        } = *self;
        let mut text = format!(
            "Compared {}: {} equal to the byte",
            grouped(compared),
            grouped(bytes)
        );
        for (count, what) in [
            (values, "equal by value"),
            (changed, "changed at the source since the last pass"),
            (missing, "missing"),
            (different, "different"),
        ] {
            if count > 0 {
                let _ = write!(text, ", {} {what}", grouped(count));
            }
        }
        text + "."
    }

    /// Counts one session.
    pub(super) fn count(&mut self, found: Found) {
        self.compared += 1;
        *match found {
            Found::Bytes => &mut self.bytes,
            Found::Value => &mut self.values,
            Found::Changed => &mut self.changed,
            Found::Missing => &mut self.missing,
            Found::Different => &mut self.different,
        } += 1;
    }
}
