//! A running site: the application, the framework that serves it, and its address.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::app::App;
use super::browser::Browser;
use super::{on_actix, on_axum};
use crate::support::servers::connect;

#[derive(Clone, Copy, Debug)]
pub(super) enum Framework {
    Axum,
    Actix,
}

/// A server, until this is dropped.
pub(super) struct Running {
    address: SocketAddr,
    stop: Option<Box<dyn FnOnce() + Send + Sync>>,
}

impl Running {
    pub(super) fn new(address: SocketAddr, stop: impl FnOnce() + Send + Sync + 'static) -> Self {
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

pub(super) struct Site {
    pub(super) app: Arc<App>,
    running: Running,
}

impl Site {
    pub(super) async fn open(framework: Framework, store: &str) -> Self {
        let app = Arc::new(App::new(connect(store).await));
        let running = match framework {
            Framework::Axum => on_axum::serve(Arc::clone(&app)).await,
            Framework::Actix => on_actix::serve(Arc::clone(&app)).await,
        };
        Self { app, running }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.running.address
    }

    /// Makes good what a scenario that failed may have left.
    pub(super) fn restore(&self) {
        self.app.store.work();
    }

    /// Somebody new with a browser of their own.
    pub(super) fn browser(&self) -> Browser {
        Browser::new(self.address(), None)
    }

    /// Somebody new who comes through the proxy that the policy trusts.
    pub(super) fn browser_behind_proxy(&self) -> Browser {
        Browser::new(self.address(), Some(super::app::PROXY.parse().unwrap()))
    }

    /// A user whom no other scenario, run or store knows.
    pub(super) fn user(&self, name: &str) -> String {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        format!("{name}-{}-{number}", self.address().port())
    }

    /// How many sessions a user has.
    pub(super) async fn sessions_of(&self, user: &str) -> usize {
        self.app.manager.sessions_of(user).await.unwrap().len()
    }
}
