//! The page of results, in Markdown, and the charts beside it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::chart;
use crate::judge::Verdict;
use crate::table::{Table, cell};
use crate::versions::Fact;

/// A page that a command writes by itself.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) title: &'static str,
    /// The heading: the run, its date and its extent.
    pub(crate) about: String,
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) tables: Vec<Table>,
    /// The contenders that are missing, with their errors.
    pub(crate) missing: Vec<(String, String)>,
    pub(crate) machine: Vec<Fact>,
    pub(crate) versions: Vec<Fact>,
}

impl Page {
    /// Writes the page as `file` in the folder `bench`, and its charts into `bench/charts`.
    pub(crate) fn write(&self, bench: &Path, file: &str) -> Result<(), String> {
        let charts = bench.join("charts");
        let write = || -> std::io::Result<()> {
            fs::create_dir_all(&charts)?;
            for table in &self.tables {
                fs::write(
                    charts.join(format!("{}.svg", table.name)),
                    chart::draw(table),
                )?;
            }
            fs::write(bench.join(file), self.text())
        };
        write().map_err(|error| format!("{file} cannot be written: {error}"))
    }

    fn text(&self) -> String {
        let mut out = format!("# {}\n\n{}\n", self.title, self.about);
        if !self.verdicts.is_empty() {
            out += "\n## What was promised\n\n| | promise | figure |\n|---|---|---|\n";
        }
        for verdict in &self.verdicts {
            let (word, promise) = (verdict.word(), &verdict.promise);
            let _ = writeln!(out, "| {word} | {promise} | {} |", verdict.figure);
        }
        for table in &self.tables {
            out += &section(table);
        }
        if !self.missing.is_empty() {
            out += "\n## Not measured\n\n";
        }
        for (name, reason) in &self.missing {
            let _ = writeln!(out, "- {name}: {}", reason.replace('\n', " "));
        }
        out += &facts("The machine", &self.machine);
        out += &facts("Versions, as the lock files have them", &self.versions);
        out
    }
}

fn section(table: &Table) -> String {
    let mut out = format!("\n## {}\n\n{}\n\n", table.title, table.note);
    let _ = writeln!(out, "![{}](charts/{}.svg)\n", table.title, table.name);
    let _ = writeln!(out, "| | {} |", table.columns.join(" | "));
    let _ = writeln!(out, "|---|{}", "--:|".repeat(table.columns.len()));
    for (family, rows) in table.families() {
        let _ = writeln!(out, "| *{family}* |{}", " |".repeat(table.columns.len()));
        for row in rows {
            let cells: Vec<String> = row.cells.iter().map(|&spread| cell(spread)).collect();
            let name = if row.is_ours {
                format!("**{}**", row.name)
            } else {
                row.name.clone()
            };
            let _ = writeln!(out, "| {name} | {} |", cells.join(" | "));
        }
    }
    out
}

fn facts(title: &str, facts: &[Fact]) -> String {
    let mut out = format!("\n## {title}\n\n| | |\n|---|---|\n");
    for (name, value) in facts {
        let _ = writeln!(out, "| {name} | {value} |");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::tests::invented;

    #[test]
    fn a_page_has_every_table_and_who_is_missing() {
        let tables = invented().tables();
        let page = Page {
            title: "Results",
            about: "Two rounds.".into(),
            verdicts: Vec::new(),
            tables: tables.clone(),
            missing: vec![("somebody".into(), "error: a\nb".into())],
            machine: vec![("Redis".into(), "7".into())],
            versions: Vec::new(),
        };
        let text = page.text();
        for table in &tables {
            assert!(text.contains(&format!("(charts/{}.svg)", table.name)));
        }
        assert!(text.contains("- somebody: error: a b\n"));
        assert!(text.contains("| Redis | 7 |"));
        assert!(text.contains("| **cloakroom redis near** | "));
        assert!(!text.contains("What was promised"));
    }
}
