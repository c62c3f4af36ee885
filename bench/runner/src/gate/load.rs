//! The load: connections that stay open, busy all the time, or at a pace.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::front::Front;
use crate::answer;

/// Time to wait for one reply.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) struct Load {
    runtime: Runtime,
    connections: Vec<Connection>,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    /// The requests of its own visitors.
    requests: Vec<Vec<u8>>,
    turn: usize,
    answer: Vec<u8>,
}

impl Load {
    /// Opens connections, to which the visitors are dealt out; with more connections than visitors they share them.
    pub(crate) fn open(front: &Front, connections: usize) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("no runtime: {error}"))?;
        let all = &front.requests;
        let opening = async {
            let mut open = Vec::new();
            for own in 0..connections {
                let step = connections.min(all.len());
                let requests = all.iter().skip(own % all.len()).step_by(step);
                open.push(Connection::open(front.at, requests.cloned().collect()).await?);
            }
            Ok(open)
        };
        let connections = runtime.block_on(opening);
        let connections =
            connections.map_err(|error: std::io::Error| format!("no connection: {error}"))?;
        Ok(Self {
            runtime,
            connections,
        })
    }

    /// Sends so many requests, one after the other on each connection; returns how long it took.
    pub(crate) fn send(&mut self, requests: usize) -> Result<Duration, String> {
        let each = requests.div_ceil(self.connections.len());
        let begin = Instant::now();
        self.each(async move |connection| {
            for _ in 0..each {
                connection.ask().await?;
            }
            Ok(())
        })?;
        Ok(begin.elapsed())
    }

    /// Sends `rate` requests a second for a while, spread over the connections; returns how long each took.
    pub(crate) fn paced(&mut self, rate: usize, during: Duration) -> Result<Vec<Duration>, String> {
        let connections = self.connections.len();
        #[expect(clippy::cast_precision_loss, reason = "a thousand connections")]
        let pause = Duration::from_secs_f64(connections as f64 / rate as f64);
        let (begin, mut own) = (Instant::now(), 0_u32);
        let mut offsets = (0..connections).map(|_| {
            own += 1;
            #[expect(clippy::cast_possible_truncation, reason = "a thousand connections")]
            let offset = pause * own / connections as u32;
            offset
        });
        let taken = self.each_with(&mut offsets, async move |connection, offset| {
            let (mut times, mut at) = (Vec::new(), offset);
            while at < during {
                tokio::time::sleep_until((begin + at).into()).await;
                let sent = Instant::now();
                connection.ask().await?;
                times.push(sent.elapsed());
                at += pause;
            }
            Ok(times)
        })?;
        Ok(taken.into_iter().flatten().collect())
    }

    fn each(
        &mut self,
        act: impl AsyncFn(&mut Connection) -> Result<(), String> + Copy + 'static,
    ) -> Result<(), String> {
        let mut none = std::iter::repeat(Duration::ZERO);
        self.each_with(
            &mut none,
            async move |connection: &mut Connection, _: Duration| act(connection).await,
        )
        .map(drop)
    }

    /// Has all connections act at the same time.
    fn each_with<T: 'static>(
        &mut self,
        offsets: &mut dyn Iterator<Item = Duration>,
        act: impl AsyncFn(&mut Connection, Duration) -> Result<T, String> + Copy + 'static,
    ) -> Result<Vec<T>, String> {
        let connections = std::mem::take(&mut self.connections);
        let local = tokio::task::LocalSet::new();
        let (back, results) = local.block_on(&self.runtime, async {
            let mut acting = JoinSet::new();
            for (mut connection, offset) in connections.into_iter().zip(offsets) {
                acting.spawn_local(async move {
                    let result = act(&mut connection, offset).await;
                    (connection, result)
                });
            }
            let (mut back, mut results) = (Vec::new(), Vec::new());
            while let Some(done) = acting.join_next().await {
                let (connection, result) = done.map_err(|error| error.to_string())?;
                back.push(connection);
                results.push(result?);
            }
            Ok::<_, String>((back, results))
        })?;
        self.connections = back;
        Ok(results)
    }
}

impl Connection {
    async fn open(at: SocketAddr, requests: Vec<Vec<u8>>) -> std::io::Result<Self> {
        let stream = TcpStream::connect(at).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            requests,
            turn: 0,
            answer: Vec::new(),
        })
    }

    async fn ask(&mut self) -> Result<(), String> {
        let request = &self.requests[self.turn];
        self.turn = (self.turn + 1) % self.requests.len();
        let written = self.stream.write_all(request).await;
        written.map_err(|error| error.to_string())?;
        let heard = tokio::time::timeout(PATIENCE, self.hear()).await;
        heard.map_err(|_| format!("no answer for {PATIENCE:?}"))?
    }

    async fn hear(&mut self) -> Result<(), String> {
        self.answer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.answer).await;
            if read.map_err(|error| error.to_string())? == 0 {
                return Err("the connection was closed".to_owned());
            }
            let Some(answer) = answer::parse(&self.answer)? else {
                continue;
            };
            // The application's own answer, and nothing else.
            if answer.status != 200 || answer.body != b"plain" || answer.length != self.answer.len()
            {
                let said = String::from_utf8_lossy(&self.answer);
                return Err(format!("a wrong answer: {said:?}"));
            }
            return Ok(());
        }
    }
}
