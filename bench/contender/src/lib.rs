//! The parts that all servers share: the listener, and the data that a login puts into a session.
//!
//! Each contender is a program of its own, `PROGRAM KIND [URL]`, that serves the same routes on one
//! thread. The driver waits for the line with its address.

use std::fmt::Display;
use std::io::Write as _;

use axum::Router;
use axum::http::StatusCode;
use serde_json::{Value, json};

/// 64 bytes, for those who sign.
pub const SECRET: &str = "the secret of all contenders, which is 64 bytes long and no less";

/// Idle time-out of a session, in minutes, where the contender's own default is a cookie that ends with
/// the browser.
pub const IDLE_MINUTES: i64 = 30;

/// Returns the data that a login stores beside `userId` and `n`: with it a record has about 300 bytes.
pub fn profile() -> Value {
    json!({
        "name": "Ada Lovelace",
        "email": "ada@example.com",
        "theme": "dark",
        "locale": "en-GB",
        "cart": { "wool-scarf": 2, "felt-hat": 1 },
        "flash": [],
        "seen": "2026-01-02T03:04:05.678Z",
    })
}

/// The command line of a server: `KIND [URL]`.
#[derive(Debug)]
pub struct Start {
    /// The kind of store.
    pub kind: String,
    /// The store's address, where it has one.
    pub url: String,
}

impl Start {
    /// Reads the command line.
    pub fn read() -> Self {
        let mut words = std::env::args().skip(1);
        let mut word = || words.next().unwrap_or_default();
        Self {
            kind: word(),
            url: word(),
        }
    }
}

/// Answers 500: the one that drives the server takes any of these for a failure.
pub fn failed(error: impl Display) -> (StatusCode, String) {
    (StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

/// Says where the server listens.
///
/// # Panics
///
/// If standard output is closed.
pub fn announce(at: impl Display) {
    say(format_args!("listening on http://{at}"));
}

/// Prints a line for the one that started the program.
///
/// # Panics
///
/// If standard output is closed.
pub fn say(line: impl Display) {
    let mut out = std::io::stdout();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .expect("somebody listens");
}

/// Serves on one thread until it is killed, at a free port.
///
/// # Panics
///
/// If the system gives no runtime or no port.
pub fn serve(make: impl AsyncFnOnce(Start) -> Router) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let router = make(Start::read()).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        announce(listener.local_addr().expect("an address"));
        axum::serve(listener, router).await.expect("to be killed");
    });
}
