//! The needs of a number of live sessions: the formulas of the manual's page, in its order.

use std::collections::BTreeMap;

/// Live sessions that the page computes for.
const SESSIONS: [f64; 3] = [1e7, 1e8, 1e9];

/// Measured and assumed, by their names.
#[derive(Debug, Clone, Default)]
pub(super) struct Inputs(BTreeMap<String, f64>);

impl Inputs {
    pub(super) fn new(named: BTreeMap<String, f64>) -> Self {
        Self(named)
    }

    fn get(&self, name: &str) -> Result<f64, String> {
        let found = self.0.get(name).copied();
        found.ok_or_else(|| format!("the page has no row `{name}`"))
    }
}

/// The events of a fleet in a second.
#[derive(Debug, Clone, Copy)]
struct Load {
    requests: f64,
    updates: f64,
    touches: f64,
    creates: f64,
}

impl Load {
    fn of(sessions: f64, inputs: &Inputs) -> Result<Self, String> {
        let (visit, idle) = (inputs.get("visit_minutes")?, inputs.get("idle_minutes")?);
        let per_minute = inputs.get("requests")?;
        let active = sessions * visit / (visit + idle);
        let touch_after = idle * inputs.get("touch_share")?;
        let requests = active * per_minute / 60.0;
        Ok(Self {
            requests,
            updates: requests * inputs.get("writes")?,
            touches: active / (touch_after + 1.0 / per_minute) / 60.0,
            creates: sessions / ((visit + idle) * 60.0),
        })
    }

    /// Writes of every kind.
    fn writes(self) -> f64 {
        self.updates + self.touches + self.creates
    }

    /// Processors that are kept busy: a creation counts as an update.
    fn processors(self, store: &str, inputs: &Inputs) -> Result<f64, String> {
        let cost = |op: &str| inputs.get(&format!("{store}_{op}"));
        let spent = self.requests * cost("get")?
            + self.touches * cost("touch")?
            + (self.updates + self.creates) * cost("update")?;
        Ok(spent / 1e6 / inputs.get("busy")?)
    }
}

