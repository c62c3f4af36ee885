//! A cookie jar for one client without tabs, by name.

use std::ops::Index;
use std::time::SystemTime;

use cloakroom::ManualClock;
use testbed::browser::{Context, Jar};

/// The origin of the applications within this process.
pub(crate) const ORIGIN: &str = "https://shop.example";

/// A browser's jar as that of one site, where names are enough.
#[derive(Clone, Debug)]
pub(crate) struct Cookies(Jar);

impl Cookies {
    /// An empty jar whose cookies end by this clock.
    pub(crate) fn by(clock: &ManualClock) -> Self {
        let clock = clock.clone();
        Self(Jar::by(move || SystemTime::from(clock.now())))
    }

    /// An empty jar whose cookies end by the machine's clock.
    pub(crate) fn by_system() -> Self {
        Self(Jar::new())
    }

    pub(crate) fn jar(&self) -> &Jar {
        &self.0
    }

    pub(crate) fn set_jar(&mut self, jar: Jar) {
        self.0 = jar;
    }

    /// The `Cookie` field of a request for `/`.
    pub(crate) fn field(&self) -> Option<String> {
        self.0.header(&ORIGIN.parse().unwrap(), Context::OWN)
    }

    /// Keeps what a `Set-Cookie` field says.
    pub(crate) fn keep(&mut self, field: &str) {
        let kept = self.0.keep(field, &ORIGIN.parse().unwrap(), Context::OWN);
        kept.expect("a browser keeps it");
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.value(name)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut String> {
        self.0.value_mut(name)
    }

    #[expect(clippy::needless_pass_by_value, reason = "as a map's own")]
    pub(crate) fn insert(&mut self, name: String, value: String) {
        self.0.plant(&name, &value, &ORIGIN.parse().unwrap());
    }

    pub(crate) fn remove(&mut self, name: &str) -> Option<String> {
        let value = self.get(name).map(str::to_owned);
        self.0.remove(name);
        value
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &str> {
        self.0.live().map(|cookie| cookie.value.as_str())
    }

    pub(crate) fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn pairs(&self) -> Vec<(&str, &str)> {
        let pairs = self
            .0
            .live()
            .map(|it| (it.name.as_str(), it.value.as_str()));
        pairs.collect()
    }
}

impl Index<&str> for Cookies {
    type Output = String;

    fn index(&self, name: &str) -> &String {
        let mut named = self.0.live().filter(|cookie| cookie.name == name);
        &named.next().expect("there is such a cookie").value
    }
}

impl PartialEq for Cookies {
    fn eq(&self, other: &Self) -> bool {
        self.pairs() == other.pairs()
    }
}
