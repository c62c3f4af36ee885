//! Fixtures of the tests: a [browser], and the real servers, each on a free port of 127.0.0.1 and in
//! a directory of its own. They end with the test, and with the process of the test, however it ends.
//!
//! A server that is missing is a failure: everything here panics with what to install.

#![expect(
    clippy::missing_panics_doc,
    reason = "a test that has no server fails, and says so"
)]

pub mod browser;
mod directory;
mod mongo;
mod pace;
mod pgbouncer;
mod postgres;
mod process;
mod proxy;
mod redis;

pub use directory::{Directory, directory};
pub use mongo::Mongo;
pub use pace::{Pace, pace};
pub use pgbouncer::{PgBouncer, PoolMode};
pub use postgres::{Postgres, PostgresPair, PostgresRelease};
pub use process::{Process, free_port};
pub use proxy::Proxy;
pub use redis::{Redis, RedisCluster, RedisOptions, RedisProgram, Sentinels};

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A server that a test starts, stops and kills.
pub trait Server: Send {
    /// Returns the URL to connect to; where there are databases, of one that only this test uses.
    fn url(&self) -> String;

    /// Returns its port on 127.0.0.1.
    fn port(&self) -> u16;

    /// Ends it as a crash does.
    fn kill(&mut self);

    /// Starts it again on the same port and with the same data.
    fn restart(&mut self);

    /// Sends a signal, `STOP` or `CONT`, to all of its processes.
    fn signal(&self, name: &str);
}

/// Time that a server may take to start on a busy machine.
const START_LIMIT: Duration = Duration::from_mins(1);

/// Returns the directory in which `cargo xtask test` installs the programs that Debian does not have.
fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools")
}

/// Returns the directory in which `cargo xtask test` installs what PyPI has and Debian has not.
fn site_packages() -> PathBuf {
    let library = std::fs::read_dir(tools().join("python/lib"));
    let versions = library.expect("`cargo xtask test` installs it").flatten();
    let python = versions.map(|entry| entry.path()).next();
    python.expect("a version of Python").join("site-packages")
}

/// Tries until something is there.
fn wait_for<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let limit = Instant::now() + START_LIMIT;
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(Instant::now() < limit, "{what} did not come up");
        std::thread::sleep(Duration::from_millis(10));
    }
}
