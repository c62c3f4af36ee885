//! `cloakroom migrate` between real stores: under writers, killed on the way, cut over while both sides serve.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod figures;
mod forms;
mod ledger;
mod moves;
mod refusals;
mod side;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use side::Side;

/// The secret of the application.
const SECRET: &str = "pM1tP1j8w9h1sX5bC0cZb0Q6m8rT7nK2uY4vE3aL9dGfHiJk";
/// Time after which a command that says nothing hangs.
const HANGS: Duration = Duration::from_mins(10);

/// A move as it is typed, and its journal.
struct Move {
    flags: Vec<String>,
    urls: [String; 2],
    journal: PathBuf,
}

/// The output of a run of the command.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    error: String,
}

impl Said {
    /// The last line, which is the summary.
    fn summary(&self) -> Value {
        let last = self.out.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|_| panic!("no summary: {self:?}"))
    }

    fn count(&self, name: &str) -> u64 {
        self.summary()["counts"][name].as_u64().unwrap()
    }
}

/// The command while it runs.
struct Running {
    child: Child,
    lines: Receiver<Value>,
}

impl Move {
    fn new(from: &Side, to: &Side) -> Self {
        let flags = [from.flags("from"), to.flags("to")].concat();
        Self {
            flags,
            urls: [from.url.clone(), to.url.clone()],
            journal: testbed::directory().leave().join("journal"),
        }
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cloakroom"));
        command
            .arg("migrate")
            .args(&self.urls)
            .args(&self.flags)
            .arg("--state")
            .arg(&self.journal)
            .args(more)
            .env("SESSION_SECRET", SECRET)
            .env_remove("CLOAKROOM_AUDIT")
            .env("RUST_LOG", "off")
            .stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    fn run(&self, more: &[&str]) -> Said {
        let ran = self.command(more).output().unwrap();
        Said {
            code: ran.status.code().unwrap(),
            out: String::from_utf8(ran.stdout).unwrap(),
            error: String::from_utf8(ran.stderr).unwrap(),
        }
    }

    /// Runs it to its end, which must be a good one.
    fn ok(&self, more: &[&str]) -> Said {
        let said = self.run(more);
        assert_eq!(said.code, 0, "{said:?}");
        said
    }

    /// Starts it, and listens.
    fn start(&self, more: &[&str]) -> Running {
        let mut command = self.command(more);
        command.stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let (said, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let _ = said.send(serde_json::from_str(&line).expect("it is JSON"));
            }
        });
        Running { child, lines }
    }

    /// The texts of the journal's files, as far as they are text.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for suffix in ["", "-wal"] {
            let path = format!("{}{suffix}", self.journal.display());
            bytes.extend(std::fs::read(Path::new(&path)).unwrap_or_default());
        }
        bytes
    }
}

impl Running {
    /// Waits for a line of this event.
    fn until(&self, event: &str) -> Value {
        loop {
            let line = self.lines.recv_timeout(HANGS).expect("it goes on");
            if line["event"] == event {
                return line;
            }
        }
    }

    /// Ends it as the kernel does.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end, which must be a good one.
    fn end(&mut self) {
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), Some(0));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that fails leaves none behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
