//! The machine and the date of the measurements.

use std::fs;
use std::process::Command;

/// Bytes of this process in memory.
pub(crate) fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0) * 4096
}

/// Bytes that could be had without swapping.
pub(crate) fn available() -> u64 {
    field(&read("/proc/meminfo"), "MemAvailable").map_or(0, |kib| kib * 1024)
}

/// The lines at the top of the page.
pub(crate) fn describe() -> String {
    let cpus = read("/proc/cpuinfo");
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let cores = cpus.matches("processor\t").count();
    let memory = field(&read("/proc/meminfo"), "MemTotal").unwrap_or(0) / (1 << 20);
    format!(
        "- {} UTC, commit {}\n- {model}, {cores} cores, {memory} GiB; Linux {}; huge pages: {}; load before: {}\n- {}; SQLite {}; {}; {}\n",
        said("date", &["-u", "+%F %R"]),
        said("git", &["rev-parse", "--short", "HEAD"]),
        read("/proc/sys/kernel/osrelease"),
        read("/sys/kernel/mm/transparent_hugepage/enabled"),
        read("/proc/loadavg").split(' ').next().unwrap_or_default(),
        said("rustc", &["--version"]),
        rusqlite::version(),
        said("redis-server", &["--version"])
            .split(" sha")
            .next()
            .unwrap_or_default(),
        said(
            "sh",
            &[
                "-c",
                "$(ls -d /usr/lib/postgresql/*/bin | tail -1)/postgres --version"
            ]
        ),
    )
}

fn read(path: &str) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    output.unwrap_or_default()
}

/// The number behind a name and a colon.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim_start_matches(':')
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::{available, field, resident};

    #[test]
    fn a_field_is_the_number_behind_its_name() {
        let text = "MemTotal:       24000000 kB\nMemFree: 1 kB\n";
        assert_eq!(field(text, "MemTotal"), Some(24_000_000));
        assert_eq!(field(text, "SwapFree"), None);
    }

    #[test]
    fn this_process_takes_memory_and_some_is_left() {
        assert!(resident() > 100_000 && available() > 1 << 20);
    }
}
