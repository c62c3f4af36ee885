//! Measures a gate: an application alone, behind nginx, and behind `cloakroom gate`, in one interleaved run.

mod front;
mod load;
mod place;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::page::Page;
use crate::programs;
use crate::stats::Spread;
use crate::table::{Row, Scale, Table};
use crate::{bed::Bed, cores::Cores, versions};
use front::{Front, Kind};
use load::Load;

pub(crate) use front::Built;
pub(crate) use place::Place;

/// Connections that are busy while CPU time is measured.
const BUSY: usize = 32;
/// Connections that are open while latency is measured.
const OPEN: usize = 1_000;
/// Requests a second while latency is measured.
const RATE: usize = 500;

/// The extent of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) rounds: usize,
    /// Requests for a figure of CPU time.
    pub(crate) requests: usize,
    /// Time for which latency is measured.
    pub(crate) paced: Duration,
}

/// The figures of one front in one round.
#[derive(Clone, Copy, Debug)]
struct Sample {
    /// Microseconds of CPU time per request, of the front's own processes.
    cpu: f64,
    /// Requests per second over busy connections.
    rate: f64,
    /// Milliseconds.
    median: f64,
    /// Milliseconds that one request in a hundred takes longer than.
    late: f64,
}

/// Measures all fronts, and returns the page.
pub(crate) fn run(place: &Place, extent: Extent) -> Result<Page, String> {
    let built = programs::build_gate(&place.bench)?;
    let (begin, load) = (Instant::now(), versions::load());
    let cores = Cores::take()?;
    let (bed, mut samples) = (Bed::default(), BTreeMap::<&str, Vec<Sample>>::new());
    let mut missing = BTreeMap::new();
    for round in 0..extent.rounds {
        for kind in Kind::ALL {
            let measured = Front::start(kind, place, &built, &bed, cores)
                .and_then(|front| measure(&front, extent));
            match measured {
                Ok(sample) => {
                    eprintln!("round {} {}: {sample:.2?}", round + 1, kind.name());
                    samples.entry(kind.name()).or_default().push(sample);
                }
                Err(error) => drop(missing.insert(kind.name().to_owned(), error)),
            }
        }
    }
    let about = format!(
        "Written by `cargo xtask bench --gate` on {}, {} rounds of {} requests and {} s of latency each, in {} minutes; \
         load average of the machine before it: {load}, after it: {}. How it was measured: [README](README.md#the-gate).",
        versions::now(),
        extent.rounds,
        extent.requests,
        extent.paced.as_secs(),
        begin.elapsed().as_secs().div_ceil(60),
        versions::load(),
    );
    Ok(Page {
        title: "What the gate costs",
        about,
        verdicts: Vec::new(),
        tables: tables(&samples),
        missing: missing.into_iter().collect(),
        machine: versions::machine(),
        versions: versions::of_gate(&place.bench),
    })
}

fn measure(front: &Front, extent: Extent) -> Result<Sample, String> {
    let mut load = Load::open(front, BUSY)?;
    // Every visitor has come once: connections are open, cookies known, tokens signed.
    load.send((extent.requests / 4).max(place::VISITORS))?;
    let before = front.cpu()?;
    let took = load.send(extent.requests)?;
    // The work after the last reply counts as well.
    std::thread::sleep(Duration::from_millis(30));
    let cpu = front.cpu_since(&before)?;
    drop(load);
    let mut load = Load::open(front, OPEN)?;
    load.paced(RATE, Duration::from_millis(500))?;
    let mut times = load.paced(RATE, extent.paced)?;
    times.sort_unstable();
    let at =
        |part: usize| times[(times.len() * part / 100).min(times.len() - 1)].as_secs_f64() * 1e3;
    #[expect(clippy::cast_precision_loss, reason = "a few thousand requests")]
    let requests = extent.requests as f64;
    Ok(Sample {
        cpu: cpu.as_secs_f64() * 1e6 / requests,
        rate: requests / took.as_secs_f64(),
        median: at(50),
        late: at(99),
    })
}

/// A figure of a sample.
type Figure = fn(&Sample) -> f64;

fn tables(samples: &BTreeMap<&str, Vec<Sample>>) -> Vec<Table> {
    let table = |name, title: &str, note: &str, columns: &[(&str, Figure)]| Table {
        name,
        title: title.to_owned(),
        note: note.to_owned(),
        columns: columns
            .iter()
            .map(|(title, _)| (*title).to_owned())
            .collect(),
        rows: Kind::ALL
            .iter()
            .map(|kind| row(*kind, samples, columns))
            .collect(),
        scale: Scale::Linear,
    };
    let late = format!(
        "Milliseconds from a request to the last byte of its response, with {OPEN} connections open and {RATE} requests \
         a second over them; less is better. The load, the application and Redis share a core."
    );
    vec![
        table(
            "gate-cpu",
            "CPU time and throughput",
            "Microseconds of CPU time per request, of the front's own processes alone (for auth_request nginx and the gate \
             together; not the application, not Redis), less is better; and requests per second on one core over 32 busy \
             connections, more is better.",
            &[
                ("µs per request", |it| it.cpu),
                ("requests per second", |it| it.rate),
            ],
        ),
        table(
            "gate-latency",
            "Latency",
            &late,
            &[("p50, ms", |it| it.median), ("p99, ms", |it| it.late)],
        ),
    ]
}

fn row(kind: Kind, samples: &BTreeMap<&str, Vec<Sample>>, columns: &[(&str, Figure)]) -> Row {
    let own = samples.get(kind.name()).map_or(&[][..], Vec::as_slice);
    let cell = |figure: Figure| Spread::of(&own.iter().map(figure).collect::<Vec<_>>());
    Row {
        name: kind.name().to_owned(),
        family: kind.family(),
        is_ours: kind.is_ours(),
        cells: columns.iter().map(|(_, figure)| cell(*figure)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Sample, tables};

    #[test]
    fn a_front_without_figures_is_a_row_of_dashes() {
        let sample = |cpu| Sample {
            cpu,
            rate: 1.0,
            median: 1.0,
            late: 2.0,
        };
        let samples = BTreeMap::from([("nginx, plain proxy", vec![sample(3.0), sample(1.0)])]);
        let tables = tables(&samples);
        let row = |name: &str| tables[0].rows.iter().find(|row| row.name == name).unwrap();
        let cpu = row("nginx, plain proxy").cells[0].unwrap();
        assert_eq!((cpu.low, cpu.median, cpu.high), (1.0, 2.0, 3.0));
        assert!(row("gate, session").is_empty());
        let families: Vec<&str> = tables[0].families().map(|(family, _)| family).collect();
        assert_eq!(
            families,
            ["Nobody is asked who comes", "The session is looked up"]
        );
    }
}
