//! Listening, serving, and ending in order.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;

use crate::connections;
use crate::problem::Problem;

/// Time that requests under way may take after the signal to end.
const GRACE: Duration = Duration::from_secs(5);
/// The exit code of a process that Ctrl-C ended, as shells count: 128 and the signal's number.
const INTERRUPTED: i32 = 130;

/// Takes the address.
pub(crate) async fn listen(addr: SocketAddr) -> Result<TcpListener, Problem> {
    TcpListener::bind(addr).await.map_err(|error| {
        Problem::failed(match error.kind() {
            io::ErrorKind::AddrInUse => format!(
                "{addr} is taken by another program: choose another with --addr, port 0 for any"
            ),
            io::ErrorKind::PermissionDenied => format!(
                "{addr} may not be listened on ({error}): choose a port above 1023 with --addr"
            ),
            _ => format!("{addr} cannot be listened on ({error}): choose another with --addr"),
        })
    })
}

/// Serves until SIGTERM or Ctrl-C, then carries `last` out, and lets the requests under way finish.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    last: impl Future<Output = ()>,
) -> Result<(), Problem> {
    let failed = |error| Problem::failed(format!("the server failed: {error}"));
    let (mut first, mut all) = (
        Signals::new().map_err(failed)?,
        Signals::new().map_err(failed)?,
    );
    let ended = async {
        first.next().await;
        last.await;
    };
    let serving = connections::serve(listener, router, ended);
    tokio::select! {
        () = serving => {}
        () = patience_ends(&mut all) => {}
    }
    Ok(())
}

/// Waits until the grace is over; a second signal ends the process at once.
async fn patience_ends(signals: &mut Signals) {
    signals.next().await;
    tokio::select! {
        () = tokio::time::sleep(GRACE) => {
            tracing::warn!("some requests took too long and were cut off");
        }
        () = signals.next() => std::process::exit(INTERRUPTED),
    }
}

/// The signals with which the operating system ends a process.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// The signals with which the operating system ends a process.
#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn new() -> io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn next(&mut self) {
        self.0.recv().await;
    }
}
