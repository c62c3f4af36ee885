//! `watch`: what changed between two looks at the store. It subscribes to nothing, and switches nothing on.

use std::collections::HashMap;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::filter::Filter;
use super::open::Opened;
use super::scan::Scan;
use crate::problem::Problem;

/// Sessions that are watched at most: each takes some hundred bytes here, and a read at every look.
const MOST: usize = 100_000;

/// The users of the sessions, by handle.
type Seen = HashMap<String, Option<String>>;

/// A difference between two looks.
#[derive(Debug, PartialEq, Eq)]
struct Event {
    what: &'static str,
    handle: String,
    user: Option<String>,
}

/// Prints what changes, until the reader or the number of looks ends it.
pub(super) async fn watch(
    opened: &Opened,
    filter: &Filter,
    every: Duration,
    looks: u64,
) -> Result<(), Problem> {
    let mut before = look(opened, filter).await?;
    let _ = writeln!(
        io::stderr(),
        "{} sessions; looking again every {}: one that begins and ends in between is missed",
        before.len(),
        humantime::format_duration(every)
    );
    for _ in 1..looks {
        tokio::time::sleep(every).await;
        let now = look(opened, filter).await?;
        for event in changes(&before, &now) {
            if writeln!(io::stdout(), "{}", line(&event)).is_err() {
                return Ok(());
            }
        }
        before = now;
    }
    Ok(())
}

async fn look(opened: &Opened, filter: &Filter) -> Result<Seen, Problem> {
    let (mut scan, mut seen) = (Scan::new(opened, filter), Seen::new());
    while let Some(rows) = scan.page().await? {
        seen.extend(
            rows.into_iter()
                .map(|row| (row.summary.handle, row.summary.user)),
        );
        if seen.len() > MOST {
            return Err(Problem::failed(format!(
                "more than {MOST} sessions: narrow it with a filter, such as --user or --where"
            )));
        }
    }
    Ok(seen)
}

/// Returns the differences, in the order of the handles.
fn changes(before: &Seen, now: &Seen) -> Vec<Event> {
    let event = |what, (handle, user): (&String, &Option<String>)| Event {
        what,
        handle: handle.clone(),
        user: user.clone(),
    };
    let begun = now
        .iter()
        .filter(|(handle, _)| !before.contains_key(*handle));
    let ended = before
        .iter()
        .filter(|(handle, _)| !now.contains_key(*handle));
    let other = now
        .iter()
        .filter(|(handle, user)| before.get(*handle).is_some_and(|was| was != *user));
    let mut events: Vec<Event> = begun.map(|entry| event("began", entry)).collect();
    events.extend(other.map(|entry| {
        event(
            if entry.1.is_some() {
                "signed in"
            } else {
                "signed out"
            },
            entry,
        )
    }));
    events.extend(ended.map(|entry| event("ended", entry)));
    events.sort_by(|one, other| one.handle.cmp(&other.handle));
    events
}

fn line(event: &Event) -> String {
    let at = humantime::format_rfc3339_seconds(SystemTime::now());
    if !io::stdout().is_terminal() {
        let at = at.to_string();
        return json!({ "at": at, "event": event.what, "handle": event.handle, "user": event.user }).to_string();
    }
    let user = event.user.as_deref().unwrap_or("(nobody)");
    let user: String = user.chars().filter(|c| !c.is_control()).take(24).collect();
    format!("{at}  {:<10}  {:<22}  {user}", event.what, event.handle)
}

#[cfg(test)]
mod tests {
    use super::{Seen, changes};

    #[test]
    fn differences_are_told_by_what_they_are() {
        let seen = |sessions: &[(&str, Option<&str>)]| -> Seen {
            let own = |(handle, user): &(&str, Option<&str>)| {
                ((*handle).to_owned(), user.map(str::to_owned))
            };
            sessions.iter().map(own).collect()
        };
        let before = seen(&[
            ("a", None),
            ("b", Some("ada")),
            ("c", None),
            ("d", Some("bob")),
        ]);
        let now = seen(&[("a", Some("ada")), ("b", None), ("c", None), ("e", None)]);
        let told: Vec<_> = changes(&before, &now)
            .into_iter()
            .map(|event| (event.handle, event.what))
            .collect();
        let told: Vec<_> = told
            .iter()
            .map(|(handle, what)| (&**handle, *what))
            .collect();
        assert_eq!(
            told,
            [
                ("a", "signed in"),
                ("b", "signed out"),
                ("d", "ended"),
                ("e", "began")
            ]
        );
        assert!(changes(&now, &now).is_empty());
    }
}
