//! The figures of `bench/SCALE.md`: sessions that are moved under fire, two thousand in each run of the tests, a
//! million where `cargo xtask scale --migrate` asks for them.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::ledger::{Ledger, Verdict};
use crate::moves::{plain_copy, until_it_holds, writes};
use crate::side::Side;
use crate::{Move, Running};

/// What a move has come to.
#[derive(Default)]
struct Figures {
    passes: Vec<Value>,
    done: Value,
    peak_kib: Arc<AtomicU64>,
    journal: u64,
    ready_after: Duration,
    verdict: Verdict,
    writes: u64,
}

/// Follows the most memory that a process has held.
fn watch_memory(running: &Running, peak: &Arc<AtomicU64>) {
    let (status, peak) = (
        format!("/proc/{}/status", running.child.id()),
        Arc::clone(peak),
    );
    std::thread::spawn(move || {
        while let Ok(text) = std::fs::read_to_string(&status) {
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let Some(line) = line else { return };
            let kib = line.trim().trim_end_matches(" kB").parse().unwrap_or(0);
            peak.fetch_max(kib, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(50));
        }
    });
}

fn started(moving: &Move, figures: &Figures) -> Running {
    let running = moving.start(&["--follow"]);
    watch_memory(&running, &figures.peak_kib);
    running
}

/// Takes the lines up to one event, and keeps the passes.
fn until(running: &Running, event: &str, passes: &mut Vec<Value>) -> Value {
    loop {
        let line = running
            .lines
            .recv_timeout(crate::HANGS)
            .expect("it goes on");
        if line["event"] == "pass" {
            passes.push(line.clone());
        }
        if line["event"] == event {
            return line;
        }
    }
}

async fn measure(from: &Side, to: &Side, count: u64) -> Figures {
    let (ledger, mut figures) = (Arc::new(Ledger::default()), Figures::default());
    ledger.fill(from, count).await;
    let moving = Move::new(from, to);
    let visitors = ledger.visitors(&from.store);
    let begin = Instant::now();
    for part in [4, 2] {
        let mut running = started(&moving, &figures);
        until_it_holds(to, count / part).await;
        running.kill();
    }
    let mut running = started(&moving, &figures);
    let passes = &mut figures.passes;
    tokio::task::block_in_place(|| until(&running, "ready", passes));
    figures.ready_after = begin.elapsed();
    // A few passes while it follows.
    tokio::task::block_in_place(|| until(&running, "pass", passes));
    writes(&ledger, 200).await;
    visitors.stop().await;
    let visitors = ledger.visitors(&to.store);
    writes(&ledger, 100).await;
    running.signal("USR1");
    figures.done = tokio::task::block_in_place(|| until(&running, "done", passes));
    tokio::task::block_in_place(|| running.end());
    writes(&ledger, 100).await;
    visitors.stop().await;
    figures.journal = std::fs::metadata(&moving.journal).unwrap().len();
    figures.verdict = ledger.verdict(&to.store).await;
    figures.writes = ledger.writes();
    figures
}

impl Figures {
    fn row(&self, name: &str, count: u64) -> String {
        let seconds = |pass: &Value| pass["seconds"].as_f64().unwrap_or(0.0);
        let changed = |pass: &Value| {
            let of = |name: &str| pass["counts"][name].as_u64().unwrap_or(0);
            of("copied") + of("updated") + of("ended")
        };
        let (last, before) = self.passes.split_last().unwrap();
        let between: Vec<&Value> = before.iter().skip(1).collect();
        let longest = between.iter().map(|pass| seconds(pass)).fold(0.0, f64::max);
        let most = between.iter().map(|pass| changed(pass)).max().unwrap_or(0);
        format!(
            "| {name} | {count} | {} | {:.0} s | {} | {longest:.1} s, {most} | {:.1} s, {} | {} MiB | {} MiB | {} | {} | {} |",
            self.done["rate"],
            self.ready_after.as_secs_f64(),
            between.len(),
            seconds(last),
            changed(last),
            self.peak_kib.load(Ordering::Relaxed) / 1024,
            self.journal / 1_048_576,
            self.writes,
            self.verdict.lost,
            self.verdict.revived,
        )
    }
}

/// What a copy without passes comes to, in the time that it takes.
async fn control(count: u64) -> Verdict {
    let (from, to) = (Side::redis().await, Side::redis().await);
    let ledger = Arc::new(Ledger::default());
    ledger.fill(&from, count).await;
    let visitors = ledger.visitors(&from.store);
    plain_copy(&from, &to).await;
    writes(&ledger, 200).await;
    visitors.stop().await;
    ledger.verdict(&to.store).await
}

#[tokio::test(flavor = "multi_thread")]
async fn figures() {
    let count = std::env::var("CLOAKROOM_MIGRATE").ok();
    let count = count.and_then(|count| count.parse().ok()).unwrap_or(2_000);
    let mut rows = Vec::new();
    // Where `cargo xtask scale` looks for it: each line as soon as it is known.
    let file = std::env::var("CLOAKROOM_MIGRATE_OUT").ok();
    let mut out = String::new();
    let mut say = |line: &str| {
        eprintln!("{line}");
        let _ = writeln!(out, "{line}");
        if let Some(file) = &file {
            std::fs::write(file, &out).unwrap();
        }
    };
    {
        let (from, to) = (Side::sqlite().await, Side::redis().await);
        let figures = measure(&from, &to, count).await;
        let row = figures.row("SQLite → Redis", count);
        say(&row);
        rows.push((row, figures.verdict));
    }
    {
        let (from, to) = (Side::redis().await, Side::postgres("figures").await);
        let figures = measure(&from, &to, count).await;
        let row = figures.row("Redis → PostgreSQL", count);
        say(&row);
        rows.push((row, figures.verdict));
    }
    let spoiled = control(count).await;
    say(&format!(
        "control: {} lost, {} revived",
        spoiled.lost, spoiled.revived
    ));
    assert!(
        spoiled.lost > 0,
        "a control that loses nothing proves nothing"
    );
    for (row, verdict) in rows {
        assert_eq!((verdict.lost, verdict.revived), (0, 0), "{row}");
    }
    assert!(spoiled.lost > 0 && spoiled.revived > 0);
}
