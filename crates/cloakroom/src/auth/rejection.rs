//! Responses to requests that may not pass; `web/` translates them for a framework.

use std::fmt::Write as _;

use super::{Access, safe_redirect_path};

/// Text for a user who is signed in and lacks the right.
const NOT_ALLOWED: &str = "you are signed in, and this is not allowed to you";

/// The reason for which a request does not go on, and its response.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// 401: no user is signed in.
    LoginRequired,
    /// 401: the login is too long ago.
    StepUpRequired,
    /// 303: a browser that requests a page, or sends a form, is redirected to the login, by this Location.
    ToLogin(String),
    /// 401: htmx loads the login in the place of the page, by this `HX-Redirect`.
    HtmxToLogin(String),
    /// 403, with the reason as the response's text.
    Forbidden(&'static str),
    /// 400: the request target is no path, and its session layer covers a path only.
    NoPath,
    /// 413: the form in which the token should be is too long to be read.
    TooLarge,
    /// 503: the store failed to return the session.
    Unavailable,
    /// 500: the route is outside every session layer.
    NoLayer,
}

/// The parts of a request that its refusal depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestContext<'a> {
    /// `GET`.
    pub method: &'a str,
    /// The Accept fields, joined by commas.
    pub accept: &'a str,
    /// Path and query, as the client sent them.
    pub target: &'a str,
    /// Path and query of the page that it was sent from: see [`page_of`](Self::page_of). Empty where that is
    /// unknown.
    pub page: &'a str,
    /// `true` if htmx sends it (`HX-Request: true`).
    pub is_htmx: bool,
}

impl<'a> RequestContext<'a> {
    /// Returns path and query of a page of this site (`host`, as the request names it), by the URL that a
    /// browser sends in `Referer` or htmx in `HX-Current-URL`; empty for a page of another site, and for a
    /// URL that [`safe_redirect_path`] would not accept.
    pub fn page_of(url: &'a str, host: &str) -> &'a str {
        let schemes = ["https://", "http://"];
        let after_scheme = schemes.iter().find_map(|scheme| url.strip_prefix(scheme));
        let path = after_scheme.and_then(|rest| {
            let (authority, _) = rest.split_once('/')?;
            let is_own = !host.is_empty() && authority.eq_ignore_ascii_case(host);
            is_own.then(|| &rest[authority.len()..])
        });
        let path = path.and_then(|path| path.split('#').next());
        path.and_then(safe_redirect_path).unwrap_or_default()
    }

    /// Returns `true` if a browser will show the response: a program gets the status.
    fn wants_page(&self) -> bool {
        self.accept.contains("text/html")
    }

    /// Returns the path to return to after the login: a form, or a part of a page, cannot be loaded by
    /// itself; then it is the page that holds it.
    fn way_back(&self) -> &'a str {
        let is_page = matches!(self.method, "GET" | "HEAD") && !self.is_htmx;
        if is_page { self.target } else { self.page }
    }
}

impl Access {
    /// Returns the response to a request for which a guard has decided this, where `login` is the login's
    /// path; `None` where it goes on.
    ///
    /// The path to return to is in the query as `next` (see [`safe_redirect_path`]), where there is one: for
    /// a form it is the page that holds it, and its content is not sent again. For a login that is too long
    /// ago the query has `again=1` besides.
    pub fn refusal(self, asked: &RequestContext<'_>, login: Option<&str>) -> Option<Rejection> {
        let login = login.filter(|login| !login.contains(char::is_control));
        match (self, login) {
            (Self::Granted, _) => None,
            (Self::Forbidden, _) => Some(Rejection::Forbidden(NOT_ALLOWED)),
            (_, Some(login)) if asked.is_htmx => {
                Some(Rejection::HtmxToLogin(self.way_to(login, asked)))
            }
            (_, Some(login)) if asked.wants_page() => {
                Some(Rejection::ToLogin(self.way_to(login, asked)))
            }
            (Self::StepUpRequired, _) => Some(Rejection::StepUpRequired),
            (Self::LoginRequired, _) => Some(Rejection::LoginRequired),
        }
    }

    /// Returns the login's address, with its query.
    fn way_to(self, login: &str, asked: &RequestContext<'_>) -> String {
        let mut to = login.to_owned();
        let back = asked.way_back();
        if !back.is_empty() {
            to.push(joint(&to));
            to.push_str("next=");
            escape(back, &mut to);
        }
        if self == Self::StepUpRequired {
            to.push(joint(&to));
            to.push_str("again=1");
        }
        to
    }
}

/// Returns the separator before the next parameter of a query.
fn joint(address: &str) -> char {
    if address.contains('?') { '&' } else { '?' }
}

fn escape(value: &str, to: &mut String) {
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                to.push(char::from(byte));
            }
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(to, "%{byte:02X}");
            }
        }
    }
}

impl Rejection {
    /// Returns the response's status.
    pub fn status(&self) -> u16 {
        match self {
            Self::LoginRequired | Self::StepUpRequired | Self::HtmxToLogin(_) => 401,
            Self::ToLogin(_) => 303,
            Self::Forbidden(_) => 403,
            Self::NoPath => 400,
            Self::TooLarge => 413,
            Self::Unavailable => 503,
            Self::NoLayer => 500,
        }
    }

