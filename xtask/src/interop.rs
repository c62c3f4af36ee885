//! One store, two servers: Express and ours take turns at the requests of one visitor.
//!
//! Express alone on a store of its own plays the same requests: what the two come to together has
//! to be what it comes to alone.

use std::fmt;
use std::ops::RangeInclusive;

use testbed::{Mongo, Postgres, Redis};

use crate::differential::{self, Command, Plan};

/// Which stores, and how much.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Seeds to run on each store, first and last.
    #[arg(long, default_value = "1..=500", value_name = "FIRST..=LAST", value_parser = differential::parse_seeds)]
    seeds: RangeInclusive<u64>,
    /// The stores to run on.
    #[arg(long, value_delimiter = ',', default_values_t = StoreName::ALL)]
    stores: Vec<StoreName>,
    /// The command that starts Express's lab, relative to the repository.
    #[arg(long, default_value = "node interop/lab.mjs", value_name = "COMMAND")]
    express: String,
    /// The command that starts our lab.
    #[arg(
        long,
        default_value = "target/release/examples/lab",
        value_name = "COMMAND"
    )]
    ours: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum StoreName {
    Redis,
    Valkey,
    Postgres,
    Mongodb,
}

impl StoreName {
    const ALL: [Self; 4] = [Self::Redis, Self::Valkey, Self::Postgres, Self::Mongodb];
}

impl fmt::Display for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Redis => "redis",
            Self::Valkey => "valkey",
            Self::Postgres => "postgres",
            Self::Mongodb => "mongodb",
        })
    }
}

/// Two stores of one kind: for Express alone, and for both.
struct Places {
    alone: (String, String),
    shared: (String, String),
}

impl Places {
    fn of(store: StoreName) -> Self {
        match store {
            StoreName::Redis => Self::by_prefix(&Redis::shared().url()),
            StoreName::Valkey => Self::by_prefix(&Redis::shared_valkey().url()),
            StoreName::Postgres => {
                let postgres = Postgres::shared();
                Self::apart(
                    postgres.create_database("alone"),
                    postgres.create_database("shared"),
                )
            }
            StoreName::Mongodb => {
                Self::apart(Mongo::shared().url("alone"), Mongo::shared().url("shared"))
            }
        }
    }

    fn by_prefix(url: &str) -> Self {
        Self {
            alone: (url.to_owned(), "alone:".to_owned()),
            shared: (url.to_owned(), "shared:".to_owned()),
        }
    }

    fn apart(alone: String, shared: String) -> Self {
        Self {
            alone: (alone, "sess:".to_owned()),
            shared: (shared, "sess:".to_owned()),
        }
    }
}

/// Runs every store; whether all agreed.
///
/// # Errors
///
/// Where a lab does not start or ends before its time.
pub(crate) fn run(options: &Options) -> Result<bool, String> {
    let mut agreed = true;
    for &store in &options.stores {
        let places = Places::of(store);
        let express = command(&options.express, false);
        let both = vec![express.clone(), command(&options.ours, true)];
        let (left, right) = (plan(vec![express], places.alone), plan(both, places.shared));
        let report = differential::play(&left, &right, options.seeds.clone())?;
        println!("{store}: {report}");
        agreed &= report.passed();
    }
    Ok(agreed)
}

fn command(line: &str, is_ours: bool) -> Command {
    Command {
        line: line.to_owned(),
        is_ours,
    }
}

fn plan(labs: Vec<Command>, (store, prefix): (String, String)) -> Plan {
    Plan {
        labs,
        store,
        prefix,
    }
}
