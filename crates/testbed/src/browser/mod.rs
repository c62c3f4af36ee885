//! A browser for all tests of cookies: its jar drops expired cookies, its tabs share the jar, and its
//! requests and responses overtake one another.
//!
//! ```
//! # use std::{convert::Infallible, sync::Arc};
//! # use testbed::browser::{Ask, Browser, Jar, Wire};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # let router = tower::service_fn(|_| async {
//! #     let answer = http::Response::builder().header("set-cookie", "a=1; Path=/");
//! #     Ok::<_, Infallible>(answer.body(String::new()).unwrap())
//! # });
//! let browser = Browser::new("https://shop.example", Wire::service(router), Jar::new());
//! let (one, two) = (browser.tab(), browser.tab());
//! // Sent with today's cookies; the server does not have it yet.
//! let late = one.hold(Ask::page("/cart"));
//! two.form("/login", &[("user", "ada")]).await;
//! // It arrives after the login, and its answer's cookies count from `deliver` on.
//! let answer = late.arrive().deliver().await;
//! # assert!(answer.status.is_success());
//! # assert_eq!(browser.jar().value("a"), Some("1"));
//! # }
//! ```
//!
//! The jar is written here, after RFC 6265bis, because the crates that keep cookies (`cookie_store`
//! 0.22, and what is built on it) ask the machine for the time and send cookies in no order: here
//! a cookie ends by the clock that ends the sessions, and two cookies of one name have an order.
//! The field is read by `cookie`. What is left out: a list of public suffixes (a `Domain` of one
//! label is refused), the number of cookies per host, partitions, and cookies without a name.

mod ask;
// One jar for the library's own tests and for those of applications (`cloakroom::testing`).
#[path = "../../../cloakroom/src/testing/browser/context.rs"]
mod context;
#[path = "../../../cloakroom/src/testing/browser/cookie.rs"]
mod cookie;
mod flight;
#[path = "../../../cloakroom/src/testing/browser/jar.rs"]
mod jar;
mod wire;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Method;
use url::Url;

pub use ask::{Ask, ELSEWHERE};
pub use context::{Context, Initiator};
pub use cookie::{Cookie, Rejected, SameSite, default_path, domain_match, path_match};
pub use flight::{Answer, Flight, Held};
pub use jar::Jar;
pub use wire::{Exchange, Lost, Reply, Wire};

/// A browser that is open at one site.
#[derive(Clone, Debug)]
pub struct Browser {
    jar: Arc<Mutex<Jar>>,
    wire: Wire,
    origin: Url,
}

impl Browser {
    /// Opens a browser at an origin, `https://shop.example`.
    ///
    /// # Panics
    ///
    /// If `origin` is no URL.
    pub fn new(origin: &str, wire: Wire, jar: Jar) -> Self {
        Self {
            jar: Arc::new(Mutex::new(jar)),
            wire,
            origin: origin.parse().expect("an origin is a URL"),
        }
    }

    /// Opens a tab, which has the cookies of all others.
    pub fn tab(&self) -> Tab {
        Tab(self.clone())
    }

    /// Copies the cookies of this moment into a browser of their own: a thief's, or one from before.
    #[must_use]
    pub fn copy(&self) -> Self {
        let jar = self.jar().clone();
        Self {
            jar: Arc::new(Mutex::new(jar)),
            ..self.clone()
        }
    }

    /// Returns a browser with the same cookies over another wire.
    #[must_use]
    pub fn over(mut self, wire: Wire) -> Self {
        self.wire = wire;
        self
    }

    /// The cookies; no request is sent or delivered while they are looked at.
    pub fn jar(&self) -> MutexGuard<'_, Jar> {
        self.jar.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A URL of the site.
    ///
    /// # Panics
    ///
    /// If `target` makes none.
    pub fn url(&self, target: &str) -> Url {
        self.origin.join(target).expect("a target makes a URL")
    }

    /// Puts a cookie into the jar by no server's leave.
    pub fn plant(&self, name: &str, value: &str) {
        self.jar().plant(name, value, &self.origin);
    }

    /// Closes it, and opens it again.
    pub fn close(&self) {
        self.jar().close_browser();
    }
}

/// A tab of a browser.
#[derive(Clone, Debug)]
pub struct Tab(Browser);

impl Tab {
    /// Sends a request, with the cookies of now, which the server gets when the test says so.
    pub fn hold(&self, ask: Ask) -> Held {
        Held::new(self.clone(), ask)
    }

    /// Sends a request, whose answer is delivered when the test says so.
    pub fn send(&self, ask: Ask) -> Flight {
        self.hold(ask).arrive()
    }

    /// Asks, and has the answer delivered.
    pub async fn ask(&self, ask: Ask) -> Answer {
        self.send(ask).deliver().await
    }

    /// Looks at a page.
    pub async fn page(&self, target: &str) -> Answer {
        self.ask(Ask::page(target)).await
    }

    /// Sends a form of the site's own.
    pub async fn form(&self, target: &str, fields: &[(&str, &str)]) -> Answer {
        self.ask(Ask::form(target, fields)).await
    }

    /// Has a script of the site's own page ask.
    pub async fn fetch(&self, target: &str) -> Answer {
        self.ask(Ask::fetch(Method::GET, target)).await
    }

    /// The browser that it is a tab of.
    pub fn browser(&self) -> &Browser {
        &self.0
    }

    fn jar(&self) -> MutexGuard<'_, Jar> {
        self.0.jar()
    }

    fn url(&self, target: &str) -> Url {
        self.0.url(target)
    }

    fn wire(&self) -> &Wire {
        &self.0.wire
    }
}
