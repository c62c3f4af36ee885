//! A request as the browser sees it: who asks, in which page, and what `SameSite` makes of that.

use url::Url;

use super::site::{is_same_origin, is_same_site};

/// The way in which a request comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Mode {
    /// The page itself: a link, a form, an address that was typed
    Navigate,
    /// A script's `fetch` or `XMLHttpRequest`, an image
    Fetch,
    /// A page inside another
    Iframe,
    /// The handshake of a WebSocket
    Websocket,
    /// A script that reads document.cookie
    Script,
}

impl Mode {
    /// Returns the words that sentences have for it.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Navigate => "a page",
            Self::Fetch => "a script",
            Self::Iframe => "a frame",
            Self::Websocket => "a WebSocket",
            Self::Script => "a script's document.cookie",
        }
    }
}

/// `credentials` of a script's fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Credentials {
    /// Cookies go with it to every origin
    Include,
    /// Cookies go with it to the page's own origin: the default of fetch
    SameOrigin,
    /// No cookies
    Omit,
}

/// A request and its page.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) url: Url,
    /// The page in the address bar; `None`: one of the same origin.
    pub(super) page: Option<Url>,
    /// The page that asks; `None`: the visitor, or `page`.
    pub(super) initiator: Option<Url>,
    pub(super) method: String,
    pub(super) mode: Mode,
    /// `None`: not known.
    pub(super) credentials: Option<Credentials>,
    /// URLs that redirected to this one.
    pub(super) redirects: Vec<Url>,
}

/// The relation of a request to the site that it goes to, best last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Relation {
    /// Another site asks.
    CrossSite,
    /// The visitor comes from another site by a method that is not safe.
    LaxUnsafe,
    /// The visitor comes from another site.
    Lax,
    /// The site itself asks, or the visitor.
    Strict,
}

impl Request {
    /// Creates a page that the visitor opens.
    pub(super) fn page(url: Url) -> Self {
        Self {
            url,
            page: None,
            initiator: None,
            method: "GET".to_owned(),
            mode: Mode::Navigate,
            credentials: None,
            redirects: Vec::new(),
        }
    }

    /// Returns the relation, with http and https as two sites.
    pub(super) fn relation(&self) -> Relation {
        self.relation_by(true)
    }

    /// Returns `true` if the relation is worse only because http and https are two sites.
    pub(super) fn is_schemeful_downgrade(&self) -> bool {
        self.relation_by(false) > self.relation()
    }

    fn relation_by(&self, schemeful: bool) -> Relation {
        let is_own =
            |page: Option<&Url>| page.is_none_or(|page| is_same_site(page, &self.url, schemeful));
        if self.mode != Mode::Navigate && !is_own(self.top()) {
            return Relation::CrossSite;
        }
        match is_own(self.asking()) {
            true => Relation::Strict,
            false if self.is_safe() => Relation::Lax,
            false => Relation::LaxUnsafe,
        }
    }

    /// Returns the page in the address bar; a navigation replaces it.
    fn top(&self) -> Option<&Url> {
        self.page.as_ref().or(self.initiator.as_ref())
    }

    /// Returns the page that asks.
    pub(super) fn asking(&self) -> Option<&Url> {
        self.initiator.as_ref().or(self.page.as_ref())
    }

    /// Returns the page in the address bar after the response.
    pub(super) fn shown_page(&self) -> &Url {
        let top = self.top().filter(|_| self.mode != Mode::Navigate);
        top.unwrap_or(&self.url)
    }

    /// Returns `true` for a method that changes nothing (RFC 9110 §9.2.1).
    fn is_safe(&self) -> bool {
        let safe = ["GET", "HEAD", "OPTIONS", "TRACE"];
        safe.iter()
            .any(|safe| self.method.eq_ignore_ascii_case(safe))
    }

    /// Returns `true` if another origin's script asks.
    pub(super) fn is_cross_origin_fetch(&self) -> bool {
        let asking = self.asking();
        self.mode == Mode::Fetch && asking.is_some_and(|page| !is_same_origin(page, &self.url))
    }

    /// Returns `true` if the page in the address bar is of another site.
    pub(super) fn is_third_party(&self) -> bool {
        !is_same_site(self.shown_page(), &self.url, true)
    }
}

#[cfg(test)]
mod tests {
    use super::{Mode, Relation, Request};

    #[test]
    fn the_relation_depends_on_page_initiator_method_and_mode() {
        use Mode::{Fetch, Iframe, Navigate, Websocket};
        use Relation::{CrossSite, Lax, LaxUnsafe, Strict};
        let (own, sub, http, other) = (
            "https://shop.example/",
            "https://www.shop.example/",
            "http://shop.example/",
            "https://other.example/",
        );
        #[rustfmt::skip]
        let table = [ // page, initiator
            (Navigate,  "GET",  "",    "",    Strict,    false),
            (Navigate,  "GET",  "",    sub,   Strict,    false),
            (Navigate,  "GET",  "",    other, Lax,       false),
            (Navigate,  "POST", "",    other, LaxUnsafe, false),
            (Navigate,  "post", "",    own,   Strict,    false),
            // The page that is left is the one with the link.
            (Navigate,  "GET",  other, "",    Lax,       false),
            (Navigate,  "GET",  other, own,   Strict,    false),
            (Navigate,  "GET",  "",    http,  Lax,       true),
            (Fetch,     "GET",  "",    "",    Strict,    false),
            (Fetch,     "POST", own,   "",    Strict,    false),
            (Fetch,     "GET",  other, "",    CrossSite, false),
            (Fetch,     "GET",  http,  "",    CrossSite, true),
            (Iframe,    "GET",  other, "",    CrossSite, false),
            (Iframe,    "GET",  own,   other, Lax,       false),
            (Websocket, "GET",  other, "",    CrossSite, false),
            (Websocket, "GET",  own,   "",    Strict,    false),
        ];
        for (mode, method, page, initiator, relation, downgrade) in table {
            let request = Request {
                method: method.to_owned(),
                mode,
                page: page.parse().ok(),
                initiator: initiator.parse().ok(),
                ..Request::page("https://shop.example/".parse().unwrap())
            };
            let row = format!("{mode:?} {method} {page} {initiator}");
            assert_eq!(request.relation(), relation, "{row}");
            assert_eq!(request.is_schemeful_downgrade(), downgrade, "{row}");
        }
    }
}
