//! Tables in a terminal of 100 columns.

use std::fmt::Write as _;

use crate::judge::Verdict;
use crate::table::{Table, cell};

const NAME: usize = 26;

/// A table with its title, its note, and a line for each contender.
pub(crate) fn table(table: &Table) -> String {
    let width = (100 - NAME) / table.columns.len().max(1);
    let width = width.min(24);
    let mut out = format!("\n{}\n{}\n", table.title, wrap(&table.note));
    let line = |name: &str, cells: &[String]| {
        let cells = cells.iter().map(|cell| format!("{cell:>width$}"));
        format!("{name:<NAME$}{}", cells.collect::<String>())
    };
    let _ = writeln!(out, "{}", line("", &table.columns));
    for (family, rows) in table.families() {
        let _ = writeln!(out, "{family}");
        for row in rows {
            let cells: Vec<String> = row
                .cells
                .iter()
                .map(|&spread| fit(cell(spread), width))
                .collect();
            let _ = writeln!(out, "{}", line(&format!("  {}", row.name), &cells));
        }
    }
    out
}

/// The spread is left out where it has no room.
fn fit(cell: String, width: usize) -> String {
    if cell.chars().count() < width {
        return cell;
    }
    match cell.split_once(" (") {
        Some((median, _)) => median.to_owned(),
        None => cell,
    }
}

/// Returns one line for each goal.
pub(crate) fn verdicts(verdicts: &[Verdict]) -> String {
    let mut out = String::from("\nWhat was promised\n");
    for verdict in verdicts {
        let text = wrap(&format!("{}: {}", verdict.promise, verdict.figure));
        let text = text.replace('\n', "\n             ");
        let _ = writeln!(out, "{:<12} {text}", verdict.word());
    }
    out
}

/// Lines of 87 characters at most, so that there is room for an indent.
fn wrap(text: &str) -> String {
    let (mut out, mut length) = (String::new(), 0);
    for word in text.split_whitespace() {
        let size = word.chars().count();
        if length + 1 + size > 87 {
            out.push('\n');
            length = 0;
        } else if length > 0 {
            out.push(' ');
            length += 1;
        }
        out.push_str(word);
        length += size;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contenders;
    use crate::stats::Spread;
    use crate::table::{Row, Scale};

    #[test]
    fn a_table_fits_a_terminal() {
        let spread = Spread {
            median: 123_456.0,
            low: 100_000.0,
            high: 200_000.0,
        };
        let rows = contenders::all();
        let rows = rows
            .iter()
            .map(|who| Row::of(who, vec![Some(spread), None, None, Some(spread)]));
        let shown = table(&Table {
            name: "x",
            title: "Requests per second".into(),
            note: "a word ".repeat(40),
            columns: ["GET /anon", "GET /me", "POST /bump", "POST /login"]
                .map(Into::into)
                .into(),
            rows: rows.collect(),
            scale: Scale::Linear,
        });
        for line in shown.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
        assert!(shown.contains("  cloakroom redis near"));
        assert!(shown.contains("123,456"));
    }

    #[test]
    fn a_long_line_is_wrapped_at_words() {
        let wrapped = wrap(&"12345678 ".repeat(20));
        assert!(wrapped.lines().all(|line| line.len() <= 87));
        assert_eq!(wrapped.matches("12345678").count(), 20);
    }
}
