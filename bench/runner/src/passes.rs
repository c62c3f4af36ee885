//! Counts that are taken once and apart from the time: round trips, written rows, sizes, hits.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use crate::bed::Between;
use crate::contenders::{Backing, Contender, Program};
use crate::load::Crowd;
use crate::measure::{CONNECTIONS, SESSIONS, Setting};
use crate::route::Route;
use crate::stats::Spread;

/// Requests of which the round trips are counted one by one.
const COUNTED: usize = 31;
/// Time after the reply whose work belongs to the request.
const AFTERWARDS: Duration = Duration::from_millis(4);
/// Reads between which written rows are counted.
const READS: usize = 640;
/// Times that a tenth of the sessions changes.
const CHANGES: usize = 5;

/// Round trips per request of each route: the median, for a cache's subscription has some of its own.
pub(crate) fn trips(
    contender: &Contender,
    setting: &Setting,
) -> Result<BTreeMap<Route, f64>, String> {
    let ground = setting.bed.lay(contender.backing, Between::Counter);
    let server = setting.start(contender, &ground.url)?;
    let mut crowd = Crowd::gather(server.at, 1, 1, contender.has_sessions())?;
    // Pools fill up, statements are prepared.
    for route in [Route::Login].into_iter().chain(Route::MEASURED) {
        crowd.send(route, 40)?;
    }
    let mut all = BTreeMap::new();
    for route in Route::MEASURED {
        // Its first request may come after one of another kind.
        crowd.send(route, 1)?;
        let mut counts = Vec::new();
        for _ in 0..COUNTED {
            thread::sleep(AFTERWARDS);
            ground.take_trips();
            crowd.send(route, 1)?;
            thread::sleep(AFTERWARDS);
            counts.push(u32::try_from(ground.take_trips()).map_or(f64::MAX, f64::from));
        }
        all.insert(
            route,
            Spread::of(&counts).map_or(0.0, |counts| counts.median),
        );
    }
    Ok(all)
}

/// Rows that `GET /me` writes, per request: a run with reads is compared with one without.
pub(crate) fn rows_written(contender: &Contender, setting: &Setting) -> Result<f64, String> {
    let rows = |reads: usize| {
        let ground = setting.bed.lay(contender.backing, Between::Nothing);
        let server = setting.start(contender, &ground.url)?;
        let mut crowd = Crowd::gather(server.at, 8, 64, true)?;
        crowd.send_all(Route::Login)?;
        if reads > 0 {
            crowd.send(Route::Me, reads)?;
        }
        thread::sleep(AFTERWARDS);
        drop(server);
        ground.rows_written()
    };
    Ok(ratio(rows(READS)?.saturating_sub(rows(0)?), READS))
}

/// Bytes of one session, where the contender keeps it: in its memory or in a database.
pub(crate) fn bytes(contender: &Contender, setting: &Setting) -> Result<Option<f64>, String> {
    let [in_process, in_database] = setting.effort.stored;
    if contender.keeps_in_process() {
        return bytes_in_process(contender, setting, in_process).map(Some);
    }
    if !matches!(contender.backing, Backing::Redis | Backing::Postgres) {
        return Ok(None);
    }
    let ground = setting.bed.lay(contender.backing, Between::Nothing);
    let server = setting.start(contender, &ground.url)?;
    sign_in(&server, in_database)?;
    drop(server);
    let bytes = ground.bytes()?;
    Ok(bytes.map(|bytes| ratio(bytes, in_database)))
}

fn bytes_in_process(
    contender: &Contender,
    setting: &Setting,
    sessions: usize,
) -> Result<f64, String> {
    let server = setting.start(contender, "")?;
    sign_in(&server, SESSIONS)?;
    let memory = || {
        if contender.program == Program::Express {
            collect(&server)?;
        }
        server.memory()
    };
    let before = memory()?;
    sign_in(&server, sessions)?;
    Ok(ratio(memory()?.saturating_sub(before), sessions))
}

/// Signs in as many new visitors, who do not come again.
fn sign_in(server: &crate::server::Server, visitors: usize) -> Result<(), String> {
    let mut crowd = Crowd::gather(server.at, CONNECTIONS, visitors, true)?;
    crowd.send_all(Route::Login)
}

/// Has Node collect what is no longer in use.
fn collect(server: &crate::server::Server) -> Result<(), String> {
    crate::ask::get(server.at, "/collect").map(drop)
}

/// The hits of the near cache, in percent of all reads: each session is read so often, then a tenth of
/// them is changed, five times over. What the cold cache misses at first is not in it.
pub(crate) fn hits(contender: &Contender, setting: &Setting, reads: usize) -> Result<f64, String> {
    let ground = setting.bed.lay(contender.backing, Between::Nothing);
    let server = setting.start(contender, &ground.url)?;
    let mut crowd = Crowd::gather(server.at, CONNECTIONS, SESSIONS, true)?;
    crowd.send_all(Route::Login)?;
    // The subscription to Redis begins with the first read.
    crowd.send_all(Route::Me)?;
    thread::sleep(Duration::from_millis(500));
    crowd.send_all(Route::Me)?;
    let before = counters(&server)?;
    for time in 0..CHANGES {
        crowd.send_some(Route::Bump, time)?;
        for _ in 0..reads {
            crowd.send_all(Route::Me)?;
        }
    }
    let after = counters(&server)?;
    let (hits, misses) = (after.0 - before.0, after.1 - before.1);
    Ok(100.0 * ratio(hits, 1) / ratio(hits + misses, 1))
}

fn counters(server: &crate::server::Server) -> Result<(u64, u64), String> {
    let text = crate::ask::get(server.at, "/hits")?;
    let numbers = text.split_once(' ');
    let numbers =
        numbers.and_then(|(hits, misses)| Some((hits.parse().ok()?, misses.parse().ok()?)));
    numbers.ok_or_else(|| format!("not two counters: {text:?}"))
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn ratio(of: u64, by: usize) -> f64 {
    of as f64 / by as f64
}
