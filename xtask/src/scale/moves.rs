//! The section of `bench/SCALE.md` on moves to another store: `cargo xtask scale --migrate` measures it.

use std::path::Path;

use super::section::{self, Measured};
use crate::context::Context;

/// Its heading.
pub(super) const HEADING: &str = "## Moves to another store";

const WORDS: &str = "\
Written by `cargo xtask scale --migrate`. `cloakroom migrate --follow` moves the sessions while 200 a second are created, changed,
touched and ended at the source, is killed with SIGKILL at a quarter and at half of the copy, and is cut over while as many are
changed and ended at the target. Then every session is compared with what its visitor was told: lost are those that are missing or
older than that, revived those that had ended. The peak is that of the command's memory (VmHWM), with SQLite's own where that is a
store; servers and visitors share the machine's two cores with it.

| from → to | sessions | copied/s | ready after | passes until then and while it followed | the longest of them, moved | last pass, moved | peak | journal | writes meanwhile | lost | revived |
|---|---|---|---|---|---|---|---|---|---|---|---|
";

/// Measures the moves, and writes the section.
///
/// # Errors
///
/// If a file cannot be read or written, or the measurement does not start.
pub(super) fn measure(context: &Context, figures: &Path, sessions: u64) -> Result<bool, String> {
    let measured = Measured {
        test: "migrate",
        asks: "CLOAKROOM_MIGRATE",
        sessions,
    };
    let Some((run, lines)) = measured.run(context)? else {
        return Ok(false);
    };
    section::write(figures, HEADING, &section(&run, &lines))?;
    Ok(true)
}

/// Returns the section from the lines of a measurement: rows of the table, and the control.
fn section(run: &str, measured: &str) -> String {
    let (rows, rest): (Vec<&str>, Vec<&str>) =
        measured.lines().partition(|line| line.starts_with('|'));
    let control = rest
        .iter()
        .find_map(|line| line.strip_prefix("control: "))
        .unwrap_or("not measured");
    format!(
        "{HEADING}\n\n{run}.\n\n{WORDS}{}\n\nThe control, Redis to Redis by one copy without passes: {control}.\n",
        rows.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::section;

    #[test]
    fn rows_and_control_are_told_apart() {
        let measured = "| A → B | 7 |\n| C → D | 8 |\ncontrol: 3 lost, 4 revived\n";
        let new = section("2026-01-02, commit 7; load before: 0.5", measured);
        assert!(new.contains("| C → D | 8 |\n\n") && new.contains("3 lost, 4 revived."));
    }
}
