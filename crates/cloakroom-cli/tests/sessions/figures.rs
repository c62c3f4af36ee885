//! The command on many sessions: its rate, its memory and its round trips. Five thousand in each run of the tests,
//! a million where `cargo xtask scale --command` asks for them.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::bulk::Bulk;
use crate::{SECRET, new_file};

/// Sessions of a page, as the command reads them.
const PAGE: u64 = 500;
/// Memory by which a run on ten times the sessions may differ, in KiB: buffers of the allocator, threads.
const NOISE: u64 = 12 * 1024;

/// Round trips of 64 connections that are opened.
const HANDSHAKES: u64 = 64 * 5;

/// The figures of one run of the command.
struct Run {
    seconds: f64,
    peak_kib: u64,
    trips: Option<u64>,
    lines: u64,
    last: String,
}

/// A subcommand that is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    List,
    ListTenth,
    Count,
    CountTenth,
    Export,
    EndTenth,
    EndUser,
}

const ACTS: [Act; 7] = [
    Act::List,
    Act::ListTenth,
    Act::Count,
    Act::CountTenth,
    Act::Export,
    Act::EndTenth,
    Act::EndUser,
];

impl Act {
    fn args(self, count: u64) -> Vec<String> {
        let words = match self {
            Self::List => "list".to_owned(),
            Self::ListTenth => "list --where group=3".to_owned(),
            Self::Count => "count".to_owned(),
            Self::CountTenth => "count --where group=3".to_owned(),
            Self::Export => format!("export {}", new_file("sessions.jsonl").display()),
            Self::EndTenth => format!("end --where group=3 --yes {}", count / 10),
            Self::EndUser => "end-user user-7".to_owned(),
        };
        words.split(' ').map(str::to_owned).collect()
    }

    fn words(self, count: u64) -> String {
        let args = self.args(count);
        match self {
            Self::Export => "export FILE".to_owned(),
            _ => args.join(" "),
        }
    }

    /// The number of lines, and the last of them, where they tell what it did.
    fn expected(self, count: u64) -> (u64, Option<String>) {
        let tenth = count / 10;
        match self {
            Self::List => (count, None),
            Self::ListTenth => (tenth, None),
            Self::Count => (1, Some(count.to_string())),
            Self::CountTenth => (1, Some(tenth.to_string())),
            Self::Export => (0, None),
            Self::EndTenth => (1, Some(format!("{tenth} sessions ended"))),
            // Numbers 35 to 39; none of them ends in 3.
            Self::EndUser => (1, Some("5 sessions ended".to_owned())),
        }
    }

    /// Memory in KiB that may come on top: Redis's store remembers the last 65,536 ends, to repeat them after a
    /// failover.
    fn remembered(self) -> u64 {
        match self {
            Self::EndTenth => 16 * 1024,
            _ => 0,
        }
    }

    /// Pages that it reads, and sessions that it ends, as round trips: a page takes two at most, `end --where` reads
    /// all twice, and an ending with its mark takes two at most. Each of the endings that are under way at a time may have
    /// a connection of its own, with its handshake.
    fn most_trips(self, count: u64) -> u64 {
        let pages = 2 * 2 * count.div_ceil(PAGE) + 40;
        match self {
            Self::EndTenth => pages + 2 * count / 10 + HANDSHAKES,
            _ => pages,
        }
    }
}

fn run(bulk: &Bulk, act: Act, count: u64) -> Run {
    bulk.trips();
    let args = act.args(count);
    let begin = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_cloakroom"))
        .arg("sessions")
        .args(&args)
        .env("CLOAKROOM_STORE", &bulk.url)
        .env("SESSION_SECRET", SECRET)
        .env("RUST_LOG", "off")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let watching = std::thread::spawn(move || watch(&status));
    let out = BufReader::with_capacity(1 << 20, child.stdout.take().unwrap());
    let (mut lines, mut last) = (0, String::new());
    for line in out.lines() {
        last = line.unwrap();
        lines += 1;
    }
    assert!(child.wait().unwrap().success(), "{args:?} on {}", bulk.name);
    let seconds = begin.elapsed().as_secs_f64();
    if act == Act::Export {
        let lines = BufReader::new(std::fs::File::open(&args[1]).unwrap()).lines();
        assert_eq!(lines.count() as u64, count, "{}", bulk.name);
        std::fs::remove_file(&args[1]).unwrap();
    }
    Run {
        seconds,
        peak_kib: watching.join().unwrap(),
        trips: bulk.trips(),
        lines,
        last,
    }
}

