//! Somebody with a browser's cookies, at one site.

use std::time::SystemTime;

use url::Url;

use super::browser::{Context, Jar};
use crate::clock::ManualClock;

/// Where tests' applications are.
const ORIGIN: &str = "https://app.test/";

/// A visitor of the application: the cookies that its answers have set, which end by the test's clock.
#[derive(Clone, Debug)]
pub struct Visitor {
    jar: Jar,
    origin: Url,
}

impl Visitor {
    /// A visitor who has never been here, whose cookies end by this clock.
    ///
    /// # Panics
    ///
    /// Never: the site's address is fixed.
    pub fn new(clock: &ManualClock) -> Self {
        let clock = clock.clone();
        Self {
            jar: Jar::by(move || SystemTime::from(clock.now())),
            origin: ORIGIN.parse().expect("it is a URL"),
        }
    }

    /// The `Cookie` field of a request for `/`; `None` where there is no cookie.
    pub fn field(&self) -> Option<String> {
        self.field_for("/")
    }

    /// The `Cookie` field of a request for a path, as a browser sends it.
    ///
    /// # Panics
    ///
    /// Where `path` is none.
    pub fn field_for(&self, path: &str) -> Option<String> {
        let url = self.origin.join(path).expect("a path makes a URL");
        self.jar.header(&url, Context::OWN)
    }

    /// Keeps what a `Set-Cookie` field of an answer says, or removes the cookie that it ends.
    ///
    /// # Panics
    ///
    /// Where a browser would not keep it: the test finds that out here, not by a visitor who is not signed in.
    pub fn keep(&mut self, set_cookie: &str) {
        let kept = self.jar.keep(set_cookie, &self.origin, Context::OWN);
        if let Err(rejected) = kept {
            panic!("no browser keeps the cookie: {rejected}");
        }
    }

    /// The value of a cookie.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.jar.value(name)
    }

    /// All of its cookies.
    pub fn jar(&mut self) -> &mut Jar {
        &mut self.jar
    }
}
