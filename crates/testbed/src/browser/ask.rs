//! The requests of a browser, with the header fields that Chromium sends.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{Extensions, HeaderMap, HeaderValue, Method, Request, Uri};
use url::Url;

use super::context::{Context, Initiator};
use super::jar::is_loopback;

const PAGE: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8";
const FORM: &str = "application/x-www-form-urlencoded";

/// The origin of the pages of another site.
pub const ELSEWHERE: &str = "https://elsewhere.example";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A program, which says nothing of itself.
    Bare,
    /// A navigation: a link, a form.
    Page,
    /// A script's `fetch`.
    Fetch,
}

/// A request that a tab is to send.
#[derive(Clone, Debug)]
pub struct Ask {
    pub(super) method: Method,
    /// A URL, or its part behind the origin.
    pub(super) target: String,
    pub(super) body: Bytes,
    pub(super) follows: bool,
    headers: HeaderMap,
    kind: Kind,
    initiator: Initiator,
    /// The request that a test has made itself.
    pub(super) made: Option<Made>,
}

/// The parts of a request that only a service of this process sees.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) uri: Uri,
    pub(super) extensions: Extensions,
}

impl Ask {
    /// A page, by an address that the person has typed.
    pub fn page(target: &str) -> Self {
        Self::new(Method::GET, target, Kind::Page, Initiator::User)
    }

    /// A form of one of the site's own pages.
    pub fn form(target: &str, fields: &[(&str, &str)]) -> Self {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        let body = form.extend_pairs(fields).finish();
        Self::new(Method::POST, target, Kind::Page, Initiator::SameOrigin)
            .header("content-type", FORM)
            .body(body)
    }

    /// A `fetch` by a script of one of the site's own pages.
    pub fn fetch(method: Method, target: &str) -> Self {
        Self::new(method, target, Kind::Fetch, Initiator::SameOrigin)
    }

    /// A request with cookies and with nothing else that browsers say.
    ///
    /// A service in this process gets its URI and its extensions as they are.
    pub fn bare(request: Request<Bytes>) -> Self {
        let (parts, body) = request.into_parts();
        let target = parts.uri.to_string();
        let ask = Self::new(parts.method, &target, Kind::Bare, Initiator::User);
        Self {
            headers: parts.headers,
            body,
            made: Some(Made {
                uri: parts.uri,
                extensions: parts.extensions,
            }),
            ..ask
        }
    }

    fn new(method: Method, target: &str, kind: Kind, initiator: Initiator) -> Self {
        Self {
            method,
            target: target.to_owned(),
            body: Bytes::new(),
            follows: false,
            headers: HeaderMap::new(),
            kind,
            initiator,
            made: None,
        }
    }

    /// Has another page ask for it, or the person.
    #[must_use]
    pub fn by(mut self, initiator: Initiator) -> Self {
        self.initiator = initiator;
        self
    }

    /// Adds a header field, which goes before what a browser would say.
    ///
    /// # Panics
    ///
    /// If no field may have that name or value.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::try_from(name).expect("a header's name");
        let value = HeaderValue::try_from(value).expect("a header's value");
        self.headers.append(name, value);
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Follows redirects, as browsers do.
    #[must_use]
    pub fn following(mut self) -> Self {
        self.follows = true;
        self
    }

    pub(super) fn context(&self) -> Context {
        let is_navigation = self.kind == Kind::Page;
        Context::new(self.initiator, is_navigation, self.method.is_safe())
    }

    /// The header fields but for the cookies.
    pub(super) fn headers(&self, url: &Url) -> HeaderMap {
        let mut headers = self.headers.clone();
        let mut say = |name: &'static str, value: &str| {
            let value = HeaderValue::try_from(value).expect("what browsers say is ASCII");
            headers.entry(name).or_insert(value);
        };
        match self.kind {
            Kind::Bare => return headers,
            Kind::Page => {
                say("accept", PAGE);
                say("upgrade-insecure-requests", "1");
            }
            Kind::Fetch => say("accept", "*/*"),
        }
        // Chromium says it to origins that may be trusted only.
        if url.scheme() == "https" || is_loopback(url) {
            let (mode, dest) = match self.kind {
                Kind::Page => ("navigate", "document"),
                Kind::Fetch | Kind::Bare => ("cors", "empty"),
            };
            say("sec-fetch-site", self.initiator.as_str());
            say("sec-fetch-mode", mode);
            say("sec-fetch-dest", dest);
            if self.kind == Kind::Page {
                say("sec-fetch-user", "?1");
            }
        }
        if let Some(origin) = self.origin(url) {
            say("origin", &origin);
        }
        headers
    }

    /// The `Origin` field: with methods that are not safe, and with another origin's `fetch`.
    fn origin(&self, url: &Url) -> Option<String> {
        let own = url.origin().ascii_serialization();
        let is_foreign = matches!(self.initiator, Initiator::SameSite | Initiator::CrossSite);
        let is_said = !self.method.is_safe() || (is_foreign && self.kind == Kind::Fetch);
        is_said.then(|| match self.initiator {
            Initiator::User | Initiator::SameOrigin => own,
            Initiator::SameSite => own.replacen("://", "://sibling.", 1),
            Initiator::CrossSite => ELSEWHERE.to_owned(),
        })
    }

    /// Returns the request that a browser sends when `status` redirects it from `from` to `to`.
    pub(super) fn redirected(mut self, status: u16, from: &Url, to: &Url) -> Self {
        let becomes_get = match status {
            303 => self.method != Method::HEAD,
            301 | 302 => self.method == Method::POST,
            _ => false,
        };
        if becomes_get {
            self.method = Method::GET;
            self.body = Bytes::new();
            self.headers.remove(CONTENT_TYPE);
        }
        if from.origin() != to.origin() && self.initiator == Initiator::SameOrigin {
            let is_same_host = from.host() == to.host() && from.scheme() == to.scheme();
            self.initiator = if is_same_host {
                Initiator::SameSite
            } else {
                Initiator::CrossSite
            };
        }
        to.as_str().clone_into(&mut self.target);
        self.made = None;
        self
    }
}