/// The most memory that a process has held, in KiB.
fn watch(status: &str) -> u64 {
    let mut peak = 0;
    while let Ok(text) = std::fs::read_to_string(status) {
        let Some(line) = text.lines().find_map(|line| line.strip_prefix("VmHWM:")) else {
            break;
        };
        peak = line.trim().trim_end_matches(" kB").parse().unwrap_or(peak);
        std::thread::sleep(Duration::from_millis(5));
    }
    peak
}

/// Runs one, and judges what it says and how often it asks.
fn judged(act: Act, (bulk, count): (&Bulk, u64)) -> Run {
    let run = run(bulk, act, count);
    let (lines, last) = act.expected(count);
    let words = act.words(count);
    assert_eq!(run.lines, lines, "{words} on {}", bulk.name);
    if let Some(last) = last {
        assert_eq!(run.last, last, "{words} on {}", bulk.name);
    }
    let (trips, most) = (run.trips.unwrap_or(0), act.most_trips(count));
    assert!(trips <= most, "{trips} > {most}: {words} on {}", bulk.name);
    run
}

/// Runs all of them on a store, judges each, and returns the rows of the table.
fn measure(small: (&Bulk, u64), large: (&Bulk, u64)) -> Vec<String> {
    let few = ACTS.map(|act| judged(act, small));
    // A run of some milliseconds may end before its memory is looked at.
    let most = few.iter().map(|run| run.peak_kib).max().unwrap_or(0) + NOISE;
    let mut rows = Vec::new();
    for (act, few) in ACTS.into_iter().zip(&few) {
        let run = judged(act, large);
        rows.push(row(act, large, few, &run));
        eprintln!("{}", rows.last().unwrap());
        assert!(
            run.peak_kib <= most + act.remembered(),
            "{} on {}: {} KiB, at most {most} KiB expected",
            act.words(large.1),
            large.0.name,
            run.peak_kib
        );
    }
    rows
}

#[expect(
    clippy::cast_precision_loss,
    reason = "figures of a table, far below 2^52"
)]
fn row(act: Act, (bulk, count): (&Bulk, u64), small: &Run, run: &Run) -> String {
    let rate = match act {
        Act::EndUser => "–".to_owned(),
        _ => format!("{:.0}", count as f64 / run.seconds),
    };
    let trips = run.trips.map_or("–".to_owned(), |trips| trips.to_string());
    format!(
        "| {} | {count} | `{}` | {:.2} | {rate} | {:.1} MiB | {:.1} MiB | {trips} |",
        bulk.name,
        act.words(count),
        run.seconds,
        small.peak_kib as f64 / 1024.0,
        run.peak_kib as f64 / 1024.0,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn figures() {
    let asked = std::env::var("CLOAKROOM_COMMAND").ok();
    let count = asked.as_ref().and_then(|count| count.parse().ok());
    let count: u64 = count.unwrap_or(5_000);
    let file = std::env::var("CLOAKROOM_COMMAND_OUT").ok();
    let mut out = String::new();
    let mut say = |lines: &[String], version: &str| {
        for line in lines {
            let _ = writeln!(out, "{line}");
        }
        let _ = writeln!(out, "version: {version}");
        if let Some(file) = &file {
            std::fs::write(file, &out).unwrap();
        }
    };
    // Each store ends, and leaves the disk, before the next is filled.
    {
        let (small, large) = (Bulk::sqlite(count / 10).await, Bulk::sqlite(count).await);
        let rows = tokio::task::block_in_place(|| measure((&small, count / 10), (&large, count)));
        say(&rows, &large.version);
    }
    {
        let (small, large) = (Bulk::redis(count / 10).await, Bulk::redis(count).await);
        let rows = tokio::task::block_in_place(|| measure((&small, count / 10), (&large, count)));
        say(&rows, &large.version);
    }
    {
        let (small, large) = (
            Bulk::postgres(count / 10).await,
            Bulk::postgres(count).await,
        );
        let rows = tokio::task::block_in_place(|| measure((&small, count / 10), (&large, count)));
        say(&rows, &large.version);
    }
    // It takes some forty writes a second.
    let count = (count / 10).max(500);
    {
        let (small, large) = (Bulk::mongodb(count / 10).await, Bulk::mongodb(count).await);
        let rows = tokio::task::block_in_place(|| measure((&small, count / 10), (&large, count)));
        say(&rows, &large.version);
    }
}
