//! The faults: their tests, the rule that must hold, and the number of rounds.

use super::Extent;
use Program::{Library, Public};

/// One of the library's test programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// The tests beside the code.
    Library,
    /// `tests/it`.
    Public,
}

/// One fault.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) fault: &'static str,
    pub(crate) holds: &'static str,
    /// The load, where the tests do not print it themselves.
    pub(crate) load: &'static str,
    /// The control, where the tests do not print it: the name of its test.
    pub(crate) control: &'static str,
    /// Programs, and parts of the names of their tests.
    pub(crate) tests: &'static [(Program, &'static [&'static str])],
    rounds: Rounds,
    /// The place of its tests, if it has none here.
    pub(crate) instead: &'static str,
}

/// Number of rounds; 0 where the tests have a number of their own.
#[derive(Debug, Clone, Copy)]
struct Rounds {
    /// `None`: CI has no time for it.
    short: Option<usize>,
    everyday: usize,
    full: usize,
}

impl Part {
    /// Returns the number of rounds to an extent.
    pub(crate) fn rounds(&self, extent: Extent) -> Option<usize> {
        match extent {
            Extent::Short => self.rounds.short,
            Extent::Everyday => Some(self.rounds.everyday),
            Extent::Full => Some(self.rounds.full),
        }
    }

    const fn of(name: &'static str, fault: &'static str, holds: &'static str) -> Self {
        Self {
            name,
            fault,
            holds,
            load: "as its tests say",
            control: "–",
            tests: &[],
            rounds: Rounds {
                short: None,
                everyday: 0,
                full: 0,
            },
            instead: "",
        }
    }

