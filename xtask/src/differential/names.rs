//! Session ids are random: each side's are called s1, s2, … in the order of their appearance.

use std::collections::HashMap;

#[derive(Debug, Default)]
pub(super) struct Names(HashMap<String, usize>);

impl Names {
    /// The name of `sid`, given at its first appearance.
    pub(super) fn name(&mut self, sid: &str) -> String {
        let next = self.0.len() + 1;
        format!("s{}", self.0.entry(sid.to_owned()).or_insert(next))
    }

    /// The name of `sid` where it has appeared.
    pub(super) fn known(&self, sid: &str) -> Option<String> {
        self.0.get(sid).map(|index| format!("s{index}"))
    }
}
