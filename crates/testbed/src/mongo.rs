//! A server that speaks MongoDB's protocol: SecantusDB, from PyPI.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use crate::{Directory, Process, Server, directory, free_port, tools, wait_for};

/// One server.
#[derive(Debug)]
pub struct Mongo {
    process: Process,
    port: u16,
    directory: Directory,
    /// The remaining options of its URL.
    more: &'static str,
}

/// Many tests at once keep the shared server busy for longer than a driver waits by default; what
/// waits for it must not be taken for lost.
const PATIENCE: &str = "&maxPoolSize=10&connectTimeoutMS=10000&serverSelectionTimeoutMS=10000";
/// This server runs one thread at a time: more connections make it slower.
const FEW: &str = "&maxPoolSize=10";

/// Its own command ignores how often expired documents go.
const SERVER: &str = "
import sys
from secantus import SecantusDBServer
server = SecantusDBServer(storage_path=sys.argv[1], port=int(sys.argv[2]), ttl_sweep_seconds=1.0,
                          cache_size='64M', sync_on_commit=True)
server.start()
open(sys.argv[1] + '/ready', 'w').close()
server.wait()
";

impl Mongo {
    /// The server that the tests of this process share: keep to a database of your own.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Mongo> = OnceLock::new();
        SHARED.get_or_init(|| Self {
            more: PATIENCE,
            ..Self::start()
        })
    }

    /// A server of its own.
    pub fn start() -> Self {
        let (port, directory) = (free_port(), directory());
        let mut mongo = Self {
            process: run(port, &directory),
            port,
            directory,
            more: FEW,
        };
        mongo.wait();
        mongo
    }

    /// Returns its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `mongodb://127.0.0.1:PORT/DATABASE?directConnection=true`, with ten connections at most.
    pub fn url(&self, database: &str) -> String {
        format!(
            "mongodb://127.0.0.1:{}/{database}?directConnection=true{}",
            self.port, self.more
        )
    }

    /// `mongodb://127.0.0.1:PORT/DATABASE?directConnection=true`, with as many connections as the store opens by
    /// itself.
    pub fn unbounded_url(&self, database: &str) -> String {
        format!(
            "mongodb://127.0.0.1:{}/{database}?directConnection=true",
            self.port
        )
    }

    /// The process, to be stopped or killed.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Starts the server again after it was killed, on the same port and with the same data.
    pub fn restart(&mut self) {
        self.process.kill();
        self.process = run(self.port, &self.directory);
        self.wait();
    }

    fn wait(&mut self) {
        let ready = self.directory.join("ready");
        // One start in many ends at once.
        for _ in 0..3 {
            let up = wait_for("the MongoDB-compatible server", || {
                let up = ready.exists();
                (up || self.process.has_ended()).then_some(up)
            });
            if up {
                return;
            }
            self.process = run(self.port, &self.directory);
        }
        panic!(
            "the MongoDB-compatible server does not start: {}",
            fs::read_to_string(self.directory.join("log")).unwrap_or_default()
        );
    }
}

impl Server for Mongo {
    fn url(&self) -> String {
        Self::url(self, "sessions")
    }

    fn port(&self) -> u16 {
        self.port
    }

    fn kill(&mut self) {
        self.process.kill();
    }

    fn restart(&mut self) {
        Self::restart(self);
    }

    fn signal(&self, name: &str) {
        self.process.signal(name);
    }
}

fn run(port: u16, directory: &Path) -> Process {
    let _ = fs::remove_file(directory.join("ready"));
    let python = tools().join("python/bin/python");
    let (path, port) = (directory.display().to_string(), port.to_string());
    Process::start(&python, ["-c", SERVER, &path, &port], directory, None)
}
