//! Attempts to get past the gate, each through every proxy and through proxy mode: whatever the client was
//! answered, the upstream's own log is judged by one rule.

mod caches;
mod fields;
mod framing;
mod methods;
mod paths;
mod streams;

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::http2;
use crate::place::Place;
use crate::running::{Proxy, Running};
use crate::upstream::{Recorder, Seen};
use crate::wire::{Answer, PATIENCE, head, raw};

use Must::{Arrive, Harmless, Stay};

/// Time without a byte after which an answer is taken to be over: a proxy may wait for the rest of a request. What
/// comes later is judged all the same, with the attempts after it.
const SILENCE: Duration = Duration::from_secs(1);
/// The value that a client writes into every field that is not a client's.
const EVE: &str = "eve";

/// A way to the application.
struct Door {
    name: String,
    address: SocketAddr,
    http2: Option<SocketAddr>,
    /// The application behind this door alone.
    upstream: Recorder,
    _running: Option<Running>,
}

/// One gate before one application, with a door for each proxy, and its own.
struct Site {
    _place: Place,
    doors: Vec<Door>,
    linus: String,
    ada: String,
}

/// The outcome that an attempt must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Must {
    /// Nothing reaches the application, and the client is told no 1xx, 2xx or 3xx of it.
    Stay,
    /// A request that reaches the application is one that this client may send.
    Harmless,
    /// It reaches the application by every door, as what this client may send.
    Arrive,
}

impl Door {
    async fn get(&self, target: &str, fields: &[(&str, &str)]) -> Answer {
        let text = head("GET", target, self.address, fields);
        Answer::of(&raw(self.address, text.as_bytes()).await)
    }
}

impl Site {
    async fn open() -> Self {
        Self::with(|_| "").await
    }

    /// Opens every door, with more lines for each proxy.
    async fn with(more: fn(Proxy) -> &'static str) -> Self {
        let place = Place::open().await;
        let mut doors = vec![Door {
            name: "proxy mode".to_owned(),
            address: place.proxy,
            http2: None,
            upstream: place.upstream.clone(),
            _running: None,
        }];
        for proxy in Proxy::ALL {
            let upstream = Recorder::start().await;
            let running = proxy.before(&place, upstream.address, more(proxy)).await;
            doors.push(Door {
                name: format!("{proxy:?}"),
                address: running.address,
                http2: Some(running.http2),
                upstream,
                _running: Some(running),
            });
        }
        let (linus, ada) = (
            place.user("linus", &["staff"]).await,
            place.user("ada", &["admin"]).await,
        );
        Self {
            _place: place,
            doors,
            linus,
            ada,
        }
    }

    /// Writes the names that an attempt has placeholders for.
    fn filled(&self, text: &str, door: &Door) -> String {
        text.replace("{HOST}", &door.address.to_string())
            .replace("{LINUS}", &self.linus)
            .replace("{ADA}", &self.ada)
    }

    /// Returns the user whose cookie an attempt shows.
    fn user(&self, text: &str) -> &'static str {
        match (text.contains(&self.linus), text.contains(&self.ada)) {
            (true, _) => "linus",
            (false, true) => "ada",
            (false, false) => "",
        }
    }

    /// Makes attempts by one door, one after the other; returns what is wrong with their outcomes.
    async fn by(&self, door: &Door, attempts: &[(String, Must)]) -> Vec<String> {
        let mut faults = Vec::new();
        for (text, must) in attempts {
            let text = self.filled(text, door);
            let answer = Answer::of(&exchanged(door.address, text.as_bytes(), *must).await);
            faults.extend(self.judged(door, &text, answer.status, *must));
        }
        faults
    }

    fn judged(&self, door: &Door, text: &str, status: u16, must: Must) -> Option<String> {
        let seen = door.upstream.take();
        let why = seen.iter().find_map(|one| fault(one, self.user(text)));
        let why = why.or(match must {
            Stay if !seen.is_empty() => Some("it reached the application"),
            Stay if (200..300).contains(&status) => Some("it was answered"),
            Arrive if seen.is_empty() => Some("it did not arrive"),
            _ => None,
        })?;
        let shown: String = text.chars().take(300).collect();
        Some(format!(
            "{}: {why}: {status} {shown:?}\n    {seen:?}",
            door.name
        ))
    }

    /// Makes one attempt over HTTP/2 by all doors that speak it.
    async fn over_http2(
        &self,
        fields: &[(&str, String)],
        body: &[http2::Body<'_>],
        must: Must,
    ) -> Vec<String> {
        let mut faults = Vec::new();
        for door in &self.doors {
            let Some(to) = door.http2 else { continue };
            let filled = |text: &str| {
                self.filled(text, door)
                    .replace(&door.address.to_string(), &to.to_string())
            };
            let fields = fields.iter().map(|(name, value)| (*name, filled(value)));
            let fields: Vec<(&str, String)> = fields.collect();
            let patience = if must == Arrive { PATIENCE } else { SILENCE };
            let status = http2::ask(to, &fields, body, patience).await;
            let trailers = body.iter().map(|body| body.trailers);
            let text = format!("{fields:?} {:?}", trailers.collect::<Vec<_>>());
            faults.extend(self.judged(door, &text, status, must));
        }
        faults
    }

    /// Makes all attempts by all doors.
    async fn resists(&self, attempts: &[(String, Must)]) {
        let by_door = self.doors.iter().map(|door| self.by(door, attempts));
        held(&join_all(by_door).await.concat());
    }
}

