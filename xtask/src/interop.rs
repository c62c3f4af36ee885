//! One store, two servers: Express and ours take turns at the requests of one visitor.
//!
//! Express alone on a store of its own plays the same requests: what the two come to together has
//! to be what it comes to alone.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{fmt, process};

use clap::Parser as _;
use testbed::{Mongo, Postgres, Redis};

use crate::context::Context;
use crate::counts::Counts;
use crate::differential::{self, Command, Plan, Report};
use crate::steps::Done;
use crate::suites::{PROGRAMS, judge, node_tests};

/// The stores to test, and the number of sequences.
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
    /// The commands that start our labs: they take turns with Express's, and the first plays the scenarios.
    #[arg(long, default_value = OURS, value_name = "COMMAND")]
    ours: Vec<String>,
    /// Play the sequences alone, without the scenarios.
    #[arg(long)]
    sequences: bool,
}

/// Stands for the lab that is built here.
const OURS: &str = "examples/lab";

impl Options {
    fn ours(&self, context: &Context) -> Vec<String> {
        let built = context.target.join("debug").join(OURS);
        let command = |ours: &String| match ours.as_str() {
            OURS => built.display().to_string(),
            command => command.to_owned(),
        };
        self.ours.iter().map(command).collect()
    }
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

    /// A store of its own for the scenarios: the package's tests, in the same run, have another.
    fn place(self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let database = format!("scenarios_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        match self {
            Self::Redis => Redis::shared().url(),
            Self::Valkey => Redis::shared_valkey().url(),
            Self::Postgres => Postgres::shared().create_database(&database),
            Self::Mongodb => Mongo::shared().url(&database),
        }
    }
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

/// The databases of one kind of store: for Express alone, and for both.
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

/// Plays the scenarios and the sequences on every store; whether all agreed.
///
/// # Errors
///
/// If something does not start or ends before its time.
pub(crate) fn run(options: &Options) -> Result<bool, String> {
    let context = Context::read()?;
    build(
        options,
        |command| {
            let status = command.status().map_err(|error| error.to_string())?;
            status
                .success()
                .then_some(())
                .ok_or_else(|| "the lab does not build".to_owned())
        },
        &context,
    )?;
    let mut agreed = options.sequences || {
        let status = scenarios(&context, options)?.status();
        status.is_ok_and(|status| status.success())
    };
    for compared in sequences(&context, options) {
        let (store, report) = compared?;
        println!("{store}: {report}");
        agreed &= report.passed();
    }
    Ok(agreed)
}

/// The step of `test`: the scenarios, and some sequences on each store.
pub(crate) fn step(context: &Context) -> Result<Done, String> {
    let words = ["interop", "--seeds", SEEDS];
    let options = Line::try_parse_from(words)
        .map_err(|error| error.to_string())?
        .options;
    build(
        &options,
        |command| context.require(command).map(drop),
        context,
    )?;
    let finished = context.run(&mut scenarios(context, &options)?)?;
    let mut done = judge(&finished, Counts::of_node(&finished.output));
    let mut notes = vec![std::mem::take(&mut done.note)];
    notes.retain(|note| !note.is_empty());
    for compared in sequences(context, &options) {
        let (store, report) = compared?;
        if !report.passed() {
            return Err(format!("{store}: {report}"));
        }
        done.counts.passed += 1;
        notes.push(format!("      {store}: {report}"));
    }
    done.note = notes.join("\n");
    Ok(done)
}

/// Sequences on each store: a run of some seconds.
const SEEDS: &str = "1..=60";

/// The command line, for its defaults.
#[derive(Debug, clap::Parser)]
struct Line {
    #[command(flatten)]
    options: Options,
}

/// The lab as the tests have it: what it spends here is the servers' time, not its own.
fn build(
    options: &Options,
    run: impl FnOnce(&mut process::Command) -> Result<(), String>,
    context: &Context,
) -> Result<(), String> {
    if options.ours.iter().all(|ours| ours != OURS) {
        return Ok(());
    }
    run(&mut context.cargo(PROGRAMS))
}

/// A server of each kind of store for Node's tests: their URLs by name, as JSON.
pub(crate) fn servers() -> Result<String, String> {
    places(&StoreName::ALL)
}

fn places(stores: &[StoreName]) -> Result<String, String> {
    let places = stores
        .iter()
        .map(|store| (store.to_string(), store.place()));
    let places: BTreeMap<String, String> = places.collect();
    serde_json::to_string(&places).map_err(|error| error.to_string())
}

fn scenarios(context: &Context, options: &Options) -> Result<process::Command, String> {
    let zones: BTreeMap<&str, String> = zones()
        .iter()
        .map(|(zone, server)| (*zone, server.url()))
        .collect();
    let json = |servers: serde_json::Result<String>| servers.map_err(|error| error.to_string());
    let mut command = context.command("node");
    command
        .args(["--test", "--test-reporter=spec", "--test-timeout", "600000"])
        .args(node_tests(&context.root.join("interop/shared"))?)
        .env("CLOAKROOM_LAB", options.ours(context).swap_remove(0))
        .env(
            "CLOAKROOM_SOCKETS",
            context.target.join("debug/examples/sockets"),
        )
        .env("CLOAKROOM_STORES", places(&options.stores)?)
        .env("CLOAKROOM_TIMEZONES", json(serde_json::to_string(&zones))?);
    Ok(command)
}

/// Servers of PostgreSQL whose zones lie around the world.
fn zones() -> &'static [(&'static str, Postgres)] {
    static SERVERS: OnceLock<Vec<(&str, Postgres)>> = OnceLock::new();
    SERVERS.get_or_init(|| {
        [
            "UTC",
            "America/New_York",
            "Asia/Kolkata",
            "Pacific/Auckland",
        ]
        .map(|zone| (zone, Postgres::start(&[&format!("TimeZone={zone}")])))
        .into()
    })
}

/// The comparison on each store, one after the other as they are asked for.
fn sequences(
    context: &Context,
    options: &Options,
) -> impl Iterator<Item = Result<(StoreName, Report), String>> {
    let ours = options.ours(context);
    options.stores.iter().map(move |&store| {
        let places = Places::of(store);
        let express = command(&options.express, false);
        let all =
            std::iter::once(express.clone()).chain(ours.iter().map(|ours| command(ours, true)));
        let (right, left) = (
            plan(all.collect(), places.shared),
            plan(vec![express], places.alone),
        );
        let report = differential::play(&left, &right, options.seeds.clone())?;
        Ok((store, report))
    })
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
