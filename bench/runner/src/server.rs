//! A contender that runs.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use crate::contenders::{Contender, Program};
use crate::process::{self, Cpu};

/// Time that it may take to start, under callgrind as well.
const START_LIMIT: Duration = Duration::from_mins(1);

/// The directories of a run.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// The folder `bench`.
    pub(crate) bench: PathBuf,
    /// The log of the contenders' errors.
    pub(crate) log: PathBuf,
}

/// A server as a child process that ends with this value, and with this process.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) at: SocketAddr,
}

impl Server {
    /// Starts a contender on one core.
    pub(crate) fn start(
        contender: &Contender,
        url: &str,
        core: usize,
        places: &Places,
    ) -> Result<Self, String> {
        let core = core.to_string();
        Self::under(&["taskset", "-c", &core], contender, url, places)
    }

    /// Starts a contender as the last words of another command.
    pub(crate) fn under(
        command: &[&str],
        contender: &Contender,
        url: &str,
        places: &Places,
    ) -> Result<Self, String> {
        let log = File::create(&places.log).map_err(|error| error.to_string())?;
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .args(command)
            .args(words(contender, places))
            .args([contender.kind, url])
            .env("NODE_ENV", "production")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("setpriv (Debian: util-linux): {error}"))?;
        let out = child.stdout.take().ok_or("it has an output")?;
        let Some(at) = address(out) else {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("it did not start: {}", said(&places.log)));
        };
        Ok(Self { child, at })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn cpu(&self) -> Result<Cpu, String> {
        Cpu::read(self.id())
    }

    pub(crate) fn memory(&self) -> Result<u64, String> {
        process::memory(self.id())
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn terminate(mut self) -> Result<(), String> {
        let id = self.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status();
        sent.and_then(|_| self.child.wait())
            .map(drop)
            .map_err(|error| error.to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the command line that starts it.
fn words(contender: &Contender, places: &Places) -> Vec<PathBuf> {
    let program = contender.program;
    if program == Program::Express {
        let server = places.bench.join(program.folder()).join(program.file());
        return ["node".into(), "--expose-gc".into(), server].into();
    }
    vec![places.bench.join("target/release").join(program.file())]
}

/// Reads the address that it announces; `None` where it ends, or prints nothing for too long.
pub(crate) fn address(out: impl std::io::Read + Send + 'static) -> Option<SocketAddr> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut out = BufReader::new(out);
        let mut line = String::new();
        while out.read_line(&mut line).is_ok_and(|length| length > 0) {
            if let Some(at) = parse(&line) {
                // Nobody waits any more: it was too late.
                let _ = sender.send(at);
                break;
            }
            line.clear();
        }
        // Later output must not fill the pipe.
        let _ = std::io::copy(&mut out, &mut std::io::sink());
    });
    receiver.recv_timeout(START_LIMIT).ok()
}

fn parse(line: &str) -> Option<SocketAddr> {
    line.trim()
        .strip_prefix("listening on http://")?
        .parse()
        .ok()
}

/// The end of what it said.
pub(crate) fn said(log: &Path) -> String {
    let mut text = String::new();
    if let Ok(mut file) = File::open(log) {
        // Output that is not text is not shown.
        let _ = file.read_to_string(&mut text);
    }
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_announces_its_address() {
        let at = parse("listening on http://127.0.0.1:4711\n").unwrap();
        assert_eq!(at.port(), 4711);
        assert_eq!(parse("warming up"), None);
    }
}
