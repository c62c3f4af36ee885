//! `list` and `count`.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, SystemTime};

use cloakroom::manager::SessionSummary;
use cloakroom::store::Store as _;
use serde_json::json;

use super::filter::Filter;
use super::open::{Opened, failed};
use super::scan::Scan;
use crate::output::printed as written;
use crate::problem::Problem;

/// Prints the sessions that match: a table on a terminal, lines of JSON in a pipe.
pub(super) async fn list(
    opened: &Opened,
    filter: &Filter,
    limit: usize,
    json: bool,
) -> Result<(), Problem> {
    let is_table = io::stdout().is_terminal() && !json;
    let (mut scan, mut printed) = (Scan::new(opened, filter), 0_usize);
    while printed < limit {
        let Some(rows) = scan.page().await? else {
            break;
        };
        let mut out = io::BufWriter::new(io::stdout().lock());
        for row in rows.iter().take(limit - printed) {
            let heading = (is_table && printed == 0).then(heading);
            printed += 1;
            let line = if is_table {
                line(&row.summary)
            } else {
                record(&row.summary).to_string()
            };
            let lines = heading.into_iter().chain([line]);
            for line in lines {
                if let Err(error) = writeln!(out, "{line}") {
                    return written(Err(error));
                }
            }
        }
        if let Err(error) = out.flush() {
            return written(Err(error));
        }
    }
    if is_table && printed == 0 {
        println(&format!("no session matches ({})", words(filter)))?;
    }
    if let Some(fault) = scan.secret_fault() {
        // With standard error closed there is no reader.
        let _ = writeln!(io::stderr(), "warning: {fault}");
    }
    Ok(())
}

/// Prints the number of sessions that match; in a pipe its digits alone.
pub(super) async fn count(opened: &Opened, filter: &Filter) -> Result<(), Problem> {
    let count = matching(opened, filter).await?;
    if io::stdout().is_terminal() {
        println(&format!("{count} live {}", sessions(count)))
    } else {
        println(&count.to_string())
    }
}

/// Counts the sessions that match.
pub(super) async fn matching(opened: &Opened, filter: &Filter) -> Result<u64, Problem> {
    if filter.is_empty() {
        return opened.store.count().await.map_err(|error| failed(&error));
    }
    let (mut scan, mut count) = (Scan::new(opened, filter), 0);
    while let Some(rows) = scan.page().await? {
        count += rows.len() as u64;
    }
    Ok(count)
}

/// Returns a session as JSON: times are RFC 3339 in UTC, what is not known is null.
pub(super) fn record(session: &SessionSummary) -> serde_json::Value {
    let time = |at: SystemTime| humantime::format_rfc3339_seconds(at).to_string();
    json!({
        "handle": session.handle,
        "user": session.user,
        "created": session.created.map(time),
        "signed_in": session.signed_in.map(time),
        "last_seen": session.last_seen.map(time),
        "expires": time(session.expires),
        "address": session.address.map(|address| address.to_string()),
        "device": session.user_agent.is_some().then(|| session.device()),
        "bytes": session.bytes,
        "readable": session.is_readable,
    })
}

fn heading() -> String {
    format!(
        "{:<22}  {:<16}  {:>7}  {:>7}  {:>7}",
        "HANDLE", "USER", "AGE", "IDLE", "LEFT"
    )
}

/// Returns a line of the table: 67 columns.
fn line(session: &SessionSummary) -> String {
    let now = SystemTime::now();
    let ago = |at: Option<SystemTime>| {
        at.map_or("?".to_owned(), |at| {
            short(now.duration_since(at).unwrap_or_default())
        })
    };
    let user = match &session.user {
        _ if !session.is_readable => "(unreadable)",
        Some(user) => user,
        None => "(nobody)",
    };
    let left = short(session.expires.duration_since(now).unwrap_or_default());
    format!(
        "{:<22}  {:<16}  {:>7}  {:>7}  {left:>7}",
        cut(&session.handle, 22),
        cut(user, 16),
        ago(session.created),
        ago(session.last_seen),
    )
}

/// Returns a text within so many columns, without control characters: a user's name is a visitor's own.
fn cut(text: &str, columns: usize) -> String {
    let shown = text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c });
    let shown: String = shown.collect();
    if shown.chars().count() <= columns {
        return shown;
    }
    shown.chars().take(columns - 1).chain(['…']).collect()
}

/// Returns `true` for a character that changes what a terminal shows of others: a control, or one that turns the
/// direction of writing (Unicode's `Bidi_Control`).
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Returns a length of time in its largest unit.
fn short(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Returns the filter for a message.
pub(super) fn words(filter: &Filter) -> String {
    let words = filter.words();
    if words.is_empty() {
        "no filter".to_owned()
    } else {
        words
    }
}

/// Returns the noun for a number.
pub(crate) fn sessions(count: u64) -> &'static str {
    if count == 1 { "session" } else { "sessions" }
}

/// Prints a line.
pub(super) fn println(line: &str) -> Result<(), Problem> {
    let mut out = io::stdout();
    written(writeln!(out, "{line}").and_then(|()| out.flush()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{cut, short};

    #[test]
    fn names_are_cut_and_cannot_steer_a_terminal() {
        assert_eq!(cut("ada", 16), "ada");
        assert_eq!(cut("a\u{1b}[31m", 16), "a\u{fffd}[31m");
        assert_eq!(cut("a\u{202e}b\u{2066}", 16), "a\u{fffd}b\u{fffd}");
        assert_eq!(cut(&"x".repeat(20), 4), "xxx…");
    }

    #[test]
    fn times_have_one_unit() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (7200, "2h"),
            (172_800, "2d"),
        ] {
            assert_eq!(short(Duration::from_secs(seconds)), text);
        }
    }
}
