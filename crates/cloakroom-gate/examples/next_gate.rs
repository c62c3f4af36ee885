//! A gate before a Next.js application, with a login of its own: clients that are not signed in never reach Next, and
//! it never has to check. `interop/fronts/next.test.mjs` builds, starts and guards one.
//!
//! ```sh
//! SESSION_SECRET="$(openssl rand -base64 48)" cargo run --release -p cloakroom-gate --example next_gate \
//!     --features cloakroom/redis -- --addr 127.0.0.1:8080 --upstream http://127.0.0.1:3000
//! ```
//!
//! Next has to listen where the gate alone reaches it (`next start -H 127.0.0.1`): it trusts `X-Session-User`
//! from any sender. Where an application has a login already, `cloakroom gate` is all of this.

use std::error::Error;
use std::io::Write as _;

use axum::Router;
use clap::Parser;
use cloakroom::web::Csrf;
use cloakroom::{Manager, SessionLayer};
use cloakroom_gate::{Gate, GateOptions, Keys, Rotation, Rules, Upstream};

#[path = "../../cloakroom/examples/fronts/accounts.rs"]
mod accounts;
#[path = "../../cloakroom/examples/fronts/connections.rs"]
mod connections;
#[path = "../../cloakroom/examples/fronts/login.rs"]
mod login;
#[path = "../../cloakroom/examples/fronts/page.rs"]
mod page;
#[path = "../../cloakroom/examples/fronts/serve.rs"]
mod serve;

/// The public paths: the login, and the files that a build of Next names by their content. `/_next/data/` and
/// `/_next/image` are not among them: the one is rendered, the other fetches the URL in its query.
const RULES: &str = r#"
login = "/login"

[[route]]
path = "/login"
public = true
methods = ["GET", "POST"]
cookie = "pass"

[[route]]
path = "/_next/static/{*rest}"
public = true

[[route]]
path = "/favicon.ico"
public = true

[[route]]
path = "/robots.txt"
public = true
"#;

/// Passes requests of users who are signed in to a Next.js application.
#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    serve: serve::Options,
    /// The address of Next: `http://127.0.0.1:3000`.
    #[arg(long, value_parser = Upstream::parse)]
    upstream: Upstream,
}

#[tokio::main]
async fn main() {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(std::io::stderr)
        .init();
    if let Err(error) = run(Flags::parse()).await {
        let _ = writeln!(std::io::stderr(), "next_gate: {error}");
        std::process::exit(1);
    }
}

async fn run(flags: Flags) -> Result<(), Box<dyn Error>> {
    let manager = flags.serve.manager().await?;
    let (rules, keys) = (
        Rules::parse(RULES)?,
        Keys::of_this_process(Rotation::default())?,
    );
    let gate = Gate::new(manager.clone(), rules, keys, GateOptions::default());
    flags
        .serve
        .serve(app(manager, &gate, &flags.upstream))
        .await
}

/// The login is the example's own; all else is the gate's.
fn app(manager: Manager, gate: &Gate, upstream: &Upstream) -> Router {
    login::routes("Next, behind the gate")
        .layer(Csrf::new())
        .layer(SessionLayer::new(manager))
        .fallback_service(gate.proxy(upstream))
}
