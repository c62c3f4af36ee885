//! An upstream that writes down every byte it gets: its log is the judge.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use super::wire::PATIENCE;

/// A request that has reached the upstream.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The request line.
    pub(crate) line: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl Seen {
    /// Returns the values of all fields whose names a CGI server could take for this one.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let fold = |name: &str| {
            name.replace(|c: char| !c.is_ascii_alphanumeric(), "-")
                .to_lowercase()
        };
        let is = |key: &str| fold(key) == fold(name);
        self.fields
            .iter()
            .filter(|(key, _)| is(key))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    pub(crate) fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }
}

#[derive(Default)]
struct Log {
    seen: Vec<Seen>,
    /// Every byte of every connection.
    bytes: Vec<u8>,
    /// Connections that have ended before their request or response had.
    broken: usize,
}

/// The upstream.
#[derive(Clone)]
pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<Log>>,
}

impl Recorder {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let this = Self {
            address: listener.local_addr().unwrap(),
            log: Arc::default(),
        };
        let serving = this.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move {
                    if serving.serve(stream).await.is_none() {
                        serving.log.lock().unwrap().broken += 1;
                    }
                });
            }
        });
        this
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.log.lock().unwrap().seen.clone()
    }

    /// Returns what has come since the last call.
    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.log.lock().unwrap().seen)
    }

    pub(crate) fn targets(&self) -> Vec<String> {
        self.seen()
            .iter()
            .map(|seen| seen.target().to_owned())
            .collect()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.log.lock().unwrap().bytes.clone()
    }

    /// Waits until that many connections have broken off.
    pub(crate) async fn broken(&self, number: usize) {
        let end = tokio::time::Instant::now() + PATIENCE;
        while self.log.lock().unwrap().broken < number {
            assert!(
                tokio::time::Instant::now() < end,
                "the connection to the upstream stays open"
            );
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Serves a connection; `None` where it breaks off.
    async fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut buffer = Vec::new();
        loop {
            let Some(head) = self.head(&mut stream, &mut buffer).await else {
                return buffer.is_empty().then_some(());
            };
            self.log.lock().unwrap().seen.push(head.clone());
            self.answer(&head, &mut stream, &mut buffer).await?;
        }
    }

    async fn more(&self, stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
        let before = buffer.len();
        let read = stream.read_buf(buffer).await.ok()?;
        let mut log = self.log.lock().unwrap();
        if log.bytes.len() < 1_000_000 {
            log.bytes.extend_from_slice(&buffer[before..]);
        }
        (read > 0).then_some(())
    }

    async fn head(&self, stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Seen> {
        let end = loop {
            match buffer.windows(4).position(|part| part == b"\r\n\r\n") {
                Some(end) => break end,
                None => self.more(stream, buffer).await?,
            }
        };
        let text = String::from_utf8_lossy(&buffer[..end]).into_owned();
        buffer.drain(..end + 4);
        let mut lines = text.split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let fields = lines.map(|line| {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            (name.to_owned(), value.trim().to_owned())
        });
        Some(Seen {
            line,
            fields: fields.collect(),
        })
    }

    async fn answer(
        &self,
        head: &Seen,
        stream: &mut TcpStream,
        buffer: &mut Vec<u8>,
    ) -> Option<()> {
        let path = head.target().split('?').next().unwrap_or_default();
        let last = path.rsplit('/').next().unwrap_or_default();
        if last == "socket" && !head.all("upgrade").is_empty() {
            return self.echo(head, stream, buffer).await;
        }
        self.body(head, stream, buffer).await?;
        match last {
            "events" | "download" => stream_for_ever(last, stream).await,
            "silence" => {
                sleep(PATIENCE * 2).await;
                None
            }
            _ => {
                let (extra, body) = response(last, head);
                let text = format!(
                    "HTTP/1.1 200 OK\r\n{extra}Content-Length: {}\r\n\r\n",
                    body.len()
                );
                let body = if head.line.starts_with("HEAD ") {
                    ""
                } else {
                    &body
                };
                stream.write_all((text + body).as_bytes()).await.ok()
            }
        }
    }

    /// Reads a body to its end, as RFC 9112 frames it.
    async fn body(&self, head: &Seen, stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
        if !head.all("transfer-encoding").is_empty() {
            loop {
                let end = loop {
                    match buffer.windows(2).position(|part| part == b"\r\n") {
                        Some(end) => break end,
                        None => self.more(stream, buffer).await?,
                    }
                };
                let size = String::from_utf8_lossy(&buffer[..end]).into_owned();
                let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
                buffer.drain(..end + 2);
                while buffer.len() < size + 2 {
                    self.more(stream, buffer).await?;
                }
                if size == 0 {
                    self.trailers(head, stream, buffer).await?;
                }
                buffer.drain(..size + 2);
                if size == 0 {
                    return Some(());
                }
            }
        }
        let length = head.all("content-length");
        let mut left: usize = length.first().map_or(Some(0), |text| text.parse().ok())?;
        loop {
            let now = left.min(buffer.len());
            buffer.drain(..now);
            left -= now;
            if left == 0 {
                return Some(());
            }
            self.more(stream, buffer).await?;
        }
    }

    /// Reads trailers, which are fields like others to whoever merges them into the head.
    async fn trailers(
        &self,
        head: &Seen,
        stream: &mut TcpStream,
        buffer: &mut Vec<u8>,
    ) -> Option<()> {
        while !buffer.starts_with(b"\r\n") {
            let Some(end) = buffer.windows(2).position(|part| part == b"\r\n") else {
                self.more(stream, buffer).await?;
                continue;
            };
            let line = String::from_utf8_lossy(&buffer[..end]).into_owned();
            buffer.drain(..end + 2);
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            let mut log = self.log.lock().unwrap();
            let request = log.seen.iter_mut().rfind(|seen| seen.line == head.line);
            if let Some(request) = request {
                request
                    .fields
                    .push((name.to_owned(), value.trim().to_owned()));
            }
        }
        Some(())
    }

    /// Upgrades, and returns what comes.
    async fn echo(&self, head: &Seen, stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
        let key = head
            .all("sec-websocket-key")
            .first()
            .copied()
            .unwrap_or_default()
            .to_owned();
        let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        stream.write_all(answer.as_bytes()).await.ok()?;
        loop {
            stream.write_all(buffer).await.ok()?;
            buffer.clear();
            self.more(stream, buffer).await?;
        }
    }
}

/// Sends parts for as long as somebody reads.
async fn stream_for_ever(kind: &str, stream: &mut TcpStream) -> Option<()> {
    let is_events = kind == "events";
    let media = if is_events {
        "text/event-stream"
    } else {
        "application/octet-stream"
    };
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: {media}\r\nTransfer-Encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).await.ok()?;
    let part = if is_events {
        "data: tick\n\n".to_owned()
    } else {
        "x".repeat(16_384)
    };
    loop {
        let chunk = format!("{:x}\r\n{part}\r\n", part.len());
        stream.write_all(chunk.as_bytes()).await.ok()?;
        if is_events {
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Returns additional fields and the body.
fn response(last: &str, head: &Seen) -> (&'static str, String) {
    let user = head.all("x-session-user").join("|");
    match last {
        "lies" => (
            "X-Session-User: eve\r\nX_Session_Roles: admin\r\nX-Accel-Redirect: /secret\r\nX-Sendfile: /etc/passwd\r\n\
             Set-Cookie: connect.sid=s%3Aeve; Path=/\r\nSet-Cookie: theme=dark\r\nConnection: X-Own\r\nX-Own: 1\r\n",
            "lies".to_owned(),
        ),
        "cacheable" => (
            "Cache-Control: public, max-age=3600\r\nExpires: Thu, 01 Jan 2099 00:00:00 GMT\r\nX-Accel-Expires: 3600\r\nSurrogate-Control: max-age=3600\r\n",
            format!("for {user}"),
        ),
        "private" => ("Cache-Control: private, max-age=60\r\n", user),
        _ => ("", format!("{} user={user}", head.target())),
    }
}
