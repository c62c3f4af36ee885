//! Instructions of a whole server for one request, under callgrind; and the cost of forged cookies.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use crate::contenders::{AGAIN, BARE, Contender, Family, Program};
use crate::judge::{Bound, Verdict};
use crate::load::Crowd;
use crate::measure::Setting;
use crate::route::Route;
use crate::server::Server;
use crate::stats::Spread;
use crate::table::{Row, Scale, Table};

/// The routes that are counted.
const ROUTES: [Route; 5] = [
    Route::Plain,
    Route::Unasked,
    Route::Anon,
    Route::Me,
    Route::Bump,
];
/// Requests of the shorter of two runs; their difference does not count the start.
const FEW: usize = 200;
const MORE: usize = 1_000;

/// The counted instructions.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    contenders: Vec<Contender>,
    counts: BTreeMap<(&'static str, Route), f64>,
    forged: Option<Forged>,
    pub(crate) failures: Vec<(String, String)>,
}

/// Cookies with a wrong signature, in one process.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Forged {
    per_second: f64,
    /// Bytes that stayed allocated after all of them.
    kept: f64,
}

/// Returns `true` if callgrind can follow it: code that Node compiles at run time cannot be compared, and a
/// database has instructions of its own.
pub(crate) fn can_count(contender: &Contender) -> bool {
    matches!(contender.family, Family::Floor | Family::Process)
        && contender.program != Program::Express
        && contender.name != AGAIN
}

/// Counts all contenders, one route after the other.
pub(crate) fn all(
    contenders: Vec<Contender>,
    unbuilt: &BTreeMap<Program, String>,
    setting: &Setting,
) -> Counted {
    let mut counted = Counted::default();
    for contender in contenders {
        println!("counting {}", contender.name);
        let found = match unbuilt.get(&contender.program) {
            Some(reason) => Err(reason.clone()),
            None => counted.count(&contender, setting),
        };
        match found {
            Ok(()) => counted.contenders.push(contender),
            Err(reason) => {
                eprintln!("{} FAILED: {reason}", contender.name);
                counted.failures.push((contender.name.to_owned(), reason));
            }
        }
    }
    match forged(setting) {
        Ok(forged) => counted.forged = Some(forged),
        Err(reason) => counted.failures.push(("forged cookies".to_owned(), reason)),
    }
    counted
}

impl Counted {
    fn count(&mut self, contender: &Contender, setting: &Setting) -> Result<(), String> {
        for route in ROUTES {
            let [few, many] =
                [FEW, FEW + MORE].map(|requests| total(contender, setting, route, requests));
            let per_request = (many? - few?) / figures(MORE);
            self.counts.insert((contender.name, route), per_request);
        }
        Ok(())
    }

    fn of(&self, name: &str, route: Route) -> Option<f64> {
        let found = self
            .counts
            .iter()
            .find(|((who, what), _)| *who == name && *what == route);
        found.map(|(_, count)| *count)
    }

    /// Returns one table, if anything was counted.
    pub(crate) fn tables(&self) -> Vec<Table> {
        let row = |who: &Contender| {
            let cells = ROUTES.map(|route| self.of(who.name, route).map(Spread::one));
            Row::of(who, cells.into())
        };
        let table = Table {
            name: "instructions",
            title: "Instructions of the whole server per request".into(),
            note: "Under callgrind, where SHA-256 runs in software: two blocks are 6,800. /plain is outside the \
                   session layer; at /unasked the handler does not ask for its session. Node is not in it: what it \
                   compiles while it runs is not to be compared. Less is better."
                .into(),
            columns: ROUTES.map(Route::title).into(),
            rows: self.contenders.iter().map(row).collect(),
            scale: Scale::Linear,
        };
        if table.rows.is_empty() {
            Vec::new()
        } else {
            vec![table]
        }
    }

