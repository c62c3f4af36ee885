//! Invalidation by this process's own writes, which take effect at once, even if their caller is gone.

use super::memory::Memory;
use crate::id::SessionId;

/// Invalidates for a write of this process: existing copies when it begins, and those that were read
/// meanwhile when it ends, however it ends.
pub(super) struct WriteInvalidation<'a> {
    memory: &'a Memory,
    ids: [&'a SessionId; 2],
}

impl<'a> WriteInvalidation<'a> {
    pub(super) fn to(memory: &'a Memory, ids: [&'a SessionId; 2]) -> Self {
        let writing = Self { memory, ids };
        writing.each(Memory::is_written);
        writing
    }

    fn each(&self, tell: fn(&Memory, &SessionId)) {
        let [id, other] = self.ids;
        tell(self.memory, id);
        if other != id {
            tell(self.memory, other);
        }
    }
}

impl Drop for WriteInvalidation<'_> {
    fn drop(&mut self) {
        self.each(Memory::changed);
    }
}

/// Drops all copies when it is dropped, unless that turns out not to be needed.
pub(super) struct ClearOnDrop<'a>(Option<&'a Memory>);

impl<'a> ClearOnDrop<'a> {
    pub(super) fn of(memory: &'a Memory) -> Self {
        Self(Some(memory))
    }

    pub(super) fn needs_not(mut self) {
        self.0 = None;
    }
}

impl Drop for ClearOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(memory) = self.0 {
            memory.clear();
        }
    }
}
