//! The section of `bench/SCALE.md` on the command at many sessions: `cargo xtask scale --command` measures it.

use std::path::Path;

use super::section::{self, Measured};
use crate::context::Context;

/// Its heading.
pub(super) const HEADING: &str = "## The command at many sessions";

const WORDS: &str = "\
Written by `cargo xtask scale --command`. Each store holds sessions of which every other one is as Express writes it and as this
library does, five for each user, a tenth of them of the group that the filters take. `cloakroom sessions` runs as a process of its
own, in a pipe; the rate is of the sessions that the store holds. The peak is that of the command's memory (VmHWM), on a store with a
tenth of the sessions and on this one: it must not grow, but for the last 65,536 ends that Redis's store remembers. Round trips are counted by a proxy in front of the server, requests that are
sent together as one. PostgreSQL is durable (`fsync=on`, `synchronous_commit=on`); server, proxy and command share the machine's two
cores.

| store | sessions | `cloakroom sessions …` | seconds | sessions/s | peak, of a tenth | peak | round trips |
|---|---|---|---|---|---|---|---|
";

/// Measures the command, and writes the section.
///
/// # Errors
///
/// If a file cannot be read or written, or the measurement does not start.
pub(super) fn measure(context: &Context, figures: &Path, sessions: u64) -> Result<bool, String> {
    let measured = Measured {
        test: "sessions",
        asks: "CLOAKROOM_COMMAND",
        sessions,
    };
    let Some((run, lines)) = measured.run(context)? else {
        return Ok(false);
    };
    section::write(figures, HEADING, &section(&run, &lines))?;
    Ok(true)
}

/// Returns the section from the lines of a measurement: rows of the table, and versions of the stores.
fn section(run: &str, measured: &str) -> String {
    let (rows, rest): (Vec<&str>, Vec<&str>) =
        measured.lines().partition(|line| line.starts_with('|'));
    let versions = rest
        .iter()
        .filter_map(|line| line.strip_prefix("version: "))
        .collect::<Vec<_>>()
        .join(", ");
    format!(
        "{HEADING}\n\n{run}; {versions}.\n\n{WORDS}{}\n",
        rows.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::section;

    #[test]
    fn rows_and_versions_are_told_apart() {
        let measured = "| A | 7 |\nversion: A 1\n| B | 8 |\nversion: B 2\n";
        let section = section("2026-01-02, commit 7; load before: 0.5", measured);
        assert!(section.contains("0.5; A 1, B 2.\n"), "{section}");
        assert!(
            section.ends_with("|---|\n| A | 7 |\n| B | 8 |\n"),
            "{section}"
        );
    }
}
