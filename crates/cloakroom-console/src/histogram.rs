//! Counts by fixed bounds: ages in minutes to weeks, sizes in bytes to tens of kilobytes.

use std::time::Duration;

/// The upper bounds of ages, each with its label; what is beyond them is in a last bucket.
const AGES: [(u64, &str); 9] = [
    (60, "< 1 min"),
    (5 * 60, "1–5 min"),
    (15 * 60, "5–15 min"),
    (60 * 60, "15–60 min"),
    (4 * 3600, "1–4 h"),
    (12 * 3600, "4–12 h"),
    (24 * 3600, "12–24 h"),
    (7 * 24 * 3600, "1–7 days"),
    (30 * 24 * 3600, "7–30 days"),
];

/// The upper bounds of sizes in bytes.
const SIZES: [(u64, &str); 8] = [
    (256, "< 256 B"),
    (512, "256–512 B"),
    (1024, "0.5–1 KiB"),
    (2048, "1–2 KiB"),
    (4096, "2–4 KiB"),
    (8192, "4–8 KiB"),
    (16384, "8–16 KiB"),
    (65536, "16–64 KiB"),
];

/// A histogram.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    bounds: &'static [(u64, &'static str)],
    beyond: &'static str,
    counts: Vec<u64>,
}

impl Histogram {
    pub(crate) fn of_ages() -> Self {
        Self::new(&AGES, "> 30 days")
    }

    pub(crate) fn of_sizes() -> Self {
        Self::new(&SIZES, "> 64 KiB")
    }

    fn new(bounds: &'static [(u64, &'static str)], beyond: &'static str) -> Self {
        Self {
            bounds,
            beyond,
            counts: vec![0; bounds.len() + 1],
        }
    }

    /// Counts a value; a bound itself is in the next bucket.
    pub(crate) fn add(&mut self, value: u64) {
        let bucket = self.bounds.iter().position(|(bound, _)| value < *bound);
        self.counts[bucket.unwrap_or(self.bounds.len())] += 1;
    }

    pub(crate) fn add_age(&mut self, age: Duration) {
        self.add(age.as_secs());
    }

    /// Returns the labels with their counts, in order.
    pub(crate) fn bars(&self) -> Vec<(String, u64)> {
        let labels = self
            .bounds
            .iter()
            .map(|(_, label)| *label)
            .chain([self.beyond]);
        labels
            .map(str::to_owned)
            .zip(self.counts.iter().copied())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Histogram;

    #[test]
    fn values_are_in_the_bucket_below_their_bound() {
        for (seconds, label) in [
            (0, "< 1 min"),
            (59, "< 1 min"),
            (60, "1–5 min"),
            (3599, "15–60 min"),
            (3600, "1–4 h"),
            (86_400, "1–7 days"),
            (2_592_000, "> 30 days"),
            (u64::MAX, "> 30 days"),
        ] {
            let mut ages = Histogram::of_ages();
            ages.add_age(Duration::from_secs(seconds));
            let bars = ages.bars();
            let full: Vec<_> = bars.iter().filter(|(_, count)| *count > 0).collect();
            assert_eq!(full, [&(label.to_owned(), 1)], "{seconds}");
        }
        let mut sizes = Histogram::of_sizes();
        for bytes in [255, 256, 65_535, 65_536] {
            sizes.add(bytes);
        }
        let counts: Vec<u64> = sizes.bars().into_iter().map(|(_, count)| count).collect();
        assert_eq!(counts, [1, 1, 0, 0, 0, 0, 0, 1, 1]);
    }
}
