//! The deviations: outcomes of Express's rows that differ here on purpose.

use super::{EXISTING, NOW, Outcome, Row};
use crate::clock::Timestamp;

/// Returns the outcome of a row with the deviations, and their names.
pub(super) fn deviate(row: &Row<'_>, mut outcome: Outcome) -> (Outcome, Vec<&'static str>) {
    let mut deviations = Vec::new();
    let mut is = |name, deviates: bool| {
        if deviates {
            deviations.push(name);
        }
        deviates
    };
    if is(
        "id_is_fixed",
        matches!(row.handler, "bogus_sessionID" | "sessionID_reassigned"),
    ) {
        outcome = modified(row);
    }
    if is("after_the_head", row.handler == "modified_after_headers") {
        outcome = untouched(row);
    }
    let existed = |operation: &String| row.request == "existing" || !never_stored(operation);
    if is("never_stored", !outcome.operations.iter().all(existed)) {
        outcome.operations.retain(existed);
    }
    let twice = outcome.operations.windows(2).any(|pair| pair[0] == pair[1]);
    if is("destroyed_once", twice && row.handler == "destroy") {
        outcome.operations.dedup();
    }
    if is(
        "written_once",
        twice && row.handler == "regenerate_modified_save",
    ) {
        outcome.operations.dedup();
    }
    let saves = [
        "explicit_save_unmodified",
        "modified_explicit_save",
        "reload_save",
    ];
    let touched = outcome
        .operations
        .last()
        .is_some_and(|last| last.starts_with("touch"));
    if is("not_touched_twice", touched && saves.contains(&row.handler)) {
        outcome.operations.pop();
    }
    let shortens = row.handler == "maxage_changed_only";
    if is("shortened_by_a_write", touched && shortens) {
        let touch = outcome.operations.pop().unwrap_or_default();
        outcome.operations.push(touch.replacen("touch", "set", 1));
    }
    let orphan = row.handler == "explicit_save_unmodified" && outcome.cookie.is_none();
    if is(
        "saved_new_sends_cookie",
        orphan && row.request != "existing",
    ) {
        outcome.cookie = Some(cookie_of(row, "new-sid-1"));
    }
    let ends = row.handler == "destroy"
        || (row.destroys_unset() && matches!(row.handler, "null" | "delete_prop"));
    if is("cleared_on_destroy", ends && row.request == "existing") {
        outcome.cookie = Some("cleared".into());
    }
    (outcome, deviations)
}

/// Returns `true` if Express calls the store for an id that was never stored: its first id is generated in
/// this request.
fn never_stored(operation: &str) -> bool {
    matches!(operation, "get new-sid-1" | "destroy new-sid-1")
}

fn cookie_of(row: &Row<'_>, id: &str) -> String {
    let mut cookie = id.to_owned();
    if let Some(max_age) = row.settings["maxAge"].as_i64() {
        cookie.push_str(" +Expires=");
        Timestamp::from_millis(NOW + max_age).write_imf(&mut cookie);
    }
    cookie
}

/// Returns Express's outcome for an existing session that was modified (spec 5.13).
fn modified(row: &Row<'_>) -> Outcome {
    let sends = row.is("rolling") || row.has_expiry();
    Outcome {
        operations: vec![format!("get {EXISTING}"), format!("set {EXISTING}")],
        cookie: sends.then(|| cookie_of(row, EXISTING)),
        left: None,
    }
}

/// Returns Express's outcome for a session that was left alone (spec 5.13).
fn untouched(row: &Row<'_>) -> Outcome {
    if row.request == "existing" {
        let operation = if row.is("resave") { "set" } else { "touch" };
        return Outcome {
            operations: vec![format!("get {EXISTING}"), format!("{operation} {EXISTING}")],
            cookie: row.is("rolling").then(|| cookie_of(row, EXISTING)),
            left: None,
        };
    }
    let saved = row.is("saveUninitialized");
    Outcome {
        operations: if saved {
            vec!["set new-sid-1".into()]
        } else {
            Vec::new()
        },
        cookie: saved.then(|| cookie_of(row, "new-sid-1")),
        left: None,
    }
}
