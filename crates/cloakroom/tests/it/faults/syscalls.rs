//! F03: each system call of SQLite fails once, as on a full disk or a bad one: the caller gets an error,
//! nothing is lost, and no restart is needed.

use std::path::Path;

use super::ledger::Ledger;
use super::visits::{broken, judge, run};
use super::{control, rounds, saw};

/// A call, and how it fails.
const FAULTS: [(&str, &str); 4] = [
    ("pwrite64", "ENOSPC"),
    ("pwrite64", "EIO"),
    ("fdatasync", "EIO"),
    ("ftruncate", "ENOSPC"),
];
/// More than the program makes of any of them.
const CALLS: usize = 60;

/// The result of a run under a fault.
struct Run {
    ledger: Ledger,
    is_over: bool,
    said: String,
}

fn under(file: &Path, call: &str, error: &str, when: &str) -> Run {
    let inject = format!("inject={call}:error={error}:when={when}");
    let program = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject];
    let output = run(&program, file, 2, 2);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    Run {
        ledger: Ledger::read(&said),
        is_over: output.status.success() && said.contains("note over"),
        said: said + &String::from_utf8_lossy(&output.stderr),
    }
}

#[tokio::test]
async fn f03_each_system_call_fails_once() {
    let most = rounds(12);
    let (mut runs, mut refused, mut acknowledged) = (0, 0, 0);
    for (call, error) in FAULTS {
        for at in (1..=CALLS).step_by((CALLS / most).max(1)) {
            let directory = testbed::directory();
            let file = directory.join("sessions.db");
            drop(cloakroom::store::sqlite::SqliteStore::open(&file).unwrap());
            let run = under(&file, call, error, &at.to_string());
            // R6: where the file is opened, it is refused there.
            if run.said.contains("note refused") {
                refused += 1;
                continue;
            }
            assert!(run.is_over, "{call} {error} {at}: {}", run.said);
            let verdicts = judge(&file, &run.ledger).await;
            assert_eq!(broken(&verdicts), 0, "{call} {error} {at}: {verdicts:?}");
            refused += usize::from(run.said.contains(" unknown "));
            acknowledged += run.ledger.acknowledged();
            runs += 1;
        }
    }
    assert!(
        runs > 0 && acknowledged > 0 && refused > 0,
        "{runs} runs, {refused} noticed"
    );
    saw(
        "F03",
        &format!(
            "{runs} runs of 5 visits, one call failed in each: pwrite64 and ftruncate without space, pwrite64 and fdatasync with an I/O error"
        ),
        &format!(
            "{acknowledged} acknowledged, 0 lost, 0 undone; noticed in {refused} runs, none of which needed a restart"
        ),
    );
}

/// The control: where the disk fails for good, nothing is acknowledged, so the fault takes effect.
#[tokio::test]
async fn f03_control_a_disk_that_stays_full_acknowledges_nothing() {
    let directory = testbed::directory();
    let file = directory.join("sessions.db");
    drop(cloakroom::store::sqlite::SqliteStore::open(&file).unwrap());
    let run = under(&file, "pwrite64", "ENOSPC", "12+");
    let asked = run.said.matches(" asks ").count() as u64;
    let acknowledged = run.ledger.acknowledged();
    assert!(acknowledged < asked, "{acknowledged} of {asked}");
    assert_eq!(broken(&judge(&file, &run.ledger).await), 0);
    control(
        "F03",
        &format!("a disk that stays full: {acknowledged} of {asked} acknowledged"),
    );
}