    pub(crate) fn judge(&self) -> Vec<Verdict> {
        let ours = |route| self.of("cloakroom memory", route);
        let bare = |route| self.of(BARE, route);
        let more = ours(Route::Me)
            .zip(bare(Route::Me))
            .map(|(ours, bare)| ours - bare);
        let signed = self.of("tower-sessions signed", Route::Me);
        let part = ours(Route::Me)
            .zip(signed)
            .map(|(ours, signed)| ours / signed);
        let percent = |route| {
            let both = ours(route).zip(bare(route));
            both.map(|(ours, bare)| 100.0 * (ours - bare) / bare)
        };
        let per_second = self.forged.map(|forged| forged.per_second);
        let kept = self.forged.map(|forged| forged.kept);
        vec![
            Verdict::of(
                "GET /me takes at most 12,000 instructions more than bare axum",
                more,
                Bound::Most(12_000.0),
            ),
            Verdict::of(
                "GET /me takes at most 0.55 times the instructions of tower-sessions, signed",
                part,
                Bound::Most(0.55),
            ),
            Verdict::of(
                "GET /anon takes at most 3 % more instructions than without the layer",
                percent(Route::Anon),
                Bound::Most(3.0),
            ),
            Verdict::of(
                "a handler that does not ask for its session: at most 3 % more than without the layer",
                percent(Route::Unasked),
                Bound::Most(3.0),
            ),
            Verdict::of(
                "forged cookies refused per second on one core: at least 500,000",
                per_second,
                Bound::Least(500_000.0),
            ),
            Verdict::of(
                "bytes that stay allocated after forged cookies: none",
                kept,
                Bound::Most(0.0),
            ),
        ]
    }
}

/// Returns all instructions of a server that answered so many requests.
fn total(
    contender: &Contender,
    setting: &Setting,
    route: Route,
    requests: usize,
) -> Result<f64, String> {
    let profile = setting.places.bench.join("target/callgrind.out");
    let out = format!("--callgrind-out-file={}", profile.display());
    let command = ["valgrind", "--quiet", "--tool=callgrind", &out];
    let server = Server::under(&command, contender, "", &setting.places)?;
    let mut crowd = Crowd::gather(server.at, 1, 1, contender.has_sessions())?;
    if route.carries_cookie() {
        crowd.send(Route::Login, 1)?;
    }
    crowd.send(route, requests)?;
    drop(crowd);
    server.terminate()?;
    let profile = fs::read_to_string(&profile).map_err(|error| format!("no profile: {error}"))?;
    totals(&profile).ok_or_else(|| "callgrind gave no total".to_owned())
}

fn totals(profile: &str) -> Option<f64> {
    let line = profile
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("totals: "))?;
    line.trim().parse().ok()
}

/// Runs the program that refuses forged cookies, on the core of the servers.
fn forged(setting: &Setting) -> Result<Forged, String> {
    let program = setting.places.bench.join("target/release/forged");
    let output = Command::new("taskset")
        .args(["-c", &setting.cores.server.to_string()])
        .arg(program)
        .output()
        .map_err(|error| format!("it does not run: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    read_forged(&said).ok_or_else(|| {
        format!(
            "it said {said:?} {}",
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

fn read_forged(said: &str) -> Option<Forged> {
    let (per_second, kept) = said.trim().split_once(' ')?;
    Some(Forged {
        per_second: per_second.parse().ok()?,
        kept: kept.parse().ok()?,
    })
}

#[expect(clippy::cast_precision_loss, reason = "thousands")]
fn figures(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callgrind_output_is_parsed() {
        assert_eq!(
            totals("events: Ir\nfn=1\ntotals: 123456\n"),
            Some(123_456.0)
        );
        assert_eq!(totals("events: Ir\n"), None);
        let forged = Forged {
            per_second: 1e6,
            kept: 0.0,
        };
        assert_eq!(read_forged("1000000 0\n"), Some(forged));
        assert_eq!(read_forged("panicked"), None);
    }

    #[test]
    fn instructions_are_judged() {
        let mut counted = Counted::default();
        let words = |counted: &Counted| -> Vec<&str> {
            counted.judge().iter().map(Verdict::word).collect()
        };
        assert_eq!(words(&counted), ["not measured"; 6]);
        for (name, route, count) in [
            (BARE, Route::Me, 10_000.0),
            ("cloakroom memory", Route::Me, 22_000.0),
            ("tower-sessions signed", Route::Me, 40_001.0),
            (BARE, Route::Anon, 10_000.0),
            ("cloakroom memory", Route::Anon, 10_301.0),
        ] {
            counted.counts.insert((name, route), count);
        }
        counted.forged = Some(Forged {
            per_second: 499_999.0,
            kept: 0.0,
        });
        assert_eq!(
            words(&counted),
            [
                "holds",
                "holds",
                "misses",
                "not measured",
                "misses",
                "holds"
            ]
        );
    }
}
