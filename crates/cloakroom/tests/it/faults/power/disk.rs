//! A disk that keeps what was synced, and an arbitrary part of the rest.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::trace::Call;

/// Size of a write that is atomic.
const SECTOR: usize = 512;

/// A disk that honours `fsync`, or ignores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sync {
    Done,
    Ignored,
}

/// The files of one directory, and a source of chance.
pub(super) struct Disk {
    directory: PathBuf,
    files: HashMap<String, File>,
    open: HashMap<u64, String>,
    chance: u64,
}

/// The bytes that are certainly on the disk, and the writes since.
#[derive(Default)]
struct File {
    synced: Vec<u8>,
    pending: Vec<Change>,
}

enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Truncate(usize),
}

impl Disk {
    pub(super) fn new(directory: &Path, seed: u64) -> Self {
        Self {
            directory: directory.to_owned(),
            files: HashMap::new(),
            open: HashMap::new(),
            chance: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        }
    }

    /// A number below another: xorshift, so that a cut that fails is the same again.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        for (shift, left) in [(13, true), (7, false), (17, true)] {
            self.chance ^= if left {
                self.chance << shift
            } else {
                self.chance >> shift
            };
        }
        usize::try_from(self.chance % u64::try_from(limit.max(1)).expect("64 bits")).expect("below")
    }

    /// Does a call, and gives what the program has said by it.
    pub(super) fn apply<'a>(&mut self, call: &'a Call, sync: Sync) -> &'a str {
        match call {
            Call::Write { fd: 1, bytes, .. } => return std::str::from_utf8(bytes).unwrap_or(""),
            Call::Open { path, fd } => self.opens(path, *fd),
            Call::Close { fd } => drop(self.open.remove(fd)),
            Call::Write { fd, bytes, at } => {
                let at = at.and_then(|at| usize::try_from(at).ok());
                let bytes = bytes.clone();
                self.changes(*fd, at.map(|at| Change::Write { at, bytes }));
            }
            Call::Truncate { fd, length } => {
                self.changes(*fd, usize::try_from(*length).ok().map(Change::Truncate));
            }
            Call::Sync { fd } if sync == Sync::Done => {
                if let Some(file) = self.file(*fd) {
                    for change in std::mem::take(&mut file.pending) {
                        change.apply(&mut file.synced);
                    }
                }
            }
            Call::Sync { .. } => {}
            Call::Unlink { path } => drop(self.files.remove(path)),
        }
        ""
    }

    fn opens(&mut self, path: &str, fd: u64) {
        if Path::new(path).parent() == Some(&self.directory) {
            self.files.entry(path.to_owned()).or_default();
            self.open.insert(fd, path.to_owned());
        } else {
            // A number that is given again names another file.
            self.open.remove(&fd);
        }
    }

    fn file(&mut self, fd: u64) -> Option<&mut File> {
        self.files.get_mut(self.open.get(&fd)?)
    }

    fn changes(&mut self, fd: u64, change: Option<Change>) {
        if let Some(file) = self.file(fd) {
            file.pending.extend(change);
        }
    }

    /// Writes what is left of the files into another directory. The index is memory, and goes.
    pub(super) fn lose_power(mut self, into: &Path) {
        for (path, file) in std::mem::take(&mut self.files) {
            let name = Path::new(&path).file_name().expect("a file").to_owned();
            if name.to_string_lossy().ends_with("-shm") {
                continue;
            }
            let mut left = file.synced;
            for change in file.pending {
                match self.below(3) {
                    0 => {}
                    1 => change.apply(&mut left),
                    _ => self.tear(&change, &mut left),
                }
            }
            std::fs::write(into.join(name), left).expect("a temporary directory");
        }
    }

    /// Applies some sectors of a write, and not the others.
    fn tear(&mut self, change: &Change, left: &mut Vec<u8>) {
        let Change::Write { at, bytes } = change else {
            return;
        };
        for (number, sector) in bytes.chunks(SECTOR).enumerate() {
            if self.below(2) == 0 {
                write(left, at + number * SECTOR, sector);
            }
        }
    }
}

impl Change {
    fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Self::Write { at, bytes } => write(file, *at, bytes),
            Self::Truncate(length) => file.resize(*length, 0),
        }
    }
}

fn write(file: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[at..end].copy_from_slice(bytes);
}
