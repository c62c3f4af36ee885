//! The load: visitors on connections that stay open, one request after the other on each.

use std::mem;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::answer;
use crate::route::Route;
use crate::visitor::Visitor;

/// Time to wait for one reply.
const PATIENCE: Duration = Duration::from_secs(20);

/// Visitors, and the connections that they share.
#[derive(Debug)]
pub(crate) struct Crowd {
    runtime: Runtime,
    connections: Vec<Connection>,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    visitors: Vec<Visitor>,
    /// Index of the visitor whose turn it is.
    turn: usize,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Crowd {
    /// Visitors who have no cookie yet, dealt out to `connections`.
    pub(crate) fn gather(
        at: SocketAddr,
        connections: usize,
        visitors: usize,
        are_known: bool,
    ) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("no runtime: {error}"))?;
        let connect = async || {
            let mut all = Vec::new();
            for own in 0..connections {
                let numbers = (own..visitors).step_by(connections);
                let visitors = numbers
                    .map(|number| Visitor::new(number, are_known))
                    .collect();
                all.push(Connection::open(at, visitors).await?);
            }
            Ok(all)
        };
        let connections = runtime
            .block_on(connect())
            .map_err(|error: std::io::Error| format!("no connection: {error}"))?;
        Ok(Self {
            runtime,
            connections,
        })
    }

    /// Sends `requests` of them, or as many as make every connection send the same; says how many,
    /// and how long it took.
    pub(crate) fn send(
        &mut self,
        route: Route,
        requests: usize,
    ) -> Result<(usize, Duration), String> {
        let each = requests.div_ceil(self.connections.len());
        let connections = mem::take(&mut self.connections);
        let sent = each * connections.len();
        let begin = Instant::now();
        self.connections = self.runtime.block_on(async {
            let polling = tokio::spawn(poll_without_sleep());
            let mut sending = JoinSet::new();
            for connection in connections {
                sending.spawn(connection.send(route, each));
            }
            let mut back = Vec::new();
            while let Some(connection) = sending.join_next().await {
                back.push(connection.map_err(|error| error.to_string())??);
            }
            polling.abort();
            Ok::<_, String>(back)
        })?;
        Ok((sent, begin.elapsed()))
    }

    /// Sends one request of each visitor.
    pub(crate) fn send_all(&mut self, route: Route) -> Result<(), String> {
        let most = self.connections.iter().map(|own| own.visitors.len()).max();
        let all = most.unwrap_or(0) * self.connections.len();
        self.send(route, all).map(drop)
    }

    /// Sends one request of every tenth visitor, not the same ones each time.
    pub(crate) fn send_some(&mut self, route: Route, time: usize) -> Result<(), String> {
        self.runtime.block_on(async {
            let mut number = time;
            for connection in &mut self.connections {
                for at in 0..connection.visitors.len() {
                    number += 1;
                    if number.is_multiple_of(10) {
                        connection.ask(route, at).await?;
                    }
                }
            }
            Ok(())
        })
    }
}

/// Keeps the load's thread awake; the database, which shares its core, goes first.
///
/// Waking a sleeping client on another core would be charged to the server, whose call it is: several microseconds on a
/// virtual machine, and only to servers that are slower than the load.
async fn poll_without_sleep() {
    loop {
        std::thread::yield_now();
        tokio::task::yield_now().await;
    }
}

impl Connection {
    async fn open(at: SocketAddr, visitors: Vec<Visitor>) -> std::io::Result<Self> {
        let stream = TcpStream::connect(at).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            visitors,
            turn: 0,
            request: Vec::new(),
            answer: Vec::new(),
        })
    }

    async fn send(mut self, route: Route, requests: usize) -> Result<Self, String> {
        for _ in 0..requests {
            let at = self.turn;
            self.turn = (at + 1) % self.visitors.len();
            self.ask(route, at).await?;
        }
        Ok(self)
    }

    async fn ask(&mut self, route: Route, at: usize) -> Result<(), String> {
        self.visitors[at].ask(route, &mut self.request);
        let written = self.stream.write_all(&self.request).await;
        written.map_err(|error| format!("{}: {error}", route.title()))?;
        tokio::time::timeout(PATIENCE, self.hear(route, at))
            .await
            .map_err(|_| format!("{}: no answer for {PATIENCE:?}", route.title()))?
    }

    async fn hear(&mut self, route: Route, at: usize) -> Result<(), String> {
        self.answer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.answer).await;
            if read.map_err(|error| error.to_string())? == 0 {
                return Err(format!("{}: the connection was closed", route.title()));
            }
            let Some(answer) = answer::parse(&self.answer)? else {
                continue;
            };
            let visitor = &mut self.visitors[at];
            if answer.status != 200 || answer.length != self.answer.len() {
                let said = String::from_utf8_lossy(&self.answer);
                return Err(format!("{} answered {said:?}", route.title()));
            }
            if route.carries_cookie() {
                answer
                    .cookies
                    .iter()
                    .for_each(|cookie| visitor.take(cookie));
            }
            return visitor.hear(route, answer.body);
        }
    }
}
