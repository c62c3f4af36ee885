//! What all servers share: how they listen, and what a session holds.

use std::io::Write as _;

use axum::Router;
use serde_json::{Value, json};

/// 32 bytes and more, for those who sign.
pub const SECRET: &str = "the secret of all contenders, which is 64 bytes long and no less";

/// What a login puts into a session beside the user: with it a record has about 300 bytes.
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

/// Serves on one thread until it is killed, at a free port, which it prints.
pub fn serve(make: impl AsyncFnOnce(Option<String>) -> Router) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let router = make(std::env::args().nth(1)).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let at = listener.local_addr().expect("an address");
        println!("listening on http://{at}");
        std::io::stdout().flush().expect("somebody listens");
        axum::serve(listener, router).await.expect("to be killed");
    });
}