    /// Returns the additional field of the response's head, with its name in lower case.
    pub fn field(&self) -> Option<(&'static str, &str)> {
        match self {
            // RFC 9110 §15.5.2 wants one; no scheme is registered for cookies.
            Self::LoginRequired | Self::StepUpRequired => Some(("www-authenticate", "Session")),
            Self::HtmxToLogin(to) => Some(("hx-redirect", to)),
            Self::ToLogin(to) => Some(("location", to)),
            Self::Unavailable => Some(("retry-after", "1")),
            _ => None,
        }
    }

    /// Returns the response's text: the reason, in a sentence.
    pub fn text(&self) -> &'static str {
        match self {
            Self::LoginRequired | Self::HtmxToLogin(_) => "nobody is signed in",
            Self::StepUpRequired => "sign in once more: the last time is too long ago for this",
            // Browsers follow the redirect at once.
            Self::ToLogin(_) => "",
            Self::Forbidden(why) => why,
            Self::NoPath => "this request asks for no path",
            Self::TooLarge => "the form is too long to be looked through for its token",
            Self::Unavailable => "the session store is unavailable",
            Self::NoLayer => "no session layer covers this route",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Access, NOT_ALLOWED, Rejection, RequestContext};

    #[test]
    fn a_refusal_depends_on_the_kind_of_client() {
        use Access::{Forbidden, Granted, LoginRequired, StepUpRequired};
        let (page, any) = ("text/html,*/*;q=0.8", "*/*");
        let (login, with_query) = (Some("/login"), Some("/login?lang=en"));
        #[rustfmt::skip]
        let table = [
            (Granted,        "GET",  page, login,            None),
            (Forbidden,      "GET",  page, login,            Some(Rejection::Forbidden(NOT_ALLOWED))),
            (LoginRequired,  "GET",  page, None,             Some(Rejection::LoginRequired)),
            (LoginRequired,  "GET",  any,  login,            Some(Rejection::LoginRequired)),
            (LoginRequired,  "GET",  "",   login,            Some(Rejection::LoginRequired)),
            (LoginRequired,  "GET",  page, Some("/l\r\nx:"), Some(Rejection::LoginRequired)),
            (LoginRequired,  "GET",  page, login,            Some(to("/login?next=/a%3Fb%3D//c%25%C3%A4"))),
            (LoginRequired,  "HEAD", page, with_query,       Some(to("/login?lang=en&next=/a%3Fb%3D//c%25%C3%A4"))),
            (StepUpRequired, "GET",  page, login,            Some(to("/login?next=/a%3Fb%3D//c%25%C3%A4&again=1"))),
            // A form, and whatever else is no page: back to the page that holds it.
            (LoginRequired,  "POST", page, login,            Some(to("/login?next=/form%3Fx%3D1"))),
            (LoginRequired,  "get",  page, login,            Some(to("/login?next=/form%3Fx%3D1"))),
            (StepUpRequired, "PUT",  page, login,            Some(to("/login?next=/form%3Fx%3D1&again=1"))),
            (LoginRequired,  "POST", any,  login,            Some(Rejection::LoginRequired)),
            (StepUpRequired, "POST", any,  login,            Some(Rejection::StepUpRequired)),
        ];
        for (access, method, accept, login, expected) in table {
            let asked = RequestContext {
                method,
                accept,
                target: "/a?b=//c%ä",
                page: "/form?x=1",
                is_htmx: false,
            };
            let refusal = access.refusal(&asked, login);
            assert_eq!(refusal, expected, "{access:?} {asked:?} {login:?}");
        }
    }

    #[test]
    fn y8_htmx_gets_the_login_by_hx_redirect() {
        let asked = RequestContext {
            method: "GET",
            accept: "*/*",
            target: "/part",
            page: "/page",
            is_htmx: true,
        };
        let login = Some("/login");
        let told = Access::LoginRequired.refusal(&asked, login);
        let to = "/login?next=/page".to_owned();
        assert_eq!(told, Some(Rejection::HtmxToLogin(to)));
        let told = Access::LoginRequired.refusal(&asked, None);
        assert_eq!(told, Some(Rejection::LoginRequired));
        let unsaid = RequestContext { page: "", ..asked };
        let told = Access::StepUpRequired.refusal(&unsaid, login);
        assert_eq!(told, Some(Rejection::HtmxToLogin("/login?again=1".into())));
    }

    #[test]
    fn z5_only_a_page_of_this_site_is_returned_to_after_login() {
        let host = "shop.example:8080";
        #[rustfmt::skip]
        let table = [
            ("https://shop.example:8080/form?x=1",        "/form?x=1"),
            ("http://SHOP.example:8080/form#top",         "/form"),
            ("https://shop.example/form",                 ""),
            ("https://evil.example/form",                 ""),
            ("https://shop.example:8080@evil.example/f",  ""),
            ("https://evil.example/?shop.example:8080/f", ""),
            ("https://shop.example:8080",                 ""),
            ("https://shop.example:8080//evil.example",   ""),
            ("ftp://shop.example:8080/form",              ""),
            ("/form",                                     ""),
            ("",                                          ""),
        ];
        for (url, page) in table {
            assert_eq!(RequestContext::page_of(url, host), page, "{url}");
        }
        assert_eq!(RequestContext::page_of("https:///form", ""), "");
    }

    fn to(location: &str) -> Rejection {
        Rejection::ToLogin(location.to_owned())
    }
}
