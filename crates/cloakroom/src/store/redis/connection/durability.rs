//! Decides by a server's configuration if it may bring back sessions that were ended.

use std::collections::HashMap;

/// The persistence and replication that a server reports.
#[derive(Debug, Default)]
pub(crate) struct Keeping {
    /// It writes a log of all changes; `None` if it does not report that.
    log: Option<bool>,
    /// The policy by which the log is synced to disk; empty where the server does not report it.
    fsync: String,
    /// It takes snapshots, or has a reason to.
    snapshots: bool,
    replicas: u32,
    /// It refuses writes that no replica could get.
    insists: bool,
}

impl Keeping {
    /// Parses `INFO` and `CONFIG GET`, which a user may not be allowed to run.
    pub(crate) fn of(info: &str, config: &HashMap<String, String>) -> Self {
        let field = |name: &str| {
            let line = |line: &'_ str| {
                Some(
                    line.strip_prefix(name)?
                        .strip_prefix(':')?
                        .trim()
                        .to_owned(),
                )
            };
            info.lines().find_map(line)
        };
        let number = |text: Option<String>| text.and_then(|text| text.parse().ok()).unwrap_or(0);
        let replicas = number(field("connected_slaves"));
        let least = config.get("min-replicas-to-write").cloned();
        Self {
            log: field("aof_enabled").map(|enabled| enabled == "1"),
            fsync: config.get("appendfsync").cloned().unwrap_or_default(),
            // A replica gets a snapshot, which may stay on the disk.
            snapshots: config.get("save").is_none_or(|rules| !rules.is_empty()) || replicas > 0,
            replicas,
            // Present only if it is configured.
            insists: number(least) > 0 || field("min_slaves_good_slaves").is_some(),
        }
    }

    /// Returns the way in which sessions may come back when the server starts again.
    pub(crate) fn at_restart(&self) -> Option<&'static str> {
        match (self.log, &*self.fsync) {
            (Some(false), _) if self.snapshots => Some("when it starts again: set appendonly yes"),
            (Some(true), "no") => Some("when its machine fails: set appendfsync everysec"),
            _ => None,
        }
    }

    /// Returns the way in which sessions may come back when a replica takes over.
    pub(crate) fn at_failover(&self, has_others: bool, waits: bool) -> Option<&'static str> {
        let fails_over = self.log.is_some() && (has_others || self.replicas > 0);
        (fails_over && !waits && !self.insists).then_some(
            "when a replica takes over: set min-replicas-to-write 1, or wait_replicas here",
        )
    }

    /// Returns the ways in which sessions may come back, each with the setting that prevents it; `None` where
    /// there is none. `has_others` is true if there is someone to promote a replica, `waits` if ends wait for
    /// replicas.
    pub(crate) fn warning(&self, has_others: bool, waits: bool) -> Option<String> {
        let restart = self.at_restart().into_iter();
        let reasons: Vec<&str> = restart.chain(self.at_failover(has_others, waits)).collect();
        (!reasons.is_empty()).then(|| {
            format!(
                "Redis may bring back sessions that were ended, {}",
                reasons.join("; ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Keeping;

    /// The reply of `CONFIG GET`.
    type ConfigPairs<'a> = &'a [(&'a str, &'a str)];

    #[test]
    fn r1_warning_names_the_setting_that_prevents_the_loss() {
        let restart = "when it starts again: set appendonly yes";
        let machine = "when its machine fails: set appendfsync everysec";
        let failover =
            "when a replica takes over: set min-replicas-to-write 1, or wait_replicas here";
        let (off, on) = (
            "aof_enabled:0\r\nconnected_slaves:0",
            "aof_enabled:1\r\nconnected_slaves:0",
        );
        let replicas = "aof_enabled:1\r\nconnected_slaves:2";
        let held = "aof_enabled:1\r\nconnected_slaves:2\r\nmin_slaves_good_slaves:2";
        let rules = ("save", "3600 1 300 100 60 10000");
        #[rustfmt::skip]
        let table: [(&str, ConfigPairs<'_>, bool, bool, &[&str]); 15] = [
            // INFO,  CONFIG GET,                                          others, waits, warnings
            (off,      &[rules],                                             false, false, &[restart]),
            (off,      &[],                                                  false, false, &[restart]),
            (off,      &[("save", "")],                                      false, false, &[]), // nothing survives a restart
            (off,      &[rules],                                             true,  false, &[restart, failover]),
            (on,       &[rules, ("appendfsync", "everysec")],                false, false, &[]),
            (on,       &[("appendfsync", "always")],                         false, false, &[]),
            (on,       &[("appendfsync", "no")],                             false, false, &[machine]),
            (on,       &[],                                                  false, false, &[]),
            (on,       &[],                                                  true,  false, &[failover]),
            (on,       &[],                                                  true,  true,  &[]),
            (replicas, &[("min-replicas-to-write", "0")],                    false, false, &[failover]),
            (replicas, &[("min-replicas-to-write", "1")],                    false, false, &[]),
            (held,     &[],                                                  false, false, &[]),
            ("aof_enabled:0\r\nconnected_slaves:1", &[("save", "")],         false, true,  &[restart]),
            ("",       &[],                                                  true,  false, &[]), // nothing is known
        ];
        for (info, config, has_others, waits, expected) in table {
            let config = config
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let said = Keeping::of(info, &config.collect()).warning(has_others, waits);
            let expected = (!expected.is_empty()).then(|| {
                format!(
                    "Redis may bring back sessions that were ended, {}",
                    expected.join("; ")
                )
            });
            assert_eq!(said, expected, "{info}");
        }
    }
}