    const fn by(mut self, tests: &'static [(Program, &'static [&'static str])]) -> Self {
        self.tests = tests;
        self
    }

    const fn load(mut self, load: &'static str) -> Self {
        self.load = load;
        self
    }

    const fn control(mut self, control: &'static str) -> Self {
        self.control = control;
        self
    }

    const fn rounds_of(mut self, everyday: usize, full: usize) -> Self {
        self.rounds.everyday = everyday;
        self.rounds.full = full;
        self
    }

    /// Adds the part to CI, with so many rounds.
    const fn in_ci(mut self, rounds: usize) -> Self {
        self.rounds.short = Some(rounds);
        self
    }

    const fn instead(mut self, instead: &'static str) -> Self {
        self.instead = instead;
        self
    }
}

#[rustfmt::skip]
pub(crate) const PARTS: &[Part] = &[
    Part::of("F01", "kill -9 of a process that writes to SQLite", "nothing acknowledged is lost")
        .by(&[(Public, &["crash::"])]).rounds_of(20, 200).in_ci(5),
    Part::of("F02", "power loss under SQLite", "nothing acknowledged is lost or undone, and the file is sound")
        .by(&[(Public, &["faults::power"])]).rounds_of(50, 500).in_ci(10),
    Part::of("F03", "one call to the system fails, no space or an I/O error (SQLite)", "every request is answered; nothing is lost; no restart is needed")
        .by(&[(Public, &["faults::syscalls"])]).rounds_of(20, 60).in_ci(4),
    Part::of("F04", "kill -9 of the database under load", "nothing acknowledged is lost, undone or done twice")
        .by(&[(Public, &["faults::killed"])]).rounds_of(5, 50),
    Part::of("F05", "a logout among saves that are under way", "no session comes back")
        .by(&[(Public, &["races::memory::no_logout", "races::sqlite::no_logout", "races::redis::no_logout", "races::valkey::no_logout",
                         "races::cluster::no_logout", "races::postgres::no_logout", "races::mongodb::no_logout", "a_last_write_wins_store_undoes_logouts"])])
        .rounds_of(1_000, 10_000),
    Part::of("F06", "a login among saves on the old id", "the old id opens nothing, and no save reaches the new one")
        .by(&[(Public, &["no_save_on_the_old_id_reaches_a_login"]), (Library, &["no_save_reaches_a_replaced_session"])])
        .control("`store::conformance`, a blind store").rounds_of(200, 10_000),
    Part::of("F07", "Express writes a session that was ended here", "our readers refuse it; with the trigger, PostgreSQL never stores it")
        .by(&[(Library, &["tests::mixed", "what_express_brings_back"]), (Public, &["what_express_brings_back"])])
        .load("Express's own statements, on each store it has"),
    Part::of("F08", "writes that arrive after the end of their session", "nothing is resurrected")
        .by(&[(Public, &["faults::delayed"])]).in_ci(0),
    Part::of("F09", "1,000 requests change a key each, at once", "none is lost, at most 2.2 round trips each")
        .by(&[(Public, &["of_1000_changes_none_is_lost", "of_200_requests_that_set_a_key", "a_last_write_wins_store_loses_keys"])])
        .control("`races::a_last_write_wins_store_loses_keys`"),
    Part::of("F10", "four processes add to one key", "no update is lost")
        .by(&[(Public, &["races::fleet::shared"])]),
    Part::of("F11", "Express and ours change different keys", "neither loses what it did not touch")
        .instead("`cargo xtask interop` and `interop/shared/sessions.test.mjs` play it"),
    Part::of("F12", "the database is killed, or stands still for five seconds, under load", "an answer within the deadline, 503 or anonymous as the policy says; no session lost; recovery within two seconds")
        .by(&[(Public, &["outage::"])]).control("a client of its own on new connections, in each test"),
    Part::of("F13", "a primary fails, a replica is promoted", "no ended session is accepted past the bound, and requests succeed")
        .by(&[(Public, &["near::rounds::on_a_cluster_whose", "near::rounds::under_sentinels", "near::changing::a_primary", "live::outages::an_end_at_a_new_primary"]), (Library, &["a_failover_is_followed"])])
        .control("`near::rounds::caches_that_keep_no_bound_are_found_out`").rounds_of(50, 500),
    Part::of("F14", "one node of a cluster stands still", "the others' keys are served")
        .by(&[(Library, &["cluster_changes"])]).load("Redis Cluster of three"),
    Part::of("F15", "slots move, a node joins or is lost, under load", "no wrong answer, nothing accepted past the bound")
        .by(&[(Public, &["near::changing::a_cluster"]), (Library, &["cluster_changes"])]).rounds_of(50, 500),
    Part::of("F16", "a network that loses answers, stands still, is late", "no wait past the deadline, nothing twice")
        .by(&[(Library, &["redis::tests::faults", "postgres::tests::lost_lines", "postgres::tests::pool", "mongodb::tests::outages"])])
        .load("a proxy before each server"),
    Part::of("F17", "an answer is lost after the request was sent", "the outcome is unknown, never success; nothing is done twice")
        .by(&[(Library, &["answer_is_lost", "before_its_answer", "whose_answer_never_came"]), (Public, &["answer_is_lost"])])
        .load("each store's writes, through a proxy"),
    Part::of("F18", "secrets are rotated while serving", "no user is signed out; cookies are signed again")
        .by(&[(Public, &["secrets_are_rotated", "w2_a_rotated_key"]), (Library, &["key_ring"])]),
    Part::of("F19", "forged cookies", "none opens a session, none reaches the store")
        .by(&[(Public, &["faults::forged", "hostile::cookies"])]).rounds_of(100_000, 1_000_000).in_ci(10_000),
    Part::of("F20", "arbitrary bytes as cookie, signature, record", "no panic, no mismatch with Express")
        .instead("`cargo fuzz` in `fuzz/`, `cargo xtask differential`"),
    Part::of("F21", "clocks that jump", "no absolute time-out moves; nothing is prolonged")
        .by(&[(Public, &["life::timeouts", "w6_what_another_writer"]), (Library, &["clock"])]),
    Part::of("F22", "more visitors than memory", "memory is bounded; sessions without a user are evicted first; visitors without data cost nothing")
        .by(&[(Library, &["memory::tests"]), (Public, &["a_visitor_who_leaves_nothing"])]),
    Part::of("F23", "logouts while other processes serve from a near cache", "nothing is accepted past the bound")
        .by(&[(Public, &["near::rounds::on_one_server", "near::rounds::caches"])])
        .control("`caches_that_keep_no_bound_are_found_out`").load("four processes, subscriptions that fail in every way").rounds_of(100, 5_000),
    Part::of("F24", "the subscription of a near cache is frozen, cut or mute", "nothing is accepted past the bound")
        .by(&[(Public, &["near::faults", "near::whole"]), (Library, &["near::tests::untold", "near::tests::postgres"])])
        .control("`near::faults::the_staleness_bound_holds_on_a_frozen_connection`").rounds_of(50, 500),
    Part::of("F25", "an invalidation overtakes the answer that it concerns", "nothing stale is kept")
        .by(&[(Library, &["near::model", "an_answer_that_was_overtaken"])])
        .load("every interleaving, by loom").control("`near::model::mutants_…_are_caught`"),
    Part::of("F26", "logins, saves and renewals race a logout everywhere", "no session is left, none outside the index")
        .by(&[(Public, &["races::everywhere", "no_login_that_races_a_logout", "a_login_past_the_index"])]).rounds_of(100, 5_000),
    Part::of("F27", "another operation between every two steps of a login, a logout, a renewal", "one state or the other")
        .by(&[(Public, &["auth::between"])]),
    Part::of("F28", "records that no program would write", "one costs only its visitor a session")
        .by(&[(Public, &["poison::"])]),
    Part::of("F29", "PostgreSQL in other time zones", "an hour is an hour for both")
        .by(&[(Library, &["both_sides_agree_in_every_time_zone", "with_a_time_zone"])]),
    Part::of("F30", "many expired sessions are deleted while others write", "batches of bounded size; no writer waits for more than one")
        .by(&[(Library, &["a_write_waits_for_a_hundred", "tests::pruning"])]),
    Part::of("F31", "requests held, reordered and lost, at random", "each response is that of a model of the protocol")
        .by(&[(Public, &["tabs::model"])]).control("`the_model_finds_every_spoiled_…`"),
    Part::of("F32", "a day under load and faults", "memory and connections stay flat")
        .instead("it takes too long here"),
    Part::of("F33", "a rolling restart under load", "no request fails, no user is signed out")
        .instead("`interop/fronts/fleet.test.mjs` plays it behind nginx"),
    Part::of("F34", "clients that disconnect", "writes under way complete, and no lock is left")
        .by(&[(Public, &["disconnect::", "a_client_that_disconnects"]), (Library, &["completion"])]),
    Part::of("calls", "every n-th call to the store fails or loses its answer, for every n", "acknowledged ≤ stored ≤ acknowledged + unknown")
        .by(&[(Public, &["faults::calls"])]).in_ci(0),
    Part::of("R1", "a Redis is restarted or replaced by one with older data", "ends are applied again")
        .by(&[(Public, &["r1_", "restarts::alone", "restarts::cluster"]), (Library, &["r1_"])]).rounds_of(100, 1_000),
    Part::of("R2", "a logout that the store refuses", "it is retried until it succeeds")
        .by(&[(Public, &["r2_"])]),
    Part::of("R3", "a failover forgets a logout", "it is applied again")
        .by(&[(Public, &["r3_", "restarts::failover"]), (Library, &["r3_"])]).rounds_of(20, 200),
    Part::of("R4", "`PgBouncer` between us and PostgreSQL", "each process's statements are its own")
        .by(&[(Library, &["r4_"])]).rounds_of(160, 840),
    Part::of("R5", "processes whose clocks differ", "none ends or prolongs a session that is live for another")
        .by(&[(Public, &["r5_"]), (Library, &["r5_"])])
        .control("`r5_control_store_whose_touches_shorten_lives_is_caught`"),
    Part::of("R6", "a SQLite file that cannot be used", "refused when it is opened, with an error that names the remedy")
        .by(&[(Public, &["files::refused"])]).load("permissions, a full disk, a failing one, a directory, other files").in_ci(0),
    Part::of("R7", "a SQLite file that is deleted, moved or replaced while it is open", "nothing is acknowledged that is missing at the path")
        .by(&[(Public, &["files::lost"])]).load("six ways, before and under writes")
        .control("`r7_control_sqlite_itself_writes_into_a_file_that_is_gone`").in_ci(0),
    Part::of("R8", "rows that another client has locked", "only their writers wait")
        .by(&[(Public, &["r8_"]), (Library, &["r8_"])]),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use crate::words::sources::walk;

    use super::*;

    #[test]
    fn every_part_has_a_name_of_its_own_and_tests_or_a_reason() {
        let names: HashSet<_> = PARTS.iter().map(|part| part.name).collect();
        assert_eq!(names.len(), PARTS.len());
        for part in PARTS {
            assert!(
                !part.tests.is_empty() || !part.instead.is_empty(),
                "{}",
                part.name
            );
            let (everyday, full) = (part.rounds(Extent::Everyday), part.rounds(Extent::Full));
            assert!(everyday <= full, "{}", part.name);
        }
    }
    /// A control that is a test is named as the test is.
    #[test]
    fn every_control_that_is_a_test_exists() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/cloakroom");
        let mut paths = Vec::new();
        for folder in ["src", "tests"] {
            walk(&root.join(folder), &mut paths).unwrap();
        }
        let code: String = paths
            .iter()
            .map(|path| std::fs::read_to_string(path).unwrap())
            .collect();
        for part in PARTS {
            let name = part.control.trim_matches('`');
            let name = name.rsplit("::").next().unwrap_or(name);
            let is_test =
                !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            assert!(
                !is_test || code.contains(&format!("fn {name}(")),
                "{}: {}",
                part.name,
                part.control
            );
        }
    }
}
