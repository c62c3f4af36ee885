//! The operators' console mounted in an application with a login: editors look, admins whose login is fresh end
//! sessions. `interop/fronts/admin.test.mjs` runs several processes of it on one Redis.
//!
//! ```sh
//! SESSION_SECRET="$(openssl rand -base64 48)" cargo run --release -p cloakroom-console --example admin -- \
//!     --store memory: --addr 127.0.0.1:8080
//! ```

use std::error::Error;
use std::io::Write as _;
use std::time::Duration;

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use clap::Parser;
use cloakroom::auth::Require;
use cloakroom::web::{Csrf, Guard};
use cloakroom::{Manager, SessionLayer};
use cloakroom_console::{Console, SessionRoles};

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

/// An admin panel over the sessions in a store.
#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    serve: serve::Options,
    /// The maximum age of the login of a user who ends sessions, in seconds.
    #[arg(long, default_value_t = 300)]
    fresh_secs: u64,
}

#[tokio::main]
async fn main() {
    if let Err(error) = run(Flags::parse()).await {
        let _ = writeln!(std::io::stderr(), "admin: {error}");
        std::process::exit(1);
    }
}

async fn run(flags: Flags) -> Result<(), Box<dyn Error>> {
    let manager = flags.serve.manager().await?;
    let fresh = Duration::from_secs(flags.fresh_secs);
    flags.serve.serve(app(manager, fresh)).await
}

/// The guard leads to the login whoever is signed out; what an operator may do, the console asks itself.
fn app(manager: Manager, fresh: Duration) -> Router {
    let staff = Require::any_role(["admin", "editor"]);
    let operators = SessionRoles::new(staff.clone()).end(Require::role("admin").fresh(fresh));
    let console = Console::of(&manager, operators).at("/console").build();
    Router::new()
        .nest("/console", cloakroom_console::router(console))
        .route_layer(Guard::new(staff).login_at("/login"))
        .route("/", get(async || Redirect::to("/console")))
        .merge(login::routes("Cloakroom admin").layer(Csrf::new()))
        .layer(SessionLayer::new(manager))
}
