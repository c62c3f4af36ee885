//! The option matrix times all operations of a handler: the store operations, their order, the cookie, and
//! the stored record.

mod deviations;
mod handlers;
mod recorder;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;

pub(super) use self::recorder::{Run, wait};

use self::deviations::deviate;
use self::handlers::handle;
use super::{NOW, deviates, express, is_committed, list, text};
use crate::clock::Timestamp;
use crate::policy::{Policy, Unset};
use crate::store::Store as _;

const EXISTING: &str = "existing-sid-00000000000000000000";

/// The observable outcome of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    operations: Vec<String>,
    cookie: Option<String>,
    left: Option<BTreeMap<String, String>>,
}

/// The settings of a row.
struct Row<'a> {
    settings: &'a Value,
    request: &'a str,
    handler: &'a str,
}

impl Row<'_> {
    fn is(&self, option: &str) -> bool {
        self.settings[option] == true
    }

    fn destroys_unset(&self) -> bool {
        self.settings["unset"] == "destroy"
    }

    fn has_expiry(&self) -> bool {
        !self.settings["maxAge"].is_null()
    }

    fn policy(&self) -> Policy {
        let drawn = AtomicUsize::new(0);
        let unset = if self.destroys_unset() {
            Unset::Destroy
        } else {
            Unset::Keep
        };
        let mut builder = express()
            .save_uninitialized(self.is("saveUninitialized"))
            .resave(self.is("resave"))
            .rolling(self.is("rolling"))
            .unset(unset)
            .id_generator(move |_| {
                format!("new-sid-{}", drawn.fetch_add(1, Ordering::Relaxed) + 1)
            });
        if let Some(max_age) = self.settings["maxAge"].as_u64() {
            builder = builder.idle_timeout(Duration::from_millis(max_age));
        }
        builder.build().unwrap()
    }

    fn expected(&self) -> Outcome {
        let operations = self.settings["ops"].as_array().unwrap().iter();
        let left = self.settings["left_in_store"].as_object().unwrap().iter();
        Outcome {
            operations: operations
                .map(|op| op.as_str().unwrap().to_owned())
                .collect(),
            cookie: self.settings["set_cookie"].as_str().map(str::to_owned),
            left: Some(
                left.map(|(id, text)| (id.clone(), text.as_str().unwrap().to_owned()))
                    .collect(),
            ),
        }
    }
}

#[test]
fn every_row_of_the_life_cycle_matches_or_is_a_named_deviation() {
    let mut failed = Vec::new();
    for row in list("/lifecycle/rows") {
        let (request, handler) = text(row, "scenario").split_once('_').unwrap();
        let row = Row {
            settings: row,
            request,
            handler,
        };
        let express = row.expected();
        let (expected, deviations) = deviate(&row, express.clone());
        let mut ours = run(&row);
        if expected.left.is_none() {
            ours.left = None;
        }
        if ours != expected {
            failed.push(format!(
                "{}\n  ours     {ours:?}\n  expected {expected:?}",
                row.settings
            ));
        }
        for name in deviations {
            let deviated = ours != express;
            assert!(
                deviated || !is_committed(),
                "`{name}` deviates no more: {}",
                row.settings
            );
            deviates(name);
        }
    }
    assert!(
        failed.is_empty(),
        "{} rows differ:\n{}",
        failed.len(),
        failed[..failed.len().min(6)].join("\n")
    );
    for name in [
        "cleared_on_destroy",
        "never_stored",
        "destroyed_once",
        "written_once",
        "not_touched_twice",
        "shortened_by_a_write",
        "saved_new_sends_cookie",
        "after_the_head",
        "id_is_fixed",
    ] {
        assert!(
            super::SEEN.lock().unwrap().contains(name) || !is_committed(),
            "no row shows `{name}` any more"
        );
    }
}

fn run(row: &Row<'_>) -> Outcome {
    let run = Run::new(row.policy());
    let max_age = row.settings["maxAge"].as_i64();
    let expires = max_age.map(|_| {
        let mut text = String::new();
        Timestamp::from_millis(NOW + 30_000).write_iso(&mut text);
        text
    });
    let json = |value: Option<String>| value.map_or("null".into(), |value| value);
    run.put(EXISTING, &format!(
        r#"{{"cookie":{{"originalMaxAge":{},"expires":{},"httpOnly":true,"path":"/"}},"a":1,"n":{{"x":1}}}}"#,
        json(max_age.map(|age| age.to_string())),
        json(expires.map(|expires| format!("\"{expires}\""))),
    ));
    let existing = run.cookie(EXISTING);
    let cookie = match row.request {
        "none" => None,
        "existing" => Some(existing),
        "unknown" => Some(run.cookie("gone")),
        "badsig" => Some(existing[..existing.len() - 2].to_owned()),
        request => panic!("{request}"),
    };
    let session = run.open_with(cookie.as_deref(), false);
    let mut closing = None;
    wait(handle(row, &session, &run, &mut closing));
    let closing = closing.unwrap_or_else(|| wait(run.manager.close(&session)).unwrap().set_cookie);
    let operations = run.operations.lock().unwrap().clone();
    let ids = wait(run.store.scan(None, 100)).unwrap().ids;
    let left = ids
        .iter()
        .map(|id| (id.expose().to_owned(), run.text_of(id.expose()).unwrap()));
    Outcome {
        operations,
        cookie: closing.map(|field| summary(&field)),
        left: Some(left.collect()),
    }
}

/// Returns a Set-Cookie field in the notation of the rows.
fn summary(field: &str) -> String {
    let (pair, attributes) = field.split_once("; ").unwrap();
    let expires = attributes
        .split("; ")
        .find_map(|attribute| attribute.strip_prefix("Expires="));
    let Some(value) = pair.strip_prefix("connect.sid=s%3A") else {
        assert_eq!(
            (pair, expires),
            ("connect.sid=", Some("Thu, 01 Jan 1970 00:00:00 GMT"))
        );
        return "cleared".into();
    };
    let id = value.rsplit_once('.').unwrap().0;
    expires.map_or(id.into(), |expires| format!("{id} +Expires={expires}"))
}
