//! The operator's word that the target serves: Enter, or SIGUSR1.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use tokio::sync::watch;

use crate::problem::Problem;

/// Listens for the cut-over, from the start on: a signal that comes too early must not end the command.
pub(super) struct Cutover {
    asked: watch::Receiver<bool>,
    asking: watch::Sender<bool>,
}

impl Cutover {
    /// Starts to listen.
    pub(super) fn listen() -> Result<Self, Problem> {
        let (asking, asked) = watch::channel(false);
        listen_for_signal(asking.clone())?;
        if io::stdin().is_terminal() {
            listen_for_enter(asking.clone());
        }
        Ok(Self { asked, asking })
    }

    /// Forgets what was asked for before it was time; `true` if it was.
    pub(super) fn forget(&mut self) -> bool {
        self.asking.send_replace(false)
    }

    /// Returns `true` if it was asked for.
    pub(super) fn is_asked(&self) -> bool {
        *self.asked.borrow()
    }

    /// Waits so long, or until it is asked for.
    pub(super) async fn wait(&mut self, pause: Duration) {
        let asked = self.asked.wait_for(|asked| *asked);
        let _ = tokio::time::timeout(pause, asked).await;
    }
}

#[cfg(unix)]
fn listen_for_signal(asking: watch::Sender<bool>) -> Result<(), Problem> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut signals = signal(SignalKind::user_defined1())
        .map_err(|error| Problem::failed(format!("SIGUSR1 cannot be listened for: {error}")))?;
    tokio::spawn(async move {
        while signals.recv().await.is_some() {
            asking.send_replace(true);
        }
    });
    Ok(())
}

#[cfg(not(unix))]
#[expect(
    clippy::unnecessary_wraps,
    reason = "where there are signals it can fail"
)]
fn listen_for_signal(_: watch::Sender<bool>) -> Result<(), Problem> {
    Ok(())
}

/// A thread of its own: nothing waits for it when the command ends.
fn listen_for_enter(asking: watch::Sender<bool>) {
    std::thread::spawn(move || {
        let mut line = String::new();
        while io::stdin().read_line(&mut line).is_ok_and(|read| read > 0) {
            asking.send_replace(true);
        }
    });
}
