//! The kernel's figures of a process: its CPU time, and its memory.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// The time that a process had on a core, up to a moment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cpu {
    /// Nanoseconds of each thread.
    threads: BTreeMap<u32, u64>,
    /// CPU time of the whole process, ended threads included, but in ticks.
    ticks: u64,
}

/// `getconf CLK_TCK`, the same on every Linux that Rust runs on.
const TICK: Duration = Duration::from_millis(10);

impl Cpu {
    pub(crate) fn read(process: u32) -> Result<Self, String> {
        let stat = read(&format!("/proc/{process}/stat"))?;
        let tasks = fs::read_dir(format!("/proc/{process}/task")).map_err(gone)?;
        let threads = tasks.flatten().filter_map(|task| {
            let id = task.file_name().to_str()?.parse().ok()?;
            let schedstat = fs::read_to_string(task.path().join("schedstat")).ok()?;
            Some((id, nanoseconds(&schedstat)?))
        });
        Ok(Self {
            threads: threads.collect(),
            ticks: ticks(&stat).ok_or("/proc/PID/stat is not as it was")?,
        })
    }

    /// Returns the CPU time since `before`: by nanoseconds, or by ticks where a thread has ended, or where
    /// the kernel counts nothing else.
    pub(crate) fn since(&self, before: &Self) -> Duration {
        let all_live = before
            .threads
            .keys()
            .all(|id| self.threads.contains_key(id));
        let sum = |of: &Self| of.threads.values().sum::<u64>();
        let nanoseconds = sum(self).saturating_sub(sum(before));
        if all_live && nanoseconds > 0 {
            Duration::from_nanos(nanoseconds)
        } else {
            let ticks = self.ticks.saturating_sub(before.ticks);
            TICK * u32::try_from(ticks).unwrap_or(u32::MAX)
        }
    }
}

/// Bytes of memory that a process has.
pub(crate) fn memory(process: u32) -> Result<u64, String> {
    let status = read(&format!("/proc/{process}/status"))?;
    resident(&status).ok_or_else(|| "/proc/PID/status is not as it was".to_owned())
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(path).map_err(gone)
}

fn gone(error: impl std::fmt::Display) -> String {
    format!("the server has ended: {error}")
}

fn nanoseconds(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

/// `utime` and `stime`, fields 14 and 15; the name before them may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    Some(user + fields.next()?.parse::<u64>().ok()?)
}

fn resident(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_stat_is_parsed() {
        let stat = "2 (a) b) c) S 1 1 1 0 -1 4 9 0 0 0 12 34 0 0 20 0 1 0";
        assert_eq!(ticks(stat), Some(46));
        assert_eq!(nanoseconds("206657567 27440531 922\n"), Some(206_657_567));
        assert_eq!(resident("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2_097_152));
        assert_eq!(resident("VmSize:\t 1 kB"), None);
    }

    #[test]
    fn a_thread_that_ended_is_counted_by_ticks() {
        let cpu = |threads: &[(u32, u64)], ticks| Cpu {
            threads: threads.iter().copied().collect(),
            ticks,
        };
        let before = cpu(&[(1, 100), (2, 50)], 7);
        let more = cpu(&[(1, 150), (2, 50), (3, 30)], 9);
        assert_eq!(more.since(&before), Duration::from_nanos(80));
        let fewer = cpu(&[(1, 150)], 9);
        assert_eq!(fewer.since(&before), Duration::from_millis(20));
        let uncounted = cpu(&[(1, 100), (2, 50)], 8);
        assert_eq!(uncounted.since(&before), Duration::from_millis(10));
    }

    #[test]
    fn this_process_has_time_and_memory() {
        let own = std::process::id();
        let before = Cpu::read(own).unwrap();
        let mut sum = 0_u64;
        while Cpu::read(own).unwrap().since(&before).is_zero() {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(memory(own).unwrap() > 100_000);
    }
}
