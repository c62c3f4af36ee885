//! A primary and a standby that streams what it writes and takes its place.

use super::{Postgres, open_to_server, user};
use crate::{Process, Proxy, Server, directory, wait_for};

/// A primary and its standby; the URL leads to the one that takes writes.
///
/// As a [`Server`] it loses its primary when it is killed, and is back when the standby was promoted, which
/// then has a standby of its own.
#[derive(Debug)]
pub struct PostgresPair {
    primary: Postgres,
    standby: Postgres,
    /// The proxy through which the standby is connected.
    link: Proxy,
    is_synchronous: bool,
}

/// Settings without which a server may have no standby.
const REPLICATES: [&str; 2] = ["wal_level=replica", "max_wal_senders=4"];

impl PostgresPair {
    /// A commit is reported once the standby has it.
    pub fn synchronous() -> Self {
        Self::start(true)
    }

    /// A commit is reported whatever the standby has, which gets nothing at all.
    pub fn cut() -> Self {
        Self::start(false)
    }

    fn start(is_synchronous: bool) -> Self {
        let primary = Postgres::start(&REPLICATES);
        let (standby, link) = standby(&primary);
        let pair = Self {
            primary,
            standby,
            link,
            is_synchronous,
        };
        pair.ready();
        pair
    }

    /// Waits until the standby follows, and lets commits depend on it or goes between them.
    fn ready(&self) {
        let follows = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'";
        wait_for("a standby", || {
            (self.primary.query(follows) == "1\n").then_some(())
        });
        if !self.is_synchronous {
            self.link.cut(true);
            return;
        }
        self.primary
            .query("ALTER SYSTEM SET synchronous_standby_names = '*'");
        self.primary.query("SELECT pg_reload_conf()");
        let waits = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        wait_for("a synchronous standby", || {
            (self.primary.query(waits) == "1\n").then_some(())
        });
    }

    /// Makes the standby the primary, and gives it a standby.
    fn promote(&mut self) {
        assert_eq!(self.standby.query("SELECT pg_promote()"), "t\n");
        let (standby, link) = standby(&self.standby);
        self.primary = std::mem::replace(&mut self.standby, standby);
        self.link = link;
        self.ready();
    }
}

/// A standby of a server, connected through a proxy.
fn standby(primary: &Postgres) -> (Postgres, Proxy) {
    let link = Proxy::to(primary.port());
    let directory = directory();
    open_to_server(&directory);
    let (port, data) = (link.port().to_string(), directory.join("data"));
    let connection = ["-h", "127.0.0.1", "-p", &port, "-U", "postgres"];
    let copy = ["-R", "-c", "fast", "-D", &data.display().to_string()];
    let mut copying = Process::start(
        &primary.release.program("pg_basebackup"),
        connection.into_iter().chain(copy),
        &directory,
        user(),
    );
    wait_for("pg_basebackup", || copying.has_ended().then_some(()));
    let standby = Postgres::start_in(directory, primary.release, &REPLICATES);
    (standby, link)
}

impl Server for PostgresPair {
    fn url(&self) -> String {
        let (one, two) = (self.primary.port(), self.standby.port());
        format!(
            "postgres://postgres@127.0.0.1:{one},127.0.0.1:{two}/postgres?target_session_attrs=read-write"
        )
    }

    fn port(&self) -> u16 {
        self.primary.port()
    }

    fn kill(&mut self) {
        self.primary.process().kill();
    }

    fn restart(&mut self) {
        self.promote();
    }

    fn signal(&self, name: &str) {
        self.primary.signal(name);
    }
}
