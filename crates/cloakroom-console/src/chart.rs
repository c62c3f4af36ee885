//! Charts as SVG: bars that take their colours from the page, each with its numbers in a table.

use std::time::SystemTime;

use maud::{Markup, html};

use crate::minutes::{self, MINUTES};
use crate::pages::words::number;

/// The width and the height of a bar's box in a chart by the minute, in its own units.
const STEP: usize = 10;
const HEIGHT: u64 = 100;

/// Returns a column of bars by the minute; `what` names one of what is counted, in the plural.
pub(crate) fn by_minute(what: &str, counts: &[u64; MINUTES], now: SystemTime) -> Markup {
    let most = counts.iter().copied().max().unwrap_or(0);
    let total: u64 = counts.iter().sum();
    if total == 0 {
        return html! { p.empty { "None in the last hour." } };
    }
    let summary = format!(
        "{what} by the minute in the last hour: {} in all, {} in the busiest minute",
        number(total),
        number(most)
    );
    let label = |index: usize| minutes::label(MINUTES - 1 - index, now);
    let counts = || counts.iter().enumerate().filter(|(_, count)| **count > 0);
    html! {
        figure.minutes {
            svg role="img" aria-label=(summary) preserveAspectRatio="none" viewBox=(format!("0 0 {} {HEIGHT}", STEP * MINUTES)) {
                line.base x1="0" x2=(STEP * MINUTES) y1=(HEIGHT) y2=(HEIGHT) {}
                @for (index, count) in counts() {
                    @let height = height(*count, most);
                    rect.bar x=(index * STEP + 1) y=(HEIGHT - height) width=(STEP - 2) height=(height) {
                        title { (label(index)) " UTC: " (number(*count)) }
                    }
                }
            }
            figcaption {
                span { (label(0)) }
                span { (number(most)) " at most a minute" }
                span { (label(MINUTES - 1)) " UTC" }
            }
            details {
                summary { "Numbers" span.hidden { " of " (what) " by the minute" } }
                table.numbers {
                    thead { tr { th scope="col" { "Minute (UTC)" } th.num scope="col" { (what) } } }
                    tbody { @for (index, count) in counts().collect::<Vec<_>>().into_iter().rev() {
                        tr { th scope="row" { (label(index)) } td.num { (number(*count)) } }
                    } }
                }
            }
        }
    }
}

/// Returns the height of a bar: in proportion, and no less than can be seen.
fn height(count: u64, most: u64) -> u64 {
    (count.saturating_mul(HEIGHT) / most.max(1)).max(2)
}

/// Returns a table whose rows have a bar each.
pub(crate) fn histogram(caption: &str, unit: &str, bars: &[(String, u64)]) -> Markup {
    let total: u64 = bars.iter().map(|(_, count)| count).sum();
    let most = bars.iter().map(|(_, count)| *count).max().unwrap_or(0);
    html! {
        table.histogram {
            caption { (caption) }
            thead { tr {
                th scope="col" { (unit) }
                th.num scope="col" { "Sessions" }
                th.num scope="col" { "Share" }
                td {}
            } }
            tbody { @for (label, count) in bars {
                tr {
                    th scope="row" { (label) }
                    td.num { (number(*count)) }
                    td.num { (share(*count, total)) }
                    td.track { (bar(*count, most)) }
                }
            } }
        }
    }
}

fn bar(count: u64, most: u64) -> Markup {
    let width = count.saturating_mul(1000) / most.max(1);
    html! {
        svg aria-hidden="true" preserveAspectRatio="none" viewBox="0 0 1000 10" {
            @if count > 0 { rect.bar x="0" y="0" width=(width.max(4)) height="10" {} }
        }
    }
}

/// Returns a share in percent: `< 1 %` for what is there and would round to nothing.
fn share(count: u64, total: u64) -> String {
    match (count, count.saturating_mul(100) / total.max(1)) {
        (0, _) => "–".to_owned(),
        (_, 0) => "< 1 %".to_owned(),
        (_, percent) => format!("{percent} %"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{by_minute, height, histogram, share};

    #[test]
    fn bars_are_in_proportion_and_can_be_seen() {
        for (count, most, expected) in [
            (1, 1, 100),
            (1, 2, 50),
            (1, 1000, 2),
            (u64::MAX, u64::MAX, 2),
        ] {
            // The last one saturates: a bar that is too low, and no panic.
            assert!(
                height(count, most).abs_diff(expected) <= 1,
                "{count} {most}"
            );
        }
        for (count, total, expected) in [
            (0, 0, "–"),
            (0, 9, "–"),
            (1, 200, "< 1 %"),
            (1, 2, "50 %"),
            (2, 2, "100 %"),
        ] {
            assert_eq!(share(count, total), expected);
        }
    }

    #[test]
    fn a_chart_has_its_numbers_beside_it() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_hours(10);
        let mut counts = [0; 60];
        counts[59] = 1234;
        let text = by_minute("Logins", &counts, now).into_string();
        assert!(
            text.contains("<title>10:00 UTC: 1,234</title>")
                && text.contains("<td class=\"num\">1,234</td>"),
            "{text}"
        );
        assert!(
            by_minute("Logins", &[0; 60], now)
                .into_string()
                .contains("None in the last hour")
        );
        let text = histogram(
            "Age",
            "Age",
            &[("< 1 min".to_owned(), 3), ("more".to_owned(), 0)],
        )
        .into_string();
        assert!(
            text.contains("100 %") && text.contains("&lt; 1 min"),
            "{text}"
        );
    }
}
