//! One core for the server that is measured, one for everything else.

use std::fs;
use std::process::Command;

/// Two cores of the machine, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cores {
    pub(crate) server: usize,
    pub(crate) rest: usize,
}

impl Cores {
    /// Picks two, and keeps this process, and the databases that it will start, on the second.
    pub(crate) fn take() -> Result<Self, String> {
        let status = fs::read_to_string("/proc/self/status").map_err(|error| error.to_string())?;
        let list = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
            .ok_or("Linux does not say which cores there are")?;
        let cores = pick(&parse(list)).ok_or("two cores are needed")?;
        let own = std::process::id().to_string();
        let pinned = Command::new("taskset")
            .args(["-acp", &cores.rest.to_string(), &own])
            .output()
            .map_err(|error| format!("taskset (Debian: util-linux): {error}"))?;
        if pinned.status.success() {
            Ok(cores)
        } else {
            Err(String::from_utf8_lossy(&pinned.stderr).into_owned())
        }
    }
}

/// The last for the server: the first has more of the system's own work.
fn pick(cores: &[usize]) -> Option<Cores> {
    match cores {
        [rest, .., server] => Some(Cores {
            server: *server,
            rest: *rest,
        }),
        _ => None,
    }
}

/// `0-2,5`.
fn parse(list: &str) -> Vec<usize> {
    let ranges = list.trim().split(',').filter_map(|range| {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        Some(from.parse::<usize>().ok()?..=to.parse().ok()?)
    });
    ranges.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_listed_by_ranges() {
        assert_eq!(parse("\t0-2,5\n"), [0, 1, 2, 5]);
        assert_eq!(parse("7"), [7]);
        assert_eq!(parse(""), []);
    }

    #[test]
    fn two_are_needed() {
        assert_eq!(pick(&[0, 1, 5]), Some(Cores { server: 5, rest: 0 }));
        assert_eq!(pick(&[3]), None);
    }
}