fn held(faults: &[String]) {
    assert!(
        faults.is_empty(),
        "{} of them:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

/// The one rule: returns what is wrong with a request that has reached the application.
fn fault(seen: &Seen, user: &str) -> Option<&'static str> {
    let parts: Vec<&str> = seen.line.split(' ').collect();
    let [method, target, _] = parts[..] else {
        return Some("its first line has other than three parts");
    };
    if seen
        .fields
        .iter()
        .any(|(name, value)| name.contains(EVE) || value.contains(EVE))
    {
        return Some("a field of the client's survives");
    }
    let path = target.split('?').next().unwrap_or_default();
    let is_plain = path.starts_with('/')
        && !path.contains("//")
        && !path.contains("..")
        && path
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"/-_.&".contains(&b));
    let told = [
        seen.all("x-session-user"),
        seen.all("x-session-jwt"),
        seen.all("x-session-roles"),
    ];
    let is_told = !told[0].concat().is_empty();
    let passes_cookie = path.starts_with("/shared/") || path == "/login";
    let is_public = path.starts_with("/public/") && matches!(method, "GET" | "HEAD");
    if told.iter().any(|values| values.len() > 1) {
        return Some("a field of the identity is there twice");
    }
    if !is_plain {
        return Some("its path has more than one reading");
    }
    if is_told && (told[0] != [user] || told[1].concat().split('.').count() != 3) {
        return Some("it has another user's name, or no token");
    }
    if !is_told && !(told[1].concat() + &told[2].concat()).is_empty() {
        return Some("it has a token or roles, and no user");
    }
    if !is_told && !is_public && path != "/login" {
        return Some("nobody is signed in");
    }
    if (path == "/admin" || path.starts_with("/admin/")) && user != "ada" {
        return Some("this user has not the role");
    }
    if seen.all("cookie").concat().contains("connect.sid=") && !passes_cookie {
        return Some("the application gets the session's cookie");
    }
    let is = |name: &str, value: &str| seen.all(name).iter().all(|told| *told == value);
    if !is("x-forwarded-for", "127.0.0.1") || !is("x-forwarded-proto", "http") {
        return Some("the client has written where it comes from");
    }
    (!is(
        "x-forwarded-host",
        seen.all("host").first().copied().unwrap_or_default(),
    ))
    .then_some("two hosts are named")
}

/// Sends bytes, and returns what comes back until the other side closes or says no more.
async fn exchanged(to: SocketAddr, bytes: &[u8], must: Must) -> String {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let first = if must == Arrive { PATIENCE } else { SILENCE };
    if let Ok(Ok(1..)) = timeout(first, stream.read_buf(&mut answer)).await {
        while let Ok(Ok(1..)) = timeout(SILENCE, stream.read_buf(&mut answer)).await {}
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn request(method: &str, target: &str, fields: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: {{HOST}}\r\n{fields}Connection: close\r\n\r\n")
}

/// Returns each text with what has to become of it.
fn all(texts: impl IntoIterator<Item = String>, must: Must) -> Vec<(String, Must)> {
    texts.into_iter().map(|text| (text, must)).collect()
}
