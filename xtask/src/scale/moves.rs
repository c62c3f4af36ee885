//! The section of `bench/SCALE.md` on moves to another store: `cargo xtask scale --migrate` measures it.

use std::fs;
use std::path::Path;

use crate::context::Context;

/// Its heading; it is the last one of the page.
const HEADING: &str = "## Moves to another store";

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
    let out = context.root.join("bench/target/moves.md");
    let read = |path: &Path| {
        fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
    };
    if let Some(parent) = out.parent() {
        fs::create_dir_all(parent).map_err(|error| error.to_string())?;
    }
    let mut command = context.cargo(
        "test --release -p cloakroom-cli --all-features --test migrate -- figures --nocapture",
    );
    command
        .env("CLOAKROOM_MIGRATE", sessions.to_string())
        .env("CLOAKROOM_MIGRATE_OUT", &out);
    let run = circumstances(context)?;
    let ran = command.status().map_err(|error| error.to_string())?;
    if !ran.success() {
        return Ok(false);
    }
    let page = with_section(&read(figures)?, &section(&run, &read(&out)?));
    fs::write(figures, page).map_err(|error| error.to_string())?;
    Ok(true)
}

/// Returns the commit that is measured, and what else the machine does.
fn circumstances(context: &Context) -> Result<String, String> {
    let commit =
        context.require(
            context
                .command("git")
                .args(["log", "-1", "--format=%cs, commit %h"]),
        )?;
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("unknown");
    Ok(format!("{}; load before: {load}", commit.trim()))
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

/// Returns the section of a page; `None` if it has none.
pub(super) fn section_of(page: &str) -> Option<&str> {
    page.find(HEADING).map(|at| &page[at..])
}

/// Returns a page with this section, in the place of the one that it has.
pub(super) fn with_section(page: &str, section: &str) -> String {
    let before = page.find(HEADING).map_or(page, |at| &page[..at]);
    format!("{}\n\n{section}", before.trim_end())
}

#[cfg(test)]
mod tests {
    use super::{HEADING, section, section_of, with_section};

    #[test]
    fn a_section_is_replaced_and_kept() {
        let measured = "| A → B | 7 |\n| C → D | 8 |\ncontrol: 3 lost, 4 revived\n";
        let new = section("2026-01-02, commit 7; load before: 0.5", measured);
        assert!(new.contains("| C → D | 8 |\n\n") && new.contains("3 lost, 4 revived."));
        let page = with_section("# Page\n\n| `a` | 1 |\n", &new);
        assert_eq!(section_of(&page), Some(&new[..]));
        assert_eq!(with_section(&page, &new), page);
        assert!(page.starts_with("# Page\n\n| `a` | 1 |\n\n## "));
        assert_eq!(page.matches(HEADING).count(), 1);
        assert_eq!(section_of("# Page\n"), None);
    }
}
