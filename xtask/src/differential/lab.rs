//! A lab as a child process: started, waited for, ended.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

const START_LIMIT: Duration = Duration::from_secs(20);
const READY: &str = "listening on ";

/// A running lab; dropping it ends the process.
#[derive(Debug)]
pub(super) struct Lab {
    child: Child,
    pub(super) url: String,
}

impl Lab {
    /// Starts `command` (a program and its arguments, relative to the repository) with `flags`.
    pub(super) fn start(command: &str, flags: &[&str]) -> Result<Self, String> {
        let mut words = command.split_whitespace();
        let program = words.next().ok_or("the command of a lab is empty")?;
        let mut child = Command::new(program_path(program))
            .args(words)
            .args(flags)
            .current_dir(root())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{command} does not start: {error}"))?;
        let stdout = child.stdout.take().expect("it was asked for");
        // From here on the process is ended on every way out.
        let mut lab = Self {
            child,
            url: String::new(),
        };
        lab.url =
            ready(&lines(stdout)).ok_or_else(|| format!("{command} never said \"{READY}…\""))?;
        Ok(lab)
    }

    /// Returns the process's exit status, if it ended; asked once a request went unanswered.
    pub(super) fn end(&mut self) -> Option<String> {
        // A connection closes a moment before its process has ended.
        thread::sleep(Duration::from_millis(100));
        let status = self.child.try_wait().ok().flatten()?;
        Some(status.to_string())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing is left to do about it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads to the end in a thread, so that a talkative lab never blocks on a full pipe.
fn lines(stdout: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // Once the lab is ready there is no receiver any more.
            let _ = sender.send(line);
        }
    });
    receiver
}

fn ready(lines: &Receiver<String>) -> Option<String> {
    loop {
        let line = lines.recv_timeout(START_LIMIT).ok()?;
        if let Some(url) = line.strip_prefix(READY) {
            return Some(url.to_owned());
        }
    }
}

/// A bare name is looked up in `PATH`; a path is the repository's.
fn program_path(program: &str) -> PathBuf {
    if program.contains('/') {
        root().join(program)
    } else {
        program.into()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies in the repository")
}