/// A row of the results for one number of sessions.
type Row = (&'static str, fn(f64, &Inputs) -> Result<String, String>);

const ROWS: [Row; 19] = [
    ("1. requests a second", |n, i| {
        Ok(rate(Load::of(n, i)?.requests))
    }),
    ("1. updates a second", |n, i| {
        Ok(rate(Load::of(n, i)?.updates))
    }),
    ("1. touches a second", |n, i| {
        Ok(rate(Load::of(n, i)?.touches))
    }),
    ("1. sessions created a second", |n, i| {
        Ok(rate(Load::of(n, i)?.creates))
    }),
    ("2. Redis: memory of the masters", |n, i| {
        Ok(bytes(redis_memory(n, i)?))
    }),
    ("2. Redis: the same with replicas", |n, i| {
        Ok(bytes(redis_memory(n, i)? * (1.0 + i.get("replicas")?)))
    }),
    ("3. masters, by memory", |n, i| {
        Ok(count(redis_memory(n, i)? / (i.get("master_gb")? * 1e9)))
    }),
    ("3. masters, by processor", |n, i| {
        Ok(count(Load::of(n, i)?.processors("redis", i)?))
    }),
    ("4. PostgreSQL: table", |n, i| {
        Ok(bytes(n * i.get("postgres_row")? * (1.0 + i.get("dead")?)))
    }),
    ("4. PostgreSQL: indexes", |n, i| {
        Ok(bytes(
            n * i.get("postgres_indexes")? * i.get("index_bloat")?,
        ))
    }),
    ("5. rows that die in a second", |n, i| {
        Ok(rate(Load::of(n, i)?.writes()))
    }),
    ("5. seconds from vacuum to vacuum", |n, i| {
        Ok(rate(n * i.get("dead")? / Load::of(n, i)?.writes()))
    }),
    ("6. log a second, cheapest", |n, i| {
        Ok(bytes(log(n, i, "")?))
    }),
    ("6. log a second, most expensive (lz4)", |n, i| {
        Ok(bytes(log(n, i, "_compressed")?))
    }),
    ("6. the same, were each request to touch", |n, i| {
        let load = Load::of(n, i)?;
        let more = load.requests - load.touches;
        Ok(bytes(
            log(n, i, "_compressed")? + more * i.get("postgres_wal_touch_compressed")?,
        ))
    }),
    ("7. PostgreSQL: processors", |n, i| {
        Ok(count(Load::of(n, i)?.processors("postgres", i)?))
    }),
    ("8. application servers", |n, i| Ok(count(servers(n, i)?))),
    ("9. near cache: memory of a server", |n, i| {
        let seen = Load::of(n, i)?.requests / servers(n, i)?.max(1.0) * 30.0;
        Ok(bytes(seen * i.get("memory_session")?))
    }),
    (
        "9. near cache: notifications to each server, a second",
        |n, i| Ok(bytes(Load::of(n, i)?.writes() * i.get("redis_told")?)),
    ),
];

fn redis_memory(sessions: f64, inputs: &Inputs) -> Result<f64, String> {
    let each =
        inputs.get("redis_session")? + inputs.get("signed_in")? * inputs.get("redis_index")?;
    Ok(sessions * each * inputs.get("redis_overhead")?)
}

/// Bytes of PostgreSQL's log in a second; a creation counts as an update.
fn log(sessions: f64, inputs: &Inputs, how: &str) -> Result<f64, String> {
    let load = Load::of(sessions, inputs)?;
    let touch = inputs.get(&format!("postgres_wal_touch{how}"))?;
    let update = inputs.get(&format!("postgres_wal_update{how}"))?;
    Ok(load.touches * touch + (load.updates + load.creates) * update)
}

fn servers(sessions: f64, inputs: &Inputs) -> Result<f64, String> {
    let requests = Load::of(sessions, inputs)?.requests;
    let processors = requests * inputs.get("app_request")? / 1e6 / inputs.get("busy")?;
    Ok(processors / inputs.get("app_cores")?)
}

/// The lines of the table.
///
/// # Errors
///
/// If an input is missing.
pub(super) fn table(inputs: &Inputs) -> Result<Vec<String>, String> {
    let mut lines = vec![
        "| live sessions | 10 million | 100 million | 1 000 million |".to_owned(),
        "|---|---|---|---|".to_owned(),
    ];
    for (name, formula) in ROWS {
        let cells = SESSIONS.map(|sessions| formula(sessions, inputs));
        let cells = cells.into_iter().collect::<Result<Vec<_>, _>>()?;
        lines.push(format!("| {name} | {} |", cells.join(" | ")));
    }
    Ok(lines)
}

/// Rounds to two figures: more would claim a precision that the inputs do not have.
fn rate(value: f64) -> String {
    scaled(value, &["", " thousand", " million"])
}

fn bytes(value: f64) -> String {
    scaled(value, &[" B", " kB", " MB", " GB", " TB", " PB"])
}

fn scaled(value: f64, units: &[&str]) -> String {
    let mut value = two_figures(value);
    let mut units = units.iter();
    let mut unit = units.next().copied().unwrap_or_default();
    for next in units {
        if value < 1000.0 {
            break;
        }
        (value, unit) = (value / 1000.0, next);
    }
    let digits = usize::from(value < 10.0);
    format!("{value:.digits$}{unit}")
}

fn two_figures(value: f64) -> f64 {
    if value <= 0.0 {
        return 0.0;
    }
    let step = 10_f64.powf(value.log10().floor() - 1.0);
    (value / step).round() * step
}

/// Whole ones, at least one.
fn count(value: f64) -> String {
    let whole = value.ceil().max(1.0);
    if whole < 100.0 {
        format!("{whole:.0}")
    } else {
        scaled(whole, &["", " thousand"])
    }
}

#[cfg(test)]
mod tests {
    use super::{Inputs, Load, bytes, count, rate, table};

    fn inputs() -> Inputs {
        let named = [
            ("visit_minutes", 10.0),
            ("idle_minutes", 30.0),
            ("requests", 2.0),
            ("touch_share", 0.05),
            ("writes", 0.1),
        ];
        Inputs::new(named.map(|(name, value)| (name.to_owned(), value)).into())
    }

    #[test]
    fn a_fleet_s_load_is_that_of_its_visitors() {
        // Of 2,400 sessions 600 are visited: twice a minute, each touched every 90 s at most.
        let load = Load::of(2400.0, &inputs()).unwrap();
        let table = [
            (load.requests, 20.0),
            (load.updates, 2.0),
            (load.touches, 5.0),
            (load.creates, 1.0),
            (load.writes(), 8.0),
        ];
        for (is, should) in table {
            assert!((is - should).abs() < 1e-9, "{is} {should}");
        }
    }

    #[test]
    fn a_missing_input_is_named() {
        assert!(table(&inputs()).unwrap_err().contains("`redis_"));
    }

    #[test]
    fn figures_are_rounded_to_what_is_known() {
        let table = [
            (rate(999.0), "1.0 thousand"),
            (rate(833_333.0), "830 thousand"),
            (rate(8_333_333.0), "8.3 million"),
            (rate(0.0), "0.0"),
            (bytes(1_234.0), "1.2 kB"),
            (bytes(996e9), "1.0 TB"),
            (count(0.2), "1"),
            (count(12.1), "13"),
            (count(1234.0), "1.2 thousand"),
        ];
        for (is, should) in table {
            assert_eq!(is, should);
        }
    }
}
