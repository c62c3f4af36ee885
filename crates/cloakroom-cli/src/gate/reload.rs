//! The parts that change while the gate runs: its rules, and the keys of its tokens.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use cloakroom_gate::{Gate, KeysError};

use super::rules_file::read_rules;

/// Interval at which the file of the rules is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Number of looks between two at the keys.
const KEYS_EVERY: u32 = 5;

/// Keeps rules and keys current, as long as the process runs.
pub(super) async fn keep_current(gate: Gate, rules: Option<PathBuf>) {
    let mut known = rules.as_deref().map(stamp);
    let mut looks: u32 = 0;
    let mut hangups = Hangups::new();
    loop {
        let is_asked = tokio::select! {
            () = tokio::time::sleep(LOOK) => false,
            () = hangups.next() => true,
        };
        if let Some(path) = rules.as_deref() {
            let found = Some(stamp(path));
            if is_asked || found != known {
                known = found;
                reload(&gate, path);
            }
        }
        looks = looks.wrapping_add(1);
        let now = SystemTime::now();
        if is_asked {
            report(gate.keys().rotate(now));
        } else if looks.is_multiple_of(KEYS_EVERY) {
            report(gate.keys().refresh(now));
        }
    }
}

/// Replaces the rules; those of a file that is refused leave the old ones in place.
fn reload(gate: &Gate, path: &Path) {
    match read_rules(path) {
        Ok(rules) => {
            gate.set_rules(rules);
            tracing::warn!("the rules were reloaded from {}", path.display());
        }
        Err(problem) => tracing::error!("{}: the rules stay as they were", problem.text()),
    }
}

fn report(kept: Result<(), KeysError>) {
    if let Err(error) = kept {
        tracing::error!(%error, "the keys of tokens stay as they were");
    }
}

/// Returns what changes with a file.
fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// The signal to read everything again.
#[cfg(unix)]
struct Hangups(Option<tokio::signal::unix::Signal>);

#[cfg(unix)]
impl Hangups {
    fn new() -> Self {
        let signal = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup());
        Self(
            signal
                .inspect_err(|error| tracing::warn!(%error, "no SIGHUP"))
                .ok(),
        )
    }

    async fn next(&mut self) {
        match &mut self.0 {
            Some(signal) => drop(signal.recv().await),
            None => std::future::pending().await,
        }
    }
}

#[cfg(not(unix))]
struct Hangups;

#[cfg(not(unix))]
impl Hangups {
    fn new() -> Self {
        Self
    }

    async fn next(&mut self) {
        std::future::pending().await
    }
}
