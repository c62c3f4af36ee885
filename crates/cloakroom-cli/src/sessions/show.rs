//! `show`: one session; its values stay in the store.

use std::io::{self, IsTerminal as _};

use serde_json::json;

use super::filter::Filter;
use super::list::{println, record};
use super::open::Opened;
use super::scan::{Row, Scan};
use crate::problem::Problem;

/// Prints what is known of the session of a handle.
///
/// # Errors
///
/// A problem if no session has it.
pub(super) async fn show(opened: &Opened, handle: &str, user: Option<&str>) -> Result<(), Problem> {
    let filter = Filter {
        user: user.map(str::to_owned),
        ..Filter::default()
    };
    let mut scan = Scan::new(opened, &filter);
    let row = find_in(&mut scan, handle).await?.ok_or_else(|| {
        let listed = "`cloakroom sessions list` shows those that are there";
        let mend = scan.secret_fault().unwrap_or(listed);
        Problem::failed(format!("no live session has this handle: {mend}"))
    })?;
    let mut shown = record(&row.summary);
    shown["keys"] = json!(row.summary.keys);
    if !io::stdout().is_terminal() {
        println(&shown.to_string())?;
        return Ok(());
    }
    for (name, value) in shown.as_object().into_iter().flatten() {
        let value = match value {
            serde_json::Value::String(text) => text.replace(|c: char| c.is_control(), "\u{fffd}"),
            serde_json::Value::Null => "?".to_owned(),
            value => value.to_string(),
        };
        println(&format!("{name:<10}  {value}"))?;
    }
    Ok(())
}

/// Returns the session of a handle.
pub(super) async fn find(
    opened: &Opened,
    filter: &Filter,
    handle: &str,
) -> Result<Option<Row>, Problem> {
    find_in(&mut Scan::new(opened, filter), handle).await
}

async fn find_in(scan: &mut Scan, handle: &str) -> Result<Option<Row>, Problem> {
    while let Some(rows) = scan.page().await? {
        let found = rows.into_iter().find(|row| row.summary.is_called(handle));
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}
