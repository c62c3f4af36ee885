//! The ids that were retired within the last minute.

use std::collections::{HashMap, VecDeque};

use crate::clock::Timestamp;
use crate::store::{RETIRED_FOR, RetiredId};

/// Most ids that are remembered at a time, in some 16 MB; beyond, the oldest are dropped sooner.
const MAX_RETIRED: usize = 100_000;

/// Retired ids with the instant until which each is remembered, the oldest first.
#[derive(Default)]
pub(super) struct Retired {
    known: HashMap<Box<str>, (Timestamp, RetiredId)>,
    order: VecDeque<(Timestamp, Box<str>)>,
}

impl Retired {
    /// Remembers that `id` is retired from `now` on.
    pub(super) fn insert(&mut self, id: &str, retired: &RetiredId, now: Timestamp) {
        self.prune(now);
        if self.order.len() >= MAX_RETIRED {
            self.remove_oldest();
        }
        let until = now.after(RETIRED_FOR);
        self.known.insert(id.into(), (until, retired.clone()));
        self.order.push_back((until, id.into()));
    }

    /// Remembers that `id` is retired from `now` on, unless it is already.
    pub(super) fn note(&mut self, id: &str, retired: &RetiredId, now: Timestamp) {
        if self.get(id, now).is_none() {
            self.insert(id, retired, now);
        }
    }

    /// Returns the reason why `id` was retired, as long as it is remembered.
    pub(super) fn get(&self, id: &str, now: Timestamp) -> Option<&RetiredId> {
        let (until, retired) = self.known.get(id)?;
        (*until > now).then_some(retired)
    }

    /// Drops what has been remembered for long enough.
    pub(super) fn prune(&mut self, now: Timestamp) {
        while self.order.front().is_some_and(|(until, _)| *until <= now) {
            self.remove_oldest();
        }
    }

    fn remove_oldest(&mut self) {
        let Some((until, id)) = self.order.pop_front() else {
            return;
        };
        // An id that was retired again since has a later entry as well.
        if self
            .known
            .get(&id)
            .is_some_and(|(known, _)| *known == until)
        {
            self.known.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{MAX_RETIRED, Retired};
    use crate::clock::Timestamp;
    use crate::store::{RETIRED_FOR, RetiredId};

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    #[test]
    fn a_retired_id_is_known_for_a_minute() {
        let mut retired = Retired::default();
        retired.insert("a", &RetiredId::Closed, NOW);
        let almost = NOW.after(RETIRED_FOR.saturating_sub(Duration::from_millis(1)));
        assert_eq!(retired.get("a", almost), Some(&RetiredId::Closed));
        assert_eq!(retired.get("a", NOW.after(RETIRED_FOR)), None);
        assert_eq!(retired.get("b", NOW), None);
    }

    #[test]
    fn an_id_that_is_retired_again_is_known_for_longer() {
        let mut retired = Retired::default();
        retired.insert("a", &RetiredId::Renewed("b".into()), NOW);
        let later = NOW.after(RETIRED_FOR / 2);
        retired.insert("a", &RetiredId::Closed, later);
        retired.prune(NOW.after(RETIRED_FOR));
        let now = NOW.after(RETIRED_FOR);
        assert_eq!(retired.get("a", now), Some(&RetiredId::Closed));
        retired.prune(later.after(RETIRED_FOR));
        assert!(retired.known.is_empty() && retired.order.is_empty());
    }

    #[test]
    fn retired_ids_are_bounded_and_the_oldest_dropped_first() {
        let mut retired = Retired::default();
        for n in 0..=MAX_RETIRED {
            retired.insert(&n.to_string(), &RetiredId::Closed, NOW);
        }
        assert_eq!(retired.known.len(), MAX_RETIRED);
        assert_eq!(retired.get("0", NOW), None);
        assert!(retired.get("1", NOW).is_some());
    }
}
