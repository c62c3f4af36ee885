//! The record of what operators did: lines of JSON in a file, which outlives the sessions and the console.

use std::collections::VecDeque;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cloakroom::manager::OperatorAct;
use tokio::sync::watch;

/// Acts that the page shows.
const SHOWN: usize = 500;

/// Time between two refusals that are written.
const REFUSALS_EVERY: Duration = Duration::from_secs(1);

/// The record of operators' acts; clones share it.
///
/// Each act is an event of `tracing` as well, with the target `cloakroom::audit`.
#[derive(Clone)]
pub struct ActLog(Arc<Inner>);

struct Inner {
    file: Option<File>,
    recent: Mutex<VecDeque<OperatorAct>>,
    written: watch::Sender<u64>,
    refused: Mutex<Option<Instant>>,
}

impl ActLog {
    /// Creates a record that ends with the process.
    pub fn in_memory() -> Self {
        Self::with(None, VecDeque::new())
    }

    /// Opens a file of lines, which `cloakroom sessions --audit` may write as well, and creates one that its owner
    /// alone may read if there is none.
    ///
    /// # Errors
    ///
    /// If the file cannot be read and written.
    pub fn file(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).append(true).read(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        let mut recent = VecDeque::new();
        // A line that was cut off, or that another program wrote, is none of ours.
        for line in BufReader::new(&file).lines().map_while(Result::ok) {
            push(&mut recent, OperatorAct::read(&line));
        }
        Ok(Self::with(Some(file), recent))
    }

    fn with(file: Option<File>, recent: VecDeque<OperatorAct>) -> Self {
        let (written, _) = watch::channel(0);
        Self(Arc::new(Inner {
            file,
            recent: Mutex::new(recent),
            written,
            refused: Mutex::default(),
        }))
    }

    /// Writes an act.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub(crate) fn write(&self, act: OperatorAct) -> io::Result<()> {
        let line = act.line();
        tracing::info!(target: "cloakroom::audit", "{line}");
        // One call, so that lines of several programs do not mix.
        let written = match &self.0.file {
            Some(file) => (&*file).write_all(format!("{line}\n").as_bytes()),
            None => Ok(()),
        };
        push(&mut self.recent_mut(), Some(act));
        self.0.written.send_modify(|count| *count += 1);
        written
    }

    /// Writes a refusal, one a second at most: whoever is refused must not fill the disk.
    pub(crate) fn write_refusal(&self, refusal: OperatorAct) {
        let mut last = self
            .0
            .refused
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| last.elapsed() < REFUSALS_EVERY) {
            return;
        }
        *last = Some(Instant::now());
        if let Err(error) = self.write(refusal) {
            tracing::error!(%error, "a refusal cannot be recorded");
        }
    }

    /// Returns the latest acts, the newest first.
    pub(crate) fn recent(&self) -> Vec<OperatorAct> {
        self.recent_mut().iter().rev().cloned().collect()
    }

    /// Returns `true` if the record outlives the process.
    pub(crate) fn survives(&self) -> bool {
        self.0.file.is_some()
    }

    /// Returns the number of acts that this process has written, and how it changes.
    pub(crate) fn written(&self) -> watch::Receiver<u64> {
        self.0.written.subscribe()
    }

    fn recent_mut(&self) -> std::sync::MutexGuard<'_, VecDeque<OperatorAct>> {
        self.0.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps an act for the page; logins and refusals are in the file alone.
fn push(recent: &mut VecDeque<OperatorAct>, act: Option<OperatorAct>) {
    recent.extend(act.filter(OperatorAct::is_done));
    if recent.len() > SHOWN {
        recent.pop_front();
    }
}

impl fmt::Debug for ActLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActLog")
            .field("survives", &self.survives())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use cloakroom::manager::OperatorAct;

    use super::{ActLog, SHOWN};

    #[test]
    fn acts_survive_and_odd_lines_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("acts.jsonl");
        ActLog::file(&path)
            .unwrap()
            .write(OperatorAct::new("ada", "one").count(1))
            .unwrap();
        std::fs::write(
            &path,
            format!("{}half a li\n", std::fs::read_to_string(&path).unwrap()),
        )
        .unwrap();
        let log = ActLog::file(&path).unwrap();
        log.write(OperatorAct::new("ada", "two")).unwrap();
        let names: Vec<String> = log
            .recent()
            .iter()
            .map(|act| act.name().to_owned())
            .collect();
        assert_eq!(names, ["two", "one"]);
        assert_eq!(ActLog::file(&path).unwrap().recent().len(), 2);
        assert!(log.survives() && !ActLog::in_memory().survives());
    }

    #[test]
    fn memory_is_bounded() {
        let log = ActLog::in_memory();
        for _ in 0..SHOWN + 10 {
            log.write(OperatorAct::new("ada", "act")).unwrap();
        }
        assert_eq!(log.recent().len(), SHOWN);
    }
}
