//! A section of `bench/SCALE.md` that a test of the command measures, beside what `bench/scale` writes.

use std::fs;
use std::path::Path;

use crate::context::Context;

/// A test that prints figures: of two thousand sessions in each run of the tests, of many where it is asked to.
pub(super) struct Measured {
    /// The test's program, a test `figures` in it.
    pub(super) test: &'static str,
    /// The variable that asks for a number of sessions; with `_OUT` behind it, the one that names the file.
    pub(super) asks: &'static str,
    pub(super) sessions: u64,
}

impl Measured {
    /// Runs it, and returns the circumstances and its lines; `None` if it failed.
    ///
    /// # Errors
    ///
    /// If it does not start, or a file cannot be read.
    pub(super) fn run(&self, context: &Context) -> Result<Option<(String, String)>, String> {
        let out = context.root.join(format!("bench/target/{}.md", self.test));
        if let Some(parent) = out.parent() {
            fs::create_dir_all(parent).map_err(|error| error.to_string())?;
        }
        let mut command = context.cargo(&format!(
            "test --release -p cloakroom-cli --all-features --test {} -- figures --nocapture",
            self.test
        ));
        command
            .env(self.asks, self.sessions.to_string())
            .env(format!("{}_OUT", self.asks), &out);
        let run = circumstances(context)?;
        let ran = command.status().map_err(|error| error.to_string())?;
        if !ran.success() {
            return Ok(None);
        }
        Ok(Some((run, read(&out)?)))
    }
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
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

/// Writes a section into the page at a path.
///
/// # Errors
///
/// If the page cannot be read or written.
pub(super) fn write(path: &Path, heading: &str, section: &str) -> Result<(), String> {
    let page = with(&read(path)?, heading, section);
    fs::write(path, page).map_err(|error| error.to_string())
}

/// Returns the section of a page; `None` if it has none.
pub(super) fn of<'a>(page: &'a str, heading: &str) -> Option<&'a str> {
    let at = page.find(heading)?;
    let end = page[at..]
        .find("\n## ")
        .map_or(page.len(), |end| at + end + 1);
    Some(&page[at..end])
}

/// Returns a page with this section, in the place of the one that it has, or as the last.
pub(super) fn with(page: &str, heading: &str, section: &str) -> String {
    let section = section.trim_end();
    match of(page, heading) {
        None => format!("{}\n\n{section}\n", page.trim_end()),
        Some(old) => {
            let rest = if page.ends_with(old) { "\n" } else { "\n\n" };
            page.replacen(old, &format!("{section}{rest}"), 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{of, with};

    #[test]
    fn a_section_is_replaced_and_kept() {
        let page = with("# Page\n\n| `a` | 1 |\n", "## A", "## A\n\nfirst\n");
        let page = with(&page, "## B", "## B\n\nsecond\n");
        assert_eq!(of(&page, "## A"), Some("## A\n\nfirst\n\n"));
        assert_eq!(of(&page, "## B"), Some("## B\n\nsecond\n"));
        assert_eq!(of(&page, "## C"), None);
        for (heading, text) in [("## A", "## A\n\nfirst\n"), ("## B", "## B\n\nsecond\n")] {
            assert_eq!(with(&page, heading, text), page, "the same again");
        }
        let changed = with(&page, "## A", "## A\n\nthird\n");
        assert_eq!(changed, page.replace("first", "third"));
    }
}
