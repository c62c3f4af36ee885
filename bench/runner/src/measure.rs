//! One contender's turn: CPU time and requests per second of each route.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use crate::bed::{Bed, Between};
use crate::contenders::{self, Backing, Contender};
use crate::cores::Cores;
use crate::load::Crowd;
use crate::route::Route;
use crate::server::{Places, Server};

/// Sessions that are signed in while anything is measured.
pub(crate) const SESSIONS: usize = 512;
/// Connections that stay open.
pub(crate) const CONNECTIONS: usize = 32;
/// Number of connections before SQLite, where all writers wait for one another.
const CONNECTIONS_TO_SQLITE: usize = 8;
/// Time after the last reply whose work is counted as well.
const AFTERWARDS: Duration = Duration::from_millis(30);

/// One route in one round, with bare axum on the same core a moment before: the machine's own speed changes from
/// minute to minute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) own: Reading,
    pub(crate) beside: Reading,
}

/// The figures of some requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reading {
    /// Microseconds of CPU time per request.
    pub(crate) cpu: f64,
    /// Requests per second.
    pub(crate) rate: f64,
}

/// The number of requests and rounds: that of a full run, or of a quick one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    pub(crate) rounds: usize,
    /// Divisor of the numbers of requests.
    pub(crate) part: usize,
    /// Sessions that are stored to see how large one is, in the process and in a database.
    pub(crate) stored: [usize; 2],
}

impl Effort {
    pub(crate) const FULL: Self = Self {
        rounds: 5,
        part: 1,
        stored: [50_000, 5_000],
    };
    pub(crate) const QUICK: Self = Self {
        rounds: 2,
        part: 5,
        stored: [10_000, 2_000],
    };
}

/// The setting that every part of a run needs.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) bed: Bed,
    pub(crate) cores: Cores,
    pub(crate) places: Places,
    pub(crate) effort: Effort,
}

impl Setting {
    /// Starts a contender on a store.
    pub(crate) fn start(&self, contender: &Contender, url: &str) -> Result<Server, String> {
        Server::start(contender, url, self.cores.server, &self.places)
    }
}

/// Starts it on an empty store, signs all visitors in, warms it up, and measures every route.
pub(crate) fn turn(
    contender: &Contender,
    setting: &Setting,
) -> Result<BTreeMap<Route, Sample>, String> {
    let ground = setting.bed.lay(contender.backing, Between::Nothing);
    let server = setting.start(contender, &ground.url)?;
    let connections = match contender.backing {
        Backing::Sqlite => CONNECTIONS_TO_SQLITE,
        _ => CONNECTIONS,
    };
    let mut crowd = Crowd::gather(server.at, connections, SESSIONS, contender.has_sessions())?;
    crowd.send_all(Route::Login)?;
    let (mut samples, mut beside) = (BTreeMap::new(), Beside::start(setting)?);
    let layer = Route::LAYER.into_iter();
    let layer = layer.filter(|_| contender.shows_layer());
    for route in layer.chain(Route::MEASURED) {
        let requests = contender.requests(route) / setting.effort.part;
        crowd.send(route, requests / 4)?;
        let beside = beside.read(route)?;
        let own = read(&server, &mut crowd, route, requests)?;
        samples.insert(route, Sample { own, beside });
    }
    Ok(samples)
}

/// Bare axum, which stands by.
struct Beside {
    server: Server,
    crowd: Crowd,
    requests: usize,
}

impl Beside {
    fn start(setting: &Setting) -> Result<Self, String> {
        let bare = contenders::bare();
        let server = setting.start(&bare, "")?;
        let mut crowd = Crowd::gather(server.at, CONNECTIONS, SESSIONS, bare.has_sessions())?;
        crowd.send_all(Route::Login)?;
        let requests = bare.requests(Route::Me) / setting.effort.part / 4;
        Ok(Self {
            server,
            crowd,
            requests,
        })
    }

    fn read(&mut self, route: Route) -> Result<Reading, String> {
        read(&self.server, &mut self.crowd, route, self.requests)
    }
}

fn read(
    server: &Server,
    crowd: &mut Crowd,
    route: Route,
    requests: usize,
) -> Result<Reading, String> {
    let before = server.cpu()?;
    let (sent, took) = crowd.send(route, requests)?;
    thread::sleep(AFTERWARDS);
    let cpu = server.cpu()?.since(&before);
    #[expect(clippy::cast_precision_loss, reason = "thousands of requests")]
    let sent = sent as f64;
    Ok(Reading {
        cpu: cpu.as_secs_f64() * 1e6 / sent,
        rate: sent / took.as_secs_f64(),
    })
}
