//! The common parts of the examples: their flags, their sessions, their start and their end.

use std::error::Error;
use std::io::Write as _;
use std::net::SocketAddr;

use axum::Router;
use cloakroom::store::{AnyStore, StoreOptions};
use cloakroom::{Clock, KeyRing, Manager, Policy, Secure};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::{accounts, connections};

/// The address to listen on, the store, and the secrets of the cookies.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[arg(long, default_value = "127.0.0.1:0")]
    addr: SocketAddr,
    #[arg(long, default_value = "redis://127.0.0.1:6379")]
    store: String,
    /// At least 32 bytes; several by comma, the first signs, those after it only verify.
    ///
    /// Better by the environment's `SESSION_SECRET`: other users of the machine can see flags.
    #[arg(
        long = "secret",
        env = "SESSION_SECRET",
        required = true,
        hide_env_values = true
    )]
    secrets: Vec<String>,
}

impl Options {
    /// Returns the sessions of every process with these flags: another process of the example, or Express.
    pub(crate) async fn manager(&self) -> Result<Manager, Box<dyn Error>> {
        let mut options = StoreOptions::default();
        options.mixed_fleet = true;
        let store = AnyStore::connect_with(&self.store, &options).await?;
        // `Auto`, so that the examples run without TLS.
        let policy =
            Policy::builder(KeyRing::from_text(&self.secrets.join("\n"))?).secure(Secure::Auto);
        Ok(Manager::with_clock(
            policy.build()?,
            store.into(),
            Clock::System,
        ))
    }

    /// Serves until SIGTERM or SIGINT, then completes the requests under way, and ends.
    pub(crate) async fn serve(&self, app: Router) -> Result<(), Box<dyn Error>> {
        let listener = TcpListener::bind(self.addr).await?;
        let addr = listener.local_addr()?;
        writeln!(std::io::stderr(), "{}", accounts::lines())?;
        writeln!(std::io::stdout(), "listening on http://{addr}")?;
        connections::serve(listener, app, ended()).await;
        Ok(())
    }
}

async fn ended() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
