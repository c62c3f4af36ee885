//! F02: power loss. A program's writes and the replies between them are recorded; the file is rebuilt at
//! random cuts, at which unsynced writes are there, missing, or torn.

mod disk;
mod trace;

use std::path::Path;

use self::disk::{Disk, Sync};
use self::trace::{Call, calls};
use super::ledger::{Ledger, Verdict};
use super::visits::{judge, run};
use super::{control, rounds, saw};

/// The calls that matter: what goes to files, and what the program says.
const CALLS: &str = "trace=openat,close,write,pwrite64,fsync,fdatasync,ftruncate,unlink";

/// Records one run of the program.
fn record(file: &Path) -> Vec<Call> {
    let out = file.with_extension("trace");
    let name = out.to_str().unwrap();
    let program = [
        "strace", "-f", "-qq", "-xx", "-s", "1000000", "-o", name, "-e", CALLS,
    ];
    let output = run(&program, file, 6, 8);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("note over"), "{said}");
    calls(&std::fs::read_to_string(out).unwrap())
}

/// A cut, where it was, and what was found there.
type Broken = (usize, usize, Verdict);

/// Returns the violations at so many random cuts of a trace, and the operations acknowledged by then.
async fn cut(calls: &[Call], file: &Path, cuts: usize, sync: Sync) -> (u64, Vec<Broken>) {
    let directory = file.parent().unwrap();
    let (mut acknowledged, mut lost) = (0, Vec::new());
    for cut in 0..cuts {
        let mut disk = Disk::new(directory, u64::try_from(cut).unwrap());
        let until = disk.below(calls.len());
        let mut said = String::new();
        for call in &calls[..until] {
            said.push_str(disk.apply(call, sync));
        }
        let ledger = Ledger::read(&said);
        acknowledged += ledger.acknowledged();
        let rebuilt = testbed::directory();
        disk.lose_power(&rebuilt);
        let verdicts = judge(&rebuilt.join(file.file_name().unwrap()), &ledger).await;
        let broken = verdicts
            .into_iter()
            .filter(|verdict| *verdict != Verdict::Kept);
        lost.extend(broken.map(|verdict| (cut, until, verdict)));
    }
    (acknowledged, lost)
}

#[tokio::test]
async fn f02_acknowledged_writes_survive_power_loss_at_random_cuts() {
    let directory = testbed::directory();
    let file = directory.join("sessions.db");
    let calls = record(&file);
    let cuts = rounds(50);
    let (acknowledged, lost) = cut(&calls, &file, cuts, Sync::Done).await;
    assert!(lost.is_empty(), "{lost:?} of {acknowledged}");
    assert!(acknowledged > cuts as u64, "{acknowledged}");
    saw(
        "F02",
        &format!(
            "{cuts} random cuts of {} recorded calls; what was not synced kept, dropped or torn",
            calls.len()
        ),
        &format!("0 lost or undone of {acknowledged} acknowledged; every file sound"),
    );
    // The control: the same calls on a disk that ignores `fsync`.
    let (acknowledged, lost) = cut(&calls, &file, cuts, Sync::Ignored).await;
    let lost = lost.len();
    assert!(lost > 0, "a control that loses nothing proves nothing");
    control(
        "F02",
        &format!(
            "without fsync, as with synchronous=OFF: {lost} sessions lost or files broken, of {acknowledged} acknowledged"
        ),
    );
}
