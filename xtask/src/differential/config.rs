//! The policies under which the two labs are compared.

use std::fmt;

/// A pair of command lines for the two labs.
#[derive(Debug)]
pub(super) struct Config {
    /// The flags of the labs in which it differs.
    flags: &'static str,
    secrets: &'static [&'static str],
}

const COMMON: [&str; 4] = ["--addr", "127.0.0.1:0", "--touch-after-ms", "0"];
const SECRET: &str = "keyboard cat keyboard cat keyboard cat";
const ONE: &[&str] = &[SECRET];
const TWO: &[&str] = &["a newer keyboard for the same old cat", SECRET];

/// Any two options meet in every combination.
#[rustfmt::skip]
const CONFIGS: [Config; 10] = [
    Config { secrets: ONE, flags: "" },
    Config { secrets: ONE, flags: "--max-age-ms 60000" },
    Config { secrets: ONE, flags: "--max-age-ms 60000 --rolling" },
    Config { secrets: TWO, flags: "--unset destroy" },
    Config { secrets: ONE, flags: "--save-uninitialized" },
    Config { secrets: ONE, flags: "--max-age-ms 60000 --save-uninitialized --rolling --unset destroy" },
    Config { secrets: ONE, flags: "--max-age-ms 60000 --resave" },
    Config { secrets: ONE, flags: "--resave --rolling --unset destroy" },
    Config { secrets: ONE, flags: "--max-age-ms 60000 --resave --save-uninitialized --unset destroy" },
    Config { secrets: TWO, flags: "--resave --save-uninitialized --rolling" },
];

impl Config {
    pub(super) fn all() -> impl Iterator<Item = &'static Self> {
        CONFIGS.iter()
    }

    /// The one configuration that a seed runs under: a seed alone is enough to repeat a run.
    pub(super) fn of(seed: u64) -> &'static Self {
        let count = u64::try_from(CONFIGS.len()).expect("ten fits");
        &CONFIGS[usize::try_from(seed % count).expect("it is below ten")]
    }

    /// The lab's command line, but for its store.
    pub(super) fn command_line<'a>(&self) -> Vec<&'a str> {
        let secrets = self.secrets.iter().flat_map(|secret| ["--secret", secret]);
        COMMON
            .into_iter()
            .chain(secrets)
            .chain(self.flags.split_whitespace())
            .collect()
    }

    pub(super) fn saves_uninitialized(&self) -> bool {
        self.flags.contains("--save-uninitialized")
    }

    pub(super) fn destroys_unset(&self) -> bool {
        self.flags.contains("--unset destroy")
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.flags.is_empty() {
            "no flags"
        } else {
            self.flags
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: [&str; 5] = [
        "--max-age-ms",
        "--resave",
        "--save-uninitialized",
        "--rolling",
        "--unset",
    ];

    #[test]
    fn any_two_options_meet_in_every_combination() {
        let pairs = OPTIONS
            .iter()
            .flat_map(|a| OPTIONS.iter().map(move |b| (*a, *b)));
        for (a, b) in pairs.filter(|(a, b)| a < b) {
            for wanted in [(false, false), (false, true), (true, false), (true, true)] {
                let is_so = |c: &Config| (c.flags.contains(a), c.flags.contains(b)) == wanted;
                assert!(Config::all().any(is_so), "{a} and {b}: {wanted:?}");
            }
        }
    }
}
