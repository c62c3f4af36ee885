//! Environments of the contenders: databases that this process starts, a new one for each turn.

use std::cell::{Cell, OnceCell};
use std::fs::File;
use std::process::Command;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;
use testbed::{Postgres, Proxy, Redis};

use crate::contenders::Backing;

/// The databases of a run.
#[derive(Debug, Default)]
pub(crate) struct Bed {
    postgres: OnceCell<Postgres>,
    databases: Cell<u32>,
}

/// An empty store for one turn of one contender.
#[derive(Debug)]
pub(crate) struct Ground {
    /// The URL for the contender.
    pub(crate) url: String,
    proxy: Option<Proxy>,
    redis: Option<Redis>,
    /// The name of the database, and where it is.
    postgres: Option<String>,
    /// Directory of its files, removed with it.
    directory: Option<TempDir>,
}

/// The transport between a contender and its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Between {
    Nothing,
    /// Something that counts round trips, and costs time.
    Counter,
}

/// Files that are never on a disk: SQLite waits for nothing, as little as the other databases do here.
const MEMORY: &str = "/dev/shm";

/// Script that sums the size of all keys, in bytes.
const REDIS_BYTES: &str = "local sum = 0 \
    for _, key in ipairs(redis.call('KEYS', '*')) do \
    sum = sum + redis.call('MEMORY', 'USAGE', key, 'SAMPLES', '0') end return sum";

impl Bed {
    /// An empty store of its kind.
    pub(crate) fn lay(&self, backing: Backing, between: Between) -> Ground {
        let mut ground = Ground {
            url: String::new(),
            proxy: None,
            redis: None,
            postgres: None,
            directory: None,
        };
        match backing {
            Backing::Nothing => {}
            Backing::Sqlite => {
                let directory = TempDir::new_in(MEMORY).expect("Linux has it");
                let file = directory.path().join("sessions.db");
                // Created before it is opened: some contenders do not.
                File::create(&file).expect("the directory can be written");
                ground.url = format!("sqlite://{}", file.display());
                ground.directory = Some(directory);
            }
            Backing::Redis => {
                let redis = Redis::start();
                ground.url = redis.url();
                ground.count(redis.port(), between);
                ground.redis = Some(redis);
            }
            Backing::Postgres => {
                let postgres = self.postgres.get_or_init(|| Postgres::start(&[]));
                self.databases.set(self.databases.get() + 1);
                let name = format!("bench{}", self.databases.get());
                ground.url = postgres.create_database(&name);
                ground.postgres = Some(ground.url.clone());
                ground.count(postgres.port(), between);
            }
        }
        ground
    }
}

impl Ground {
    fn count(&mut self, port: u16, between: Between) {
        if between == Between::Counter {
            let proxy = Proxy::to(port);
            let (from, to) = (format!(":{port}"), format!(":{}", proxy.port()));
            self.url = self.url.replace(&from, &to);
            self.proxy = Some(proxy);
        }
    }

    /// Round trips since this was last asked.
    pub(crate) fn take_trips(&self) -> u64 {
        self.proxy.as_ref().map_or(0, Proxy::take_trips)
    }

    /// Returns the bytes that the store needs for its contents; `None` where it is a file or nothing.
    pub(crate) fn bytes(&self) -> Result<Option<u64>, String> {
        if let Some(redis) = &self.redis {
            return integer(&redis.command(&["EVAL", REDIS_BYTES, "0"])).map(Some);
        }
        if self.postgres.is_some() {
            self.query("vacuum full")?;
            let sum = "select sum(pg_total_relation_size(relid)) from pg_stat_user_tables";
            return integer(&self.query(sum)?).map(Some);
        }
        Ok(None)
    }

    /// Rows that were ever written, as PostgreSQL counts them once all others have left.
    pub(crate) fn rows_written(&self) -> Result<u64, String> {
        let others = "select count(*) from pg_stat_activity \
            where datname = current_database() and pid <> pg_backend_pid()";
        let mut tries = 0;
        while integer(&self.query(others)?)? > 0 {
            tries += 1;
            if tries > 200 {
                return Err("somebody does not leave the database".to_owned());
            }
            thread::sleep(Duration::from_millis(50));
        }
        let sum = "select coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) \
            from pg_stat_user_tables";
        integer(&self.query(sum)?)
    }

    fn query(&self, statement: &str) -> Result<String, String> {
        let url = self.postgres.as_deref().ok_or("not PostgreSQL")?;
        let output = Command::new("psql")
            .args(["-X", "-A", "-t", "-c", statement, url])
            .output()
            .map_err(|error| format!("psql (Debian: postgresql-client): {error}"))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}

/// A number, with whatever a protocol puts around it.
fn integer(answer: &str) -> Result<u64, String> {
    let number = answer.trim().trim_start_matches(':');
    number
        .parse()
        .map_err(|_| format!("not a number: {answer:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_parsed_from_replies() {
        assert_eq!(integer(":123\r\n"), Ok(123));
        assert_eq!(integer("45\n"), Ok(45));
        assert!(integer("-ERR unknown command\r\n").is_err());
        assert!(integer("\n").is_err());
    }
}
