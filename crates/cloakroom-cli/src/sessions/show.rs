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
    let row = find(opened, &filter, handle).await?.ok_or_else(|| {
        Problem::failed(
            "no live session has this handle: `cloakroom sessions list` shows those that are there",
        )
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
    let mut scan = Scan::new(opened, filter);
    while let Some(rows) = scan.page().await? {
        let found = rows.into_iter().find(|row| row.summary.is_called(handle));
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}
