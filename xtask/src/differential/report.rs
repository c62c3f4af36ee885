//! The report of a run, written for the person who must act on it.

use std::collections::BTreeMap;
use std::fmt;

use super::compare::Aspect;
use super::config::Config;
use super::pair::Outcome;
use super::sequence::Request;

/// The result of a run: how much was compared, and the first difference that nothing explains.
#[derive(Debug, Default)]
pub(crate) struct Report {
    sequences: usize,
    requests: usize,
    explained: BTreeMap<&'static str, usize>,
    failure: Option<Failure>,
    /// Differences that were not shown again: the machine held one side up.
    slips: Vec<Failure>,
}

/// A difference, with the shortest sequence that shows it.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) seed: u64,
    pub(super) config: &'static Config,
    pub(super) requests: Vec<Request>,
    pub(super) outcome: Outcome,
}

impl Report {
    /// Returns `true` if every difference has its explanation, and hardly any was a slip.
    pub(crate) fn passed(&self) -> bool {
        self.failure.is_none() && self.slips.len() <= 1 + self.sequences / 500
    }

    pub(super) fn count(&mut self, outcome: &Outcome) {
        self.sequences += 1;
        self.requests += outcome.exchanges.len();
        for name in &outcome.explained {
            *self.explained.entry(name).or_default() += 1;
        }
    }

    pub(super) fn fail(&mut self, failure: Failure) {
        self.failure = Some(failure);
    }

    pub(super) fn slip(&mut self, slip: Failure) {
        self.slips.push(slip);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(failure) = &self.failure {
            writeln!(f, "{failure}\n")?;
        }
        for slip in &self.slips {
            writeln!(f, "played again, it showed no difference: {slip}\n")?;
        }
        let explained: Vec<String> = self
            .explained
            .iter()
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        let explained = if explained.is_empty() {
            "none".to_owned()
        } else {
            explained.join(", ")
        };
        write!(
            f,
            "differential: {} sequences, {} requests; explained: {explained}; \
             slips: {}; unexplained: {}",
            self.sequences,
            self.requests,
            self.slips.len(),
            usize::from(self.failure.is_some()),
        )
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, {}", self.seed, self.config)?;
        for (index, request) in self.requests.iter().enumerate() {
            writeln!(f, "  {}. {}: {}", index + 1, request.cookie, request.target)?;
            if let Some((left, right)) = self.outcome.exchanges.get(index) {
                writeln!(f, "     left  {left}\n     right {right}")?;
            }
        }
        if let Some(difference) = &self.outcome.difference {
            let request = match difference.aspect {
                Aspect::Records => String::new(),
                _ => format!(" of request {}", self.outcome.exchanges.len()),
            };
            writeln!(f, "  different: {}{request}", difference.aspect)?;
            writeln!(f, "     left  {}", indented(&difference.left))?;
            writeln!(f, "     right {}", indented(&difference.right))?;
        }
        write!(f, "  again: cargo xtask differential --seed {}", self.seed)
    }
}

fn indented(lines: &str) -> String {
    if lines.is_empty() {
        "nothing".to_owned()
    } else {
        lines.replace('\n', "\n           ")
    }
}
