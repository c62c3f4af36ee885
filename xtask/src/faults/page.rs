//! The table of a run, and the page of the manual that holds it.

use super::Extent;
use super::outcome::Outcome;
use super::parts::{PARTS, Part};

/// Returns the table, one row for each fault.
pub(crate) fn table(outcomes: &[Outcome]) -> String {
    let rows = outcomes.iter().map(row);
    let rows: Vec<String> = HEADER
        .iter()
        .map(|row| (*row).to_owned())
        .chain(rows)
        .collect();
    rows.join("\n")
}

const HEADER: [&str; 2] = [
    "| | fault | rounds | load | what must hold | observed | control |",
    "|---|---|---|---|---|---|---|",
];

fn row(outcome: &Outcome) -> String {
    let part = outcome.part;
    let cells = if outcome.is_here() {
        [
            rounds(outcome),
            loads(outcome),
            part.holds.to_owned(),
            seen(outcome),
            control(outcome),
        ]
    } else {
        [
            "–".to_owned(),
            "–".to_owned(),
            part.holds.to_owned(),
            format!("not in this suite: {}", part.instead),
            "–".to_owned(),
        ]
    };
    let cells = cells.map(|cell| cell.replace('|', "\\|"));
    format!("| {} | {} | {} |", part.name, part.fault, cells.join(" | "))
}

/// Returns the number of rounds, marked if the fault asks for more.
fn rounds(outcome: &Outcome) -> String {
    match (outcome.rounds, outcome.part.rounds(Extent::Full)) {
        (0, _) => "–".to_owned(),
        (played, Some(full)) if played < full => format!("{played} of {full}"),
        (played, _) => played.to_string(),
    }
}

fn loads(outcome: &Outcome) -> String {
    let loads = outcome.seen.iter().map(|(load, _)| load.as_str());
    or_else(grouped(loads), outcome.part.load)
}

/// Returns the observations by store, where they differ, and the number of tests that passed.
fn seen(outcome: &Outcome) -> String {
    let seen = outcome
        .seen
        .iter()
        .map(|(load, seen)| match load.split_once(": ") {
            Some((store, _)) => format!("{store}: {seen}"),
            None => seen.clone(),
        });
    let seen: Vec<String> = seen.collect();
    let groups = grouped(seen.iter().map(String::as_str));
    let is_one = outcome
        .seen
        .iter()
        .all(|(_, seen)| *seen == outcome.seen[0].1);
    let said = match outcome.seen.first() {
        Some((_, all)) if is_one => all.clone(),
        _ => groups,
    };
    let parts = [said, outcome.verdict()];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("; ")
}

fn control(outcome: &Outcome) -> String {
    let controls = outcome.controls.iter().map(String::as_str);
    or_else(grouped(controls), outcome.part.control)
}

fn or_else(said: String, otherwise: &str) -> String {
    if said.is_empty() {
        otherwise.to_owned()
    } else {
        said
    }
}

/// `a: x`, `b: x`, `c: y` as `a, b: x; c: y`.
fn grouped<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in lines {
        let (store, rest) = line.split_once(": ").unwrap_or(("", line));
        match groups.iter_mut().find(|(known, _)| *known == rest) {
            Some((_, stores)) => stores.push(store),
            None => groups.push((rest, vec![store])),
        }
    }
    let groups: Vec<String> = groups
        .into_iter()
        .map(|(rest, mut stores)| {
            stores.dedup();
            match stores.join(", ") {
                stores if stores.is_empty() => rest.to_owned(),
                stores => format!("{stores}: {rest}"),
            }
        })
        .collect();
    groups.join("; ")
}

/// The page: its rows that were not played now stay as they are.
pub(crate) fn page(before: &str, outcomes: &[Outcome], versions: &[String]) -> String {
    let rows = PARTS.iter().filter_map(|part| {
        let played = outcomes
            .iter()
            .find(|outcome| outcome.part.name == part.name);
        played
            .map(row)
            .or_else(|| row_before(before, part).map(str::to_owned))
    });
    let rows: Vec<String> = HEADER
        .iter()
        .map(|row| (*row).to_owned())
        .chain(rows)
        .collect();
    format!(
        "{HEAD}\n{}\n\nLast written with {}. With no failure in N tries, the rate of failures is below 3/N with 95 %\n\
         confidence.\n",
        rows.join("\n"),
        versions.join("; ")
    )
}

/// The row of a fault in the page as it was.
fn row_before<'a>(page: &'a str, part: &Part) -> Option<&'a str> {
    let begin = format!("| {} | ", part.name);
    page.lines().find(|line| line.starts_with(&begin))
}

const HEAD: &str = "\
# Injected faults and their results

`cargo xtask faults` injects the faults of production on real servers that it starts itself, and compares the stored sessions
with the replies that clients got: for each session `acknowledged ≤ stored ≤ acknowledged + unknown`. A session whose end was
acknowledged stays ended. A control is the same test with a version that must fail: a harness that detects nothing there proves
nothing. This page is written by `cargo xtask faults [PART…] [--full] --write`; every row is of one run, and says how many of its
rounds were played.
";

#[cfg(test)]
mod tests {
    use super::super::outcome::Outcome;
    use super::*;
    use crate::context::Finished;

    #[test]
    fn a_row_says_what_was_seen_on_each_store() {
        let mut outcome = Outcome::new(&PARTS[4], 7);
        let name = PARTS[4].name;
        let output = format!(
            "fault: {name} | a: 1 round | 0 undone\nfault: {name} | b: 1 round | 0 undone\ncontrol: {name} | a|b lose\n\
             test result: ok. 2 passed; 0 failed"
        );
        outcome.add(&Finished {
            success: true,
            output,
        });
        let row = row(&outcome);
        assert!(row.contains("| 7 of 10000 | a, b: 1 round |"), "{row}");
        assert!(row.contains("| 0 undone; 2 passed |"), "{row}");
        assert!(row.contains("a\\|b lose"), "{row}");
    }

    #[test]
    fn different_observations_are_listed_by_store() {
        let lines = ["a: x", "b: y", "c: x", "z"];
        assert_eq!(grouped(lines.into_iter()), "a, c: x; b: y; z");
    }

    #[test]
    fn rows_that_were_not_played_stay() {
        let before = format!(
            "head\n| {} | as it was |\n| {} | old |\n",
            PARTS[0].name, PARTS[4].name
        );
        let page = page(&before, &[Outcome::new(&PARTS[4], 3)], &[]);
        assert!(page.contains("| as it was |"), "{page}");
        assert!(!page.contains("| old |"), "{page}");
        assert!(page.contains("3 of 10000"), "{page}");
    }

    #[test]
    fn parts_without_tests_here_name_their_place() {
        let part = PARTS.iter().find(|part| part.tests.is_empty()).unwrap();
        assert!(row(&Outcome::new(part, 0)).contains("not in this suite"));
    }
}
