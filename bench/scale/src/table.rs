//! Tables of the page.

use std::fmt::Write as _;
use std::time::Duration;

use crate::crowd::{Level, Load};
use crate::ladder::{Op, Pair, Rung, SMALL};
use crate::purge::{Purge, Served};
use crate::sample::Time;

/// A table in Markdown.
pub(crate) fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut text = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len()));
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text
}

/// A number with a space for each thousand.
pub(crate) fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// The sizes of a store, one operation after the other.
pub(crate) fn ladder(rungs: &[Rung]) -> String {
    let head = [
        "sessions",
        "bytes each",
        "created/s",
        "get p50",
        "p99",
        "/s",
        "touch p50",
        "p99",
        "/s",
        "update p50",
        "p99",
        "/s",
    ];
    let row = |rung: &Rung| {
        let mut row = vec![
            grouped(rung.size.into()),
            rung.bytes.map_or("–".into(), |bytes| bytes.to_string()),
            rung.filled.map_or("in bulk".into(), grouped),
        ];
        for pair in rung.ops.iter().filter(|pair| Op::ALL.contains(&pair.op)) {
            let large = pair.large;
            row.extend([
                Time(large.p50).to_string(),
                Time(large.p99).to_string(),
                grouped(large.rate()),
            ]);
        }
        row
    };
    table(&head, rungs.iter().map(row))
}

/// The largest size against the small store that was asked in turns with it.
pub(crate) fn ratios(rungs: &[Rung]) -> String {
    let small = format!("p50, p99 at {}", grouped(SMALL.into()));
    let head = [
        "sessions",
        "operation",
        &small,
        "p50, p99 there",
        "p50 ratio",
        "p99 ratio",
        "samples",
    ];
    let row = |rung: &Rung, pair: &Pair| {
        vec![
            grouped(rung.size.into()),
            pair.op.name().into(),
            format!("{}, {}", Time(pair.small.p50), Time(pair.small.p99)),
            format!("{}, {}", Time(pair.large.p50), Time(pair.large.p99)),
            format!("{:.2}", pair.median_ratio()),
            format!("{:.2}", pair.ratio()),
            grouped(pair.large.count as f64),
        ]
    };
    let ends: Vec<&Rung> = match rungs {
        [] => Vec::new(),
        [one] => vec![one],
        [first, .., last] => vec![first, last],
    };
    let rows = ends
        .iter()
        .flat_map(|rung| rung.ops.iter().map(move |pair| row(rung, pair)));
    table(&head, rows)
}

/// Returns the table of concurrent tasks and their throughput.
pub(crate) fn crowd(levels: &[Level]) -> String {
    let head = ["tasks", "get/s", "p99", "update/s", "p99"];
    let two = |load: Load| [grouped(load.rate), Time(load.spread.p99).to_string()];
    let row = |level: &Level| {
        let mut row = vec![level.tasks.to_string()];
        row.extend(two(level.get));
        row.extend(two(level.update));
        row
    };
    table(&head, levels.iter().map(row))
}

/// A purge, and what it did to those that were served.
pub(crate) fn purge(purge: &Purge) -> String {
    let head = [
        "",
        "get p50",
        "p99",
        "longest",
        "update p50",
        "p99",
        "longest",
    ];
    let row = |name: &str, served: Served| {
        let mut row = vec![name.to_owned()];
        for spread in [served.get, served.update] {
            row.extend([spread.p50, spread.p99, spread.max].map(|time| Time(time).to_string()));
        }
        row
    };
    let rows = [
        row("before", purge.before),
        row("meanwhile", purge.meanwhile),
    ];
    let ratio = purge.meanwhile.get.p99.as_secs_f64() / purge.before.get.p99.as_secs_f64();
    let changes = purge.meanwhile.update.p99.as_secs_f64() / purge.before.update.p99.as_secs_f64();
    format!(
        "{}\n{} records went in {}: {} a second. The p99 of a get was {ratio:.2} times that before, of an update {changes:.2} times.\n",
        table(&head, rows),
        grouped(purge.gone as f64),
        Time(purge.took),
        grouped(purge.gone as f64 / purge.took.as_secs_f64()),
    )
}

/// Returns the table of a server's CPU time per operation.
pub(crate) fn costs(costs: &[(Op, Duration)]) -> String {
    let head = [
        "operation",
        "processor time of the server",
        "a second and core",
    ];
    let row = |&(op, cost): &(Op, Duration)| {
        let rate = 1.0 / cost.as_secs_f64().max(1e-9);
        vec![op.name().into(), Time(cost).to_string(), grouped(rate)]
    };
    table(&head, costs.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::{grouped, table};

    #[test]
    fn thousands_are_apart() {
        for (value, text) in [(7.0, "7"), (999.6, "1 000"), (1_234_567.0, "1 234 567")] {
            assert_eq!(grouped(value), text);
        }
    }

    #[test]
    fn a_table_has_a_rule_below_its_head() {
        let text = table(&["a", "b"], [vec!["1".into(), "2".into()]]);
        assert_eq!(text, "| a | b |\n|---|---|\n| 1 | 2 |\n");
    }
}
