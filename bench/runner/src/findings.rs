//! The findings of a run, and their tables.

use std::collections::BTreeMap;

use crate::contenders::{BARE, Contender, Family};
use crate::measure::{Reading, Sample};
use crate::races::{AT_ONCE, ROUNDS, Races};
use crate::route::Route;
use crate::stats::{Spread, ratios};
use crate::table::{Row, Scale, Table};

/// Everything measured and counted, by the contender's name.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) contenders: Vec<Contender>,
    /// One entry for each round, empty where the contender failed in it.
    pub(crate) rounds: Vec<BTreeMap<(&'static str, Route), Sample>>,
    pub(crate) trips: BTreeMap<(&'static str, Route), f64>,
    pub(crate) rows_written: BTreeMap<&'static str, f64>,
    pub(crate) bytes: BTreeMap<&'static str, f64>,
    pub(crate) races: BTreeMap<&'static str, Races>,
    /// Reads of each session between changes, and the hits in percent.
    pub(crate) hits: Vec<(usize, f64)>,
    /// The contenders that did not take part, or failed later, with their errors.
    pub(crate) failures: Vec<(String, String)>,
}

/// One of the two figures of a reading.
pub(crate) type Figure = fn(&Reading) -> f64;

pub(crate) const CPU: Figure = |reading| reading.cpu;
pub(crate) const RATE: Figure = |reading| reading.rate;

impl Findings {
    /// The figure of each round, in their order.
    pub(crate) fn series(&self, name: &str, route: Route, figure: Figure) -> Vec<Option<f64>> {
        self.of_samples(name, route, |sample| figure(&sample.own))
    }

    /// The figure of each round over that of bare axum a moment before.
    fn relative(&self, name: &str, route: Route, figure: Figure) -> Vec<Option<f64>> {
        self.of_samples(name, route, |sample| {
            figure(&sample.own) / figure(&sample.beside)
        })
    }

    fn of_samples(
        &self,
        name: &str,
        route: Route,
        figure: impl Fn(&Sample) -> f64,
    ) -> Vec<Option<f64>> {
        let of = |round: &BTreeMap<(&'static str, Route), Sample>| {
            let found = round
                .iter()
                .find(|((who, what), _)| *who == name && *what == route);
            found.map(|(_, sample)| figure(sample))
        };
        self.rounds.iter().map(of).collect()
    }

    /// The quotients of two contenders, round by round, each taken relative to bare axum a moment before it.
    pub(crate) fn compare(&self, name: &str, to: &str, route: Route, figure: Figure) -> Vec<f64> {
        let relative = |name| self.relative(name, route, figure);
        if to == BARE {
            return defined(&relative(name));
        }
        ratios(&relative(name), &relative(to))
    }

    /// The CPU of a request inside the layer whose handler does not ask for its session, over that of one beside it.
    pub(crate) fn layer(&self, name: &str) -> Vec<f64> {
        let relative = |route| self.relative(name, route, CPU);
        let [plain, unasked] = Route::LAYER.map(relative);
        ratios(&unasked, &plain)
    }

    /// Returns all tables that have a row.
    pub(crate) fn tables(&self) -> Vec<Table> {
        let tables = [
            self.cpu_ratios(),
            self.layers(),
            self.races(),
            self.cpu_times(),
            self.rate_ratios(),
            self.rates(),
            self.round_trips(),
            self.sizes(),
            self.near_hits(),
        ];
        tables
            .into_iter()
            .filter(|table| !table.rows.is_empty())
            .collect()
    }

    fn cpu_ratios(&self) -> Table {
        let figures = |who: &Contender, route| self.compare(who.name, BARE, route, CPU);
        Table {
            name: "cpu-ratio",
            title: "CPU time of the server per request, relative to bare axum".into(),
            note: "Each over bare axum a moment before it on the same core: the median of the quotients, and the least and \
                   the most. Less is better. What bare axum itself differs from 1 by is the noise of the machine."
                .into(),
            scale: Scale::Logarithmic,
            ..self.by_route(figures)
        }
    }

    fn layers(&self) -> Table {
        let row = |who: &Contender| {
            let times = Route::LAYER.map(|route| defined(&self.series(who.name, route, CPU)));
            let [plain, unasked] = times.map(|times| Spread::of(&times));
            Row::of(who, vec![plain, unasked, Spread::of(&self.layer(who.name))])
        };
        let [plain, unasked] = Route::LAYER.map(Route::title);
        Table {
            name: "layer",
            title: "CPU time of a request whose handler does not ask for its session, in microseconds".into(),
            note: "No cookie; /plain is outside the session layer and /unasked inside it, in the same server. The \
                   quotient is of each round by itself. Less is better."
                .into(),
            ..self.table(vec![plain, unasked, "quotient".into()], row)
        }
    }

    fn cpu_times(&self) -> Table {
        let figures = |who: &Contender, route| defined(&self.series(who.name, route, CPU));
        Table {
            name: "cpu",
            title: "CPU time of the server per request, in microseconds".into(),
            note: "User and system time of all its threads; the database's own is not in it. Less is better.".into(),
            scale: Scale::Logarithmic,
            ..self.by_route(figures)
        }
    }

    fn rate_ratios(&self) -> Table {
        let figures = |who: &Contender, route| self.compare(who.name, BARE, route, RATE);
        Table {
            name: "rate-ratio",
            title: "Requests per second, relative to bare axum".into(),
            note: "One core for the server, one for the load and the database together. More is better.".into(),
            scale: Scale::Linear,
            ..self.by_route(figures)
        }
    }

    fn rates(&self) -> Table {
        let figures = |who: &Contender, route| defined(&self.series(who.name, route, RATE));
        Table {
            name: "rate",
            title: "Requests per second".into(),
            note: "One core for the server, one for the load and the database together. More is better.".into(),
            scale: Scale::Linear,
            ..self.by_route(figures)
        }
    }

    /// The middle of a table whose columns are the routes.
    fn by_route(&self, figures: impl Fn(&Contender, Route) -> Vec<f64>) -> Table {
        let row = |who: &Contender| {
            let cells = Route::MEASURED.map(|route| Spread::of(&figures(who, route)));
            Row::of(who, cells.into())
        };
        let columns = Route::MEASURED.map(Route::title);
        self.table(columns.into(), row)
    }

    fn round_trips(&self) -> Table {
        let row = |who: &Contender| {
            let trips = Route::MEASURED.map(|route| self.trips.get(&(who.name, route)));
            let written = self.rows_written.get(who.name);
            let cells = trips.into_iter().chain([written]);
            Row::of(
                who,
                cells.map(|cell| cell.copied().map(Spread::one)).collect(),
            )
        };
        let columns = Route::MEASURED.map(Route::title).into_iter();
        Table {
            name: "trips",
            title: "Round trips to the database per request".into(),
            note: "The median of 31 requests, one at a time, counted between the two. The last column: \
                   rows that PostgreSQL counts as inserted, updated or deleted by one GET /me.".into(),
            ..self.table(columns.chain(["rows, GET /me".into()]).collect(), row)
        }
    }

    fn races(&self) -> Table {
        let row = |who: &Contender| {
            let races = self.races.get(who.name);
            let cells = races.map(|races| [races.lost, races.revived]);
            let cells = cells.map_or(vec![None; 2], |both| {
                both.map(|n| Some(Spread::one(whole(n)))).into()
            });
            Row::of(who, cells)
        };
        let columns = vec![
            format!("steps lost, of {}", AT_ONCE * ROUNDS),
            format!("old ids that open, of {ROUNDS}"),
        ];
        Table {
            name: "races",
            title: "What is kept when requests of one session meet".into(),
            note: format!(
                "{AT_ONCE} times POST /bump at once on one session, {ROUNDS} times over: those that were answered with 200 and \
                 are missing afterwards. Then POST /login among as many on the old id: whether that opens a session afterwards."
            ),
            ..self.table(columns, row)
        }
    }

    fn sizes(&self) -> Table {
        let row = |who: &Contender| {
            let bytes = self.bytes.get(who.name).copied();
            Row::of(who, vec![bytes.map(Spread::one)])
        };
        Table {
            name: "bytes",
            title: "Bytes per session".into(),
            note: "In the process: what its memory (RSS) grows by. Redis: MEMORY USAGE of all keys. \
                   PostgreSQL: tables and indexes after VACUUM FULL. Indexes by user are in it where there are any.".into(),
            ..self.table(vec!["bytes".into()], row)
        }
    }

    fn near_hits(&self) -> Table {
        let row = |&(reads, hits): &(usize, f64)| Row {
            name: format!("{reads} × read"),
            family: Family::Redis.title(),
            is_ours: true,
            cells: vec![Some(Spread::one(hits))],
        };
        Table {
            name: "hits",
            title: "Reads that cloakroom's near cache answers, in percent".into(),
            note:
                "Every session is read so often, then a tenth of them is changed, five times over: \
                   each change costs one miss."
                    .into(),
            rows: self.hits.iter().map(row).collect(),
            ..self.table(vec!["percent".into()], |who| Row::of(who, Vec::new()))
        }
    }

    fn table(&self, columns: Vec<String>, row: impl Fn(&Contender) -> Row) -> Table {
        let rows = self.contenders.iter().map(row);
        Table {
            name: "",
            title: String::new(),
            note: String::new(),
            columns,
            rows: rows.filter(|row| !row.is_empty()).collect(),
            scale: Scale::Linear,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "some hundreds")]
fn whole(number: u64) -> f64 {
    number as f64
}

fn defined(series: &[Option<f64>]) -> Vec<f64> {
    series.iter().flatten().copied().collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::contenders::{self, AGAIN};

    /// Returns two rounds of all contenders; each one a little slower than the one before it in the table.
    pub(crate) fn invented() -> Findings {
        let mut findings = Findings {
            contenders: contenders::all(),
            rounds: vec![BTreeMap::new(), BTreeMap::new()],
            ..Findings::default()
        };
        for (round, samples) in (0_u32..).zip(&mut findings.rounds) {
            for (at, who) in (0_u32..).zip(&findings.contenders) {
                let bare = 10.0 * (1.0 + f64::from(round));
                let cpu = bare * (1.0 + 0.1 * f64::from(at));
                for route in Route::MEASURED {
                    let reading = |cpu| Reading {
                        cpu,
                        rate: 1e6 / cpu,
                    };
                    let (own, beside) = (reading(cpu), reading(bare));
                    samples.insert((who.name, route), Sample { own, beside });
                }
            }
        }
        findings
    }

    #[test]
    fn a_ratio_is_of_its_own_round() {
        let findings = invented();
        let ratios = findings.compare(AGAIN, BARE, Route::Me, CPU);
        assert!(
            ratios.iter().all(|ratio| (ratio - 1.1).abs() < 1e-9),
            "{ratios:?}"
        );
        assert_eq!(ratios.len(), 2);
    }

    #[test]
    fn a_table_without_figures_is_left_out() {
        let names = |findings: &Findings| -> Vec<&str> {
            findings.tables().iter().map(|table| table.name).collect()
        };
        let mut findings = invented();
        assert_eq!(names(&findings), ["cpu-ratio", "cpu", "rate-ratio", "rate"]);
        findings.bytes.insert("cloakroom memory", 400.0);
        assert_eq!(findings.tables().last().unwrap().rows.len(), 1);
    }
}
