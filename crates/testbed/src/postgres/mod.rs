//! PostgreSQL: the release that Debian has and a newer one, alone and with a replica.

mod pair;
mod release;

pub use pair::PostgresPair;
pub use release::PostgresRelease;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use self::release::copy;
use crate::process::free_port;
use crate::{Directory, Process, Server, directory, wait_for};

/// One server. Any client may log in as `postgres` without a password.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    release: PostgresRelease,
    port: u16,
    settings: Vec<String>,
    directory: Directory,
}

impl Postgres {
    /// The server that the tests of this process share: keep to a table or database of your own.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[]))
    }

    /// The newer server that the tests of this process share.
    pub fn shared_18() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| Self::start_release(PostgresRelease::V18, &[]))
    }

    /// A server of its own, with settings as on its command line: `TimeZone=Asia/Kolkata`.
    pub fn start(settings: &[&str]) -> Self {
        Self::start_release(PostgresRelease::Debian, settings)
    }

    /// Starts a server of another release.
    pub fn start_release(release: PostgresRelease, settings: &[&str]) -> Self {
        let directory = directory();
        open_to_server(&directory);
        copy(release.template(), &directory.join("data"));
        Self::start_in(directory, release, settings)
    }

    /// Runs a statement, and returns its rows as `psql -qAt` prints them.
    pub fn query(&self, statement: &str) -> String {
        let ran = Command::new("psql")
            .args(["-qAt", &self.url(), "-c", statement])
            .output()
            .expect("it comes with the server");
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{said}");
        String::from_utf8_lossy(&ran.stdout).into_owned()
    }

    fn start_in(directory: Directory, release: PostgresRelease, settings: &[&str]) -> Self {
        let port = free_port();
        let settings: Vec<String> = settings.iter().map(|&setting| setting.into()).collect();
        let process = run(release, port, &settings, &directory);
        let postgres = Self {
            process,
            release,
            port,
            settings,
            directory,
        };
        postgres.wait();
        postgres
    }

    /// Returns its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `postgres://postgres@127.0.0.1:PORT/postgres`.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// A new database, and its URL.
    pub fn create_database(&self, name: &str) -> String {
        let port = self.port.to_string();
        self.query(&format!("CREATE DATABASE \"{name}\""));
        format!("postgres://postgres@127.0.0.1:{port}/{name}")
    }

    /// The process, to be killed.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Stops or continues the server: all of its processes, for each connection has one.
    pub fn signal(&self, name: &str) {
        let server = self.process.id().to_string();
        let is_child = |pid: &str| {
            let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let after_name = status.rsplit(')').next().unwrap_or_default();
            after_name.split_whitespace().nth(1) == Some(&server)
        };
        self.process.signal(name);
        for entry in fs::read_dir("/proc").expect("Linux").flatten() {
            let pid = entry.file_name().to_string_lossy().into_owned();
            if is_child(&pid) {
                // A connection's process may have ended since it was listed.
                let _ = Command::new("kill")
                    .args([&format!("-{name}"), &pid])
                    .stderr(Stdio::null())
                    .status();
            }
        }
    }

    /// Starts the server again after it was killed, on the same port and with the same data.
    pub fn restart(&mut self) {
        self.process.kill();
        // The processes of its connections notice a moment later, and must not be joined.
        std::thread::sleep(Duration::from_millis(300));
        let _ = fs::remove_file(self.directory.join("data/postmaster.pid"));
        self.process = run(self.release, self.port, &self.settings, &self.directory);
        self.wait();
    }

    fn wait(&self) {
        wait_for("PostgreSQL", || ready(self.port).then_some(()));
    }
}

impl Server for Postgres {
    fn url(&self) -> String {
        Self::url(self)
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
        Self::signal(self, name);
    }
}

fn run(release: PostgresRelease, port: u16, settings: &[String], directory: &Path) -> Process {
    let mut arguments = vec![
        "-D".to_owned(),
        directory.join("data").display().to_string(),
        "-p".to_owned(),
        port.to_string(),
        "-k".to_owned(),
        directory.display().to_string(),
    ];
    let quick = [
        "listen_addresses=127.0.0.1",
        "max_connections=300",
        "fsync=off",
        "full_page_writes=off",
        "wal_level=minimal",
        "max_wal_senders=0",
        "autovacuum=off",
        "shared_buffers=32MB",
    ];
    for setting in quick.into_iter().chain(settings.iter().map(String::as_str)) {
        arguments.extend(["-c".to_owned(), setting.to_owned()]);
    }
    Process::start(&release.program("postgres"), arguments, directory, user())
}

/// Asks for a connection as its own protocol does: the server answers `R` once it takes them.
fn ready(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    let mut answer = [0];
    stream.write_all(&login()).is_ok() && stream.read_exact(&mut answer).is_ok() && answer == *b"R"
}

/// The first message of a connection.
pub(crate) fn login() -> Vec<u8> {
    let parameters = b"user\0postgres\0database\0postgres\0\0";
    let length = u32::try_from(8 + parameters.len()).expect("it is short");
    let mut startup = length.to_be_bytes().to_vec();
    startup.extend(196_608_u32.to_be_bytes());
    startup.extend(parameters);
    startup
}

pub(crate) fn open_to_server(directory: &Path) {
    if let Some(user) = user() {
        for path in [directory, directory.parent().expect("it lies in one")] {
            let opened = Command::new("chmod").arg("755").arg(path).status();
            assert!(opened.expect("chmod is there").success());
        }
        let given = Command::new("chown").arg(user).arg(directory).status();
        assert!(given.expect("chown is there").success());
    }
}

/// The user that the server runs as: it refuses to be root.
pub(crate) fn user() -> Option<&'static str> {
    use std::os::unix::fs::MetadataExt as _;
    let root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    root.then_some("postgres")
}
