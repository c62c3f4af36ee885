//! `PgBouncer` in front of a PostgreSQL, as Debian has it: connections of many clients share those of the
//! server.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use crate::postgres::{login, open_to_server, user};
use crate::process::free_port;
use crate::{Directory, Postgres, Process, directory, wait_for};

/// Time for which a client has a connection of the server to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolMode {
    /// The client's connection.
    Session,
    /// A transaction.
    Transaction,
    /// A statement.
    Statement,
}

impl PoolMode {
    fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Transaction => "transaction",
            Self::Statement => "statement",
        }
    }
}

/// One pooler; any client may log in as `postgres` without a password.
#[derive(Debug)]
pub struct PgBouncer {
    _process: Process,
    port: u16,
    _directory: Directory,
}

impl PgBouncer {
    /// Starts one that opens up to `connections` connections to `server` for each database.
    pub fn start(server: &Postgres, mode: PoolMode, connections: usize) -> Self {
        let (port, directory) = (free_port(), directory());
        open_to_server(&directory);
        let settings = directory.join("pgbouncer.ini");
        let text = format!(
            "[databases]
* = host=127.0.0.1 port={} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {}
default_pool_size = {connections}
max_client_conn = 500
",
            server.port(),
            mode.name()
        );
        fs::write(&settings, text).expect("a new directory takes a file");
        let arguments = [settings.display().to_string()];
        let program = Path::new("/usr/sbin/pgbouncer");
        let process = Process::start(program, arguments, &directory, user());
        wait_for("PgBouncer", || is_ready(port).then_some(()));
        Self {
            _process: process,
            port,
            _directory: directory,
        }
    }

    /// `postgres://postgres@127.0.0.1:PORT/DATABASE`.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }
}

/// Returns `true` if the pooler has a connection to the server: before, it accepts clients and closes them.
fn is_ready(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    let mut answer = [0];
    stream.write_all(&login()).is_ok() && stream.read_exact(&mut answer).is_ok() && answer == *b"R"
}
