//! A running site: the application, the framework that serves it, and its address.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use testbed::browser::Wire;

use super::app::App;
use super::browser::Browser;
use super::{on_actix, on_axum};
use crate::support::servers::connect;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Framework {
    Axum,
    Actix,
}

/// A server, until this is dropped.
pub(crate) struct Running {
    address: SocketAddr,
    stop: Option<Box<dyn FnOnce() + Send + Sync>>,
}

impl Running {
    pub(crate) fn new(address: SocketAddr, stop: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self {
            address,
            stop: Some(Box::new(stop)),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop();
        }
    }
}

pub(crate) struct Site {
    pub(crate) app: Arc<App>,
    running: Running,
}

impl Site {
    pub(crate) async fn open(framework: Framework, store: &str) -> Self {
        Self::serve(framework, App::new(connect(store).await)).await
    }

    /// An application of the test's own making.
    pub(crate) async fn serve(framework: Framework, app: App) -> Self {
        let app = Arc::new(app);
        let running = match framework {
            Framework::Axum => on_axum::serve(Arc::clone(&app)).await,
            Framework::Actix => on_actix::serve(Arc::clone(&app)).await,
        };
        Self { app, running }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.running.address
    }

    /// Makes good what a scenario that failed may have left.
    pub(crate) fn restore(&self) {
        self.app.store.work();
    }

    /// Somebody new with a browser of their own.
    pub(super) fn browser(&self) -> Browser {
        Browser::new(self.address(), None, &self.app.clock)
    }

    /// Somebody new who comes through the proxy that the policy trusts.
    pub(super) fn browser_behind_proxy(&self) -> Browser {
        let from = super::app::PROXY.parse().unwrap();
        Browser::new(self.address(), Some(from), &self.app.clock)
    }

    /// Somebody new whose browser has tabs, and whose answers come when the test says so.
    pub(crate) fn tabs(&self) -> testbed::browser::Browser {
        super::browser::open(self.address(), Wire::tcp(), &self.app.clock)
    }

    /// Returns a user of this scenario, run and store alone.
    pub(crate) fn user(&self, name: &str) -> String {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        format!("{name}-{}-{number}", self.address().port())
    }

    /// Returns the number of a user's sessions.
    pub(crate) async fn sessions_of(&self, user: &str) -> usize {
        self.app.manager.sessions_of(user).await.unwrap().len()
    }
}
