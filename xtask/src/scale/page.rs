//! The tables of a page in Markdown: the inputs of a computation, and its results.

use std::collections::BTreeMap;

use super::sizing::{self, Inputs};

/// The heading above the computed table in the manual.
const RESULTS: &str = "# Results";

/// The manual's page with the figures of `measured`, and with its results computed from its inputs.
///
/// # Errors
///
/// If the page lacks an input, or the figures one that the page takes from them.
pub(super) fn update(manual: &str, measured: &str) -> Result<String, String> {
    let figures: BTreeMap<&str, &str> = measured.lines().filter_map(named).collect();
    let mut lines: Vec<String> = Vec::new();
    for line in manual.lines() {
        lines.push(match named(line) {
            Some((name, value)) if is_measured(line) => {
                let figure = figures.get(name).ok_or_else(|| {
                    format!("`{name}` is not among the figures: run `cargo xtask scale`")
                })?;
                line.replacen(&format!("| {value} |"), &format!("| {figure} |"), 1)
            }
            _ => line.to_owned(),
        });
    }
    let inputs = inputs(&lines)?;
    let results = sizing::table(&inputs)?;
    let begin = 1 + lines
        .iter()
        .position(|line| line == RESULTS)
        .ok_or_else(|| format!("the page has no `{RESULTS}`"))?;
    let is_table = |line: &String| line.starts_with('|');
    let first = begin
        + lines[begin..]
            .iter()
            .take_while(|line| !is_table(line))
            .count();
    let end = first
        + lines[first..]
            .iter()
            .take_while(|line| is_table(line))
            .count();
    lines.splice(first..end, results);
    Ok(lines.join("\n") + "\n")
}

/// A row whose first cell is a name between backticks: the name and the cell after it.
fn named(line: &str) -> Option<(&str, &str)> {
    let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
    let name = cells.next()?.strip_suffix('`')?;
    Some((name, cells.next()?))
}

/// Returns `true` if the row says that its value comes from a table of `bench/SCALE.md`.
fn is_measured(line: &str) -> bool {
    line.contains("| measured:")
}

fn inputs(lines: &[String]) -> Result<Inputs, String> {
    let rows = lines.iter().filter_map(|line| named(line));
    let number = |(name, value): (&str, &str)| {
        let value = value.replace(' ', "");
        let number = value
            .parse()
            .map_err(|_| format!("`{name}` is no number: {value}"))?;
        Ok((name.to_owned(), number))
    };
    rows.map(number)
        .collect::<Result<_, String>>()
        .map(Inputs::new)
}

#[cfg(test)]
mod tests {
    use super::{inputs, named, update};

    #[test]
    fn a_row_is_known_by_the_backticks_of_its_first_cell() {
        let table = [
            ("| `a_b` | 12 | bytes |", Some(("a_b", "12"))),
            ("| a | 12 |", None),
            ("`a` | 12", None),
            ("| `a`", None),
        ];
        for (line, found) in table {
            assert_eq!(named(line), found, "{line}");
        }
    }

    #[test]
    fn an_input_that_is_no_number_is_named() {
        let rows = [
            "| `a` | 1 000.5 | x |".to_owned(),
            "| `b` | many | x |".to_owned(),
        ];
        assert!(inputs(&rows[..1]).is_ok());
        assert!(inputs(&rows).unwrap_err().contains("`b`"));
    }

    #[test]
    fn a_figure_that_was_not_measured_is_named() {
        let page = "| `redis_none` | 1 | bytes | measured: Redis: sizes |\n";
        assert!(update(page, "").unwrap_err().contains("redis_none"));
    }
}
