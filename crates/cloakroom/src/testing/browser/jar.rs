//! The cookies of one browser: the storage model of RFC 6265bis §5.7 and §5.8.

use std::fmt::{self, Debug, Formatter};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use url::{Host, Url};

use super::context::Context;
use super::cookie::{Cookie, Rejected, SameSite};

type Now = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// The cookies of one browser, which expire by the given clock.
#[derive(Clone)]
pub struct Jar {
    /// The cookies, in the order of their creation.
    cookies: Vec<Cookie>,
    now: Now,
    trusts_loopback: bool,
}

impl Debug for Jar {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jar")
            .field("cookies", &self.cookies)
            .finish_non_exhaustive()
    }
}

impl Default for Jar {
    fn default() -> Self {
        Self::new()
    }
}

impl Jar {
    /// Creates a jar with the machine's clock.
    pub fn new() -> Self {
        Self::by(SystemTime::now)
    }

    /// Creates a jar with the clock of the sessions.
    pub fn by(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self {
            cookies: Vec::new(),
            now: Arc::new(now),
            trusts_loopback: false,
        }
    }

    /// Treats plain HTTP to this machine as secure, as Chromium does.
    ///
    /// Default: it is not, so that a `Secure` cookie over plain HTTP is lost, as it is in the field.
    #[must_use]
    pub fn trusting_loopback(mut self) -> Self {
        self.trusts_loopback = true;
        self
    }

    /// Keeps the cookie of a `Set-Cookie` field, or removes the one that it clears.
    ///
    /// # Errors
    ///
    /// [`Rejected`] where a browser would not keep it; the jar stays as it was.
    pub fn keep(&mut self, field: &str, url: &Url, context: Context) -> Result<(), Rejected> {
        let now = (self.now)();
        let is_secure = self.is_secure(url);
        let mut new = Cookie::read(field, (url, is_secure), context, now)?;
        self.cookies.retain(|cookie| !cookie.is_over(now));
        if !new.secure && !is_secure && self.cookies.iter().any(|old| old.is_shadowed_by(&new)) {
            return Err(Rejected::Insecure);
        }
        let old = self.cookies.iter().position(|old| old.is_same(&new));
        match (old, new.is_over(now)) {
            (None, true) => {}
            (Some(at), true) => drop(self.cookies.remove(at)),
            (None, false) => self.cookies.push(new),
            (Some(at), false) => {
                new.created = self.cookies[at].created;
                self.cookies[at] = new;
            }
        }
        Ok(())
    }

    /// Returns the `Cookie` field of a request, `None` where it has no cookie.
    pub fn header(&self, url: &Url, context: Context) -> Option<String> {
        let cookies = self.cookies_for(url, context);
        let pairs = cookies.iter().map(|it| format!("{}={}", it.name, it.value));
        let field = pairs.collect::<Vec<_>>().join("; ");
        (!field.is_empty()).then_some(field)
    }

    /// Returns the cookies of a request in a browser's order: those of the longest path first, and among
    /// equals the one that was created first (§5.8.3, step 2).
    pub fn cookies_for(&self, url: &Url, context: Context) -> Vec<&Cookie> {
        let (now, is_secure) = ((self.now)(), self.is_secure(url));
        let live = self.live();
        let mut sent: Vec<_> = live
            .filter(|cookie| cookie.goes_to((url, is_secure), context, now))
            .collect();
        sent.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        sent
    }

    /// Returns the cookies in a page's `document.cookie` at `url`.
    pub fn seen_by_scripts(&self, url: &Url) -> Vec<&Cookie> {
        let mut seen = self.cookies_for(url, Context::OWN);
        seen.retain(|cookie| !cookie.http_only);
        seen
    }

    /// Returns all cookies that have not ended, in the order of their creation.
    pub fn live(&self) -> impl Iterator<Item = &Cookie> {
        let now = (self.now)();
        self.cookies
            .iter()
            .filter(move |cookie| !cookie.is_over(now))
    }

    /// Returns the value of the first live cookie of a name, for any URL.
    pub fn value(&self, name: &str) -> Option<&str> {
        let cookie = self.live().find(|cookie| cookie.name == name);
        cookie.map(|cookie| cookie.value.as_str())
    }

    /// Returns that value mutably, to tamper with it.
    pub fn value_mut(&mut self, name: &str) -> Option<&mut String> {
        let now = (self.now)();
        let mut live = self.cookies.iter_mut().filter(|it| !it.is_over(now));
        live.find(|it| it.name == name).map(|it| &mut it.value)
    }

    /// Puts a cookie for all of a host's paths into the jar, without a server's response.
    pub fn plant(&mut self, name: &str, value: &str, url: &Url) {
        let now = (self.now)();
        let planted = Cookie {
            name: name.to_owned(),
            value: value.to_owned(),
            domain: url.host_str().unwrap_or_default().to_owned(),
            host_only: true,
            path: "/".to_owned(),
            secure: false,
            http_only: false,
            same_site: SameSite::Lax,
            expires: None,
            created: now,
        };
        self.cookies.retain(|old| !old.is_same(&planted));
        self.cookies.push(planted);
    }

    /// Removes all cookies of a name.
    pub fn remove(&mut self, name: &str) {
        self.cookies.retain(|cookie| cookie.name != name);
    }

    /// Ends the cookies without `Expires` and `Max-Age`.
    pub fn close_browser(&mut self) {
        self.cookies.retain(|cookie| cookie.expires.is_some());
    }

    fn is_secure(&self, url: &Url) -> bool {
        url.scheme() == "https" || (self.trusts_loopback && is_loopback(url))
    }
}

/// Returns `true` if a URL leads to this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}
