//! `cloakroom doctor` finds planted faults on real servers, and nothing on healthy ones.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod mongodb;
mod postgres;
mod reach;
mod redis;
mod site;
mod sqlite;

use std::process::{Command, Output};

use serde_json::Value;

/// A secret that nobody guesses.
const SECRET: &str = "pM1tP1j8w9h1sX5bC0cZb0Q6m8rT7nK2uY4vE3aL9dGfHiJk";

/// The output of one run.
struct Said {
    code: i32,
    found: Vec<String>,
    unchecked: Vec<String>,
    text: String,
}

/// Runs the command on a store, with further flags.
fn doctor(store: &str, more: &[&str]) -> Said {
    said(&run(
        &[&["--json", "--store", store], more].concat(),
        SECRET,
    ))
}

fn run(args: &[&str], secret: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cloakroom"))
        .arg("doctor")
        .args(args)
        .env("SESSION_SECRET", secret)
        .env_remove("CLOAKROOM_STORE")
        .env("RUST_LOG", "off")
        .output()
        .unwrap()
}

fn said(output: &Output) -> Said {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("it is JSON"));
    let lines: Vec<Value> = lines.collect();
    let ids = |state: &str| {
        let of_state = lines.iter().filter(|line| line["state"] == state);
        of_state
            .map(|line| line["id"].as_str().unwrap().to_owned())
            .collect()
    };
    Said {
        code: output.status.code().unwrap(),
        found: ids("found"),
        unchecked: ids("not checked"),
        text: text + &String::from_utf8_lossy(&output.stderr),
    }
}

impl Said {
    /// Asserts that nothing is found, and that only the checks of cookies were left out.
    fn is_healthy(&self) {
        assert!(self.found.is_empty(), "{}", self.text);
        assert!(
            self.unchecked.iter().all(|id| id.starts_with('C')),
            "{}",
            self.text
        );
        assert_eq!(self.code, 0, "{}", self.text);
    }

    /// Asserts that this fault is found, whatever else is.
    fn finds(&self, id: &str) {
        assert!(
            self.found.iter().any(|found| found == id),
            "{id}: {}",
            self.text
        );
        let is_note = ["S12", "R08", "P11"].contains(&id);
        assert!(self.code == 1 || is_note, "{id}: {}", self.text);
    }

    /// Asserts that this fault is found, and no other.
    fn finds_only(&self, id: &str) {
        self.finds(id);
        assert_eq!(self.found, [id], "{}", self.text);
    }
}

/// The text of a session as Express writes it, with a life in milliseconds that began now.
fn record(life: i64, rest: &str) -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let until = std::time::UNIX_EPOCH + now + std::time::Duration::from_millis(life.unsigned_abs());
    let until = humantime::format_rfc3339_millis(until);
    format!(
        r#"{{"cookie":{{"originalMaxAge":{life},"expires":"{until}","httpOnly":true,"path":"/"}}{rest}}}"#
    )
}

/// Opens a store as a program that serves does, so that its tables are there, and leaves.
fn serve_once(url: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(cloakroom::AnyStore::connect(url)).unwrap();
}
