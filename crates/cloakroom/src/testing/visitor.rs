//! A visitor with a browser's cookies, at one site.

use std::time::SystemTime;

use url::Url;

use super::browser::{Context, Jar};
use crate::clock::ManualClock;

/// The origin of tests' applications.
const ORIGIN: &str = "https://app.test/";

/// A visitor of the application: the cookies that its responses have set, which expire by the test's clock.
#[derive(Clone, Debug)]
pub struct Visitor {
    jar: Jar,
    origin: Url,
}

impl Visitor {
    /// Creates a visitor without cookies, which expire by this clock.
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

    /// Returns the `Cookie` field of a request for `/`; `None` where there is no cookie.
    pub fn field(&self) -> Option<String> {
        self.field_for("/")
    }

    /// Returns the `Cookie` field of a request for a path, as a browser sends it.
    ///
    /// # Panics
    ///
    /// If `path` is no path.
    pub fn field_for(&self, path: &str) -> Option<String> {
        let url = self.origin.join(path).expect("a path makes a URL");
        self.jar.header(&url, Context::OWN)
    }

    /// Keeps the cookie of a response's `Set-Cookie` field, or removes the one that it clears.
    ///
    /// # Panics
    ///
    /// If a browser would not keep it: the test fails here, not later with a visitor who is not signed in.
    pub fn keep(&mut self, set_cookie: &str) {
        let kept = self.jar.keep(set_cookie, &self.origin, Context::OWN);
        if let Err(rejected) = kept {
            panic!("no browser keeps the cookie: {rejected}");
        }
    }

    /// Returns the value of a cookie.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.jar.value(name)
    }

    /// Returns all of its cookies.
    pub fn jar(&mut self) -> &mut Jar {
        &mut self.jar
    }
}
