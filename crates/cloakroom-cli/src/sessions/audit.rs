//! The audit: a line of JSON for each act, by OWASP's logging vocabulary. It never holds an id.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use cloakroom::manager::OperatorAct;

use super::Common;
use crate::problem::Problem;

/// The place of the audit.
pub(crate) struct Audit<'a> {
    file: Option<std::fs::File>,
    reason: Option<&'a str>,
}

impl<'a> Audit<'a> {
    /// Opens the file before anything is done: an act that cannot be recorded is not carried out.
    pub(super) fn of(common: &'a Common) -> Result<Self, Problem> {
        Self::open(common.audit.as_deref(), common.reason.as_deref())
    }

    /// Opens the file for acts of this reason.
    pub(crate) fn open(path: Option<&Path>, reason: Option<&'a str>) -> Result<Self, Problem> {
        let open = |path| {
            let mut options = OpenOptions::new();
            options.create(true).append(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            options.open(path)
        };
        let file = path.map(open).transpose().map_err(|error| {
            Problem::usage(format!(
                "--audit cannot be written ({error}): give a file that can"
            ))
        })?;
        Ok(Self { file, reason })
    }

    /// Records an act: what it was, whom it concerned by which filter, and how many sessions.
    pub(crate) fn record(&self, act: &str, filter: &str, handles: &[String], count: u64) {
        let act = OperatorAct::new(&actor(), act).handles(handles.to_vec());
        self.write(act, filter, count);
    }

    /// Records an act that was refused, and the number of sessions that it would have concerned.
    pub(crate) fn refused(&self, act: &str, filter: &str, count: u64) {
        self.write(OperatorAct::refused(&actor(), act), filter, count);
    }

    fn write(&self, act: OperatorAct, filter: &str, count: u64) {
        let act = act
            .filter(filter)
            .reason(self.reason.map(str::to_owned))
            .count(count);
        let line = format!("{}\n", act.line());
        // It was decided; a disk that is full now must not hide the result from whoever asked.
        let _ = match &self.file {
            Some(file) => (&*file).write_all(line.as_bytes()),
            None => std::io::stderr().write_all(line.as_bytes()),
        };
    }
}

/// Returns the user of the operating system.
pub(crate) fn actor() -> String {
    let named = ["SUDO_USER", "USER", "LOGNAME", "USERNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok());
    named.unwrap_or_else(by_number)
}

#[cfg(unix)]
fn by_number() -> String {
    format!("uid {}", rustix::process::getuid().as_raw())
}

#[cfg(not(unix))]
fn by_number() -> String {
    "unknown".to_owned()
}
