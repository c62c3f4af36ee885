//! The policies under which the two labs are compared.

/// One way to start both labs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Config {
    resave: bool,
    pub(super) save_uninitialized: bool,
    rolling: bool,
    pub(super) unset_destroy: bool,
    max_age: &'static str,
    secrets: &'static [&'static str],
}

const SECRET: &str = "keyboard cat keyboard cat keyboard cat";
const ONE: &[&str] = &[SECRET];
const TWO: &[&str] = &["a newer keyboard for the same old cat", SECRET];

/// Each pair of settings of two options occurs; browser sessions and timed ones share them evenly.
#[rustfmt::skip]
const CONFIGS: [Config; 10] = [
    //      resave save-uninitialized rolling unset=destroy max-age secrets
    config(false, false, false, false, "none", ONE),
    config(false, false, false, false, "60000", ONE),
    config(false, false, true, false, "60000", ONE),
    config(false, false, false, true, "none", TWO),
    config(false, true, false, false, "none", ONE),
    config(false, true, true, true, "60000", ONE),
    config(true, false, false, false, "60000", ONE),
    config(true, false, true, true, "none", ONE),
    config(true, true, false, true, "60000", ONE),
    config(true, true, true, false, "none", TWO),
];

const fn config(
    resave: bool,
    save_uninitialized: bool,
    rolling: bool,
    unset_destroy: bool,
    max_age: &'static str,
    secrets: &'static [&'static str],
) -> Config {
    Config { resave, save_uninitialized, rolling, unset_destroy, max_age, secrets }
}

impl Config {
    pub(super) fn all() -> impl Iterator<Item = &'static Self> {
        CONFIGS.iter()
    }

    /// The one configuration that a seed runs under: a seed alone is enough to repeat a run.
    pub(super) fn of(seed: u64) -> &'static Self {
        let count = u64::try_from(CONFIGS.len()).expect("ten fits");
        &CONFIGS[usize::try_from(seed % count).expect("it is below ten")]
    }

    /// The lab's command line.
    pub(super) fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec!["--addr", "127.0.0.1:0", "--store", "memory:", "--touch-after-ms", "0"];
        flags.extend(self.secrets.iter().flat_map(|secret| ["--secret", secret]));
        flags.extend(self.choices());
        flags
    }

    /// What sets this configuration apart, as flags.
    pub(super) fn choices(&self) -> Vec<&'static str> {
        let unset = if self.unset_destroy { "destroy" } else { "keep" };
        let mut flags = vec!["--max-age-ms", self.max_age, "--unset", unset];
        let switches = [
            (self.resave, "--resave"),
            (self.save_uninitialized, "--save-uninitialized"),
            (self.rolling, "--rolling"),
        ];
        flags.extend(switches.iter().filter(|(on, _)| *on).map(|(_, flag)| *flag));
        flags
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_two_options_meet_in_every_combination() {
        let rows: Vec<[bool; 5]> = Config::all()
            .map(|c| [c.resave, c.save_uninitialized, c.rolling, c.unset_destroy, c.max_age == "none"])
            .collect();
        for (a, b) in (0..5).flat_map(|a| (0..a).map(move |b| (a, b))) {
            for wanted in [(false, false), (false, true), (true, false), (true, true)] {
                assert!(rows.iter().any(|row| (row[a], row[b]) == wanted), "options {a} and {b}: {wanted:?}");
            }
        }
    }
}
