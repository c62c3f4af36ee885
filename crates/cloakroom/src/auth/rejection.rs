//! What a request is told that may not pass; `web/` says it in a framework's words.

use std::fmt::Write as _;

use super::Access;

/// Why a request does not go on, and what its client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// 401: nobody is signed in, or it is too long ago.
    LoginRequired,
    /// 303: a browser that asks for a page is sent to the login, by this Location.
    ToLogin(String),
    /// 403, with the reason as the answer's text.
    Forbidden(&'static str),
    /// 400: the request asks for no path, and its session layer covers a path only.
    NoPath,
    /// 413: the form in which the token should be is too long to be read.
    TooLarge,
    /// 503: the store does not say who asks.
    Unavailable,
    /// 500: it stands outside every session layer.
    NoLayer,
}

/// What a refusal looks at of its request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestContext<'a> {
    /// `GET`.
    pub method: &'a str,
    /// The Accept fields, joined by commas.
    pub accept: &'a str,
    /// Path and query, as the client sent them.
    pub target: &'a str,
}

impl RequestContext<'_> {
    /// Whether a browser asks for a page: a program gets the status, and a form has no page to come
    /// back to.
    fn wants_page(&self) -> bool {
        matches!(self.method, "GET" | "HEAD") && self.accept.contains("text/html")
    }
}

impl Access {
    /// What a request is told that a guard has given this, where `login` is the login's path;
    /// `None` where it goes on.
    ///
    /// The way back is in the query as `next` (see [`safe_redirect_path`](super::safe_redirect_path)); a login that is
    /// too long ago is asked for with `again=1` besides.
    pub fn refusal(self, asked: &RequestContext<'_>, login: Option<&str>) -> Option<Rejection> {
        let login = login.filter(|login| asked.wants_page() && !login.contains(char::is_control));
        match (self, login) {
            (Self::Granted, _) => None,
            (Self::Forbidden, _) => Some(Rejection::Forbidden("")),
            (_, None) => Some(Rejection::LoginRequired),
            (_, Some(login)) => {
                let mut to = way_to(login, asked.target);
                if self == Self::StepUpRequired {
                    to.push_str("&again=1");
                }
                Some(Rejection::ToLogin(to))
            }
        }
    }
}

/// The login's address, with the way back in its query.
fn way_to(login: &str, target: &str) -> String {
    let joined = if login.contains('?') { '&' } else { '?' };
    let mut to = format!("{login}{joined}next=");
    for byte in target.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                to.push(char::from(byte));
            }
            _ => {
                // A String takes whatever is written to it.
                let _ = write!(to, "%{byte:02X}");
            }
        }
    }
    to
}

impl Rejection {
    /// The answer's status.
    pub fn status(&self) -> u16 {
        match self {
            Self::LoginRequired => 401,
            Self::ToLogin(_) => 303,
            Self::Forbidden(_) => 403,
            Self::NoPath => 400,
            Self::TooLarge => 413,
            Self::Unavailable => 503,
            Self::NoLayer => 500,
        }
    }

    /// The field that the answer's head carries besides, with its name in lower case.
    pub fn field(&self) -> Option<(&'static str, &str)> {
        match self {
            // RFC 9110 §15.5.2 wants one; no scheme is registered for cookies.
            Self::LoginRequired => Some(("www-authenticate", "Session")),
            Self::ToLogin(to) => Some(("location", to)),
            Self::Unavailable => Some(("retry-after", "1")),
            _ => None,
        }
    }

    /// The answer's text.
    pub fn text(&self) -> &'static str {
        match self {
            Self::Forbidden(why) => why,
            _ => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Access, Rejection, RequestContext};

    #[test]
    fn a_refusal_fits_who_asks() {
        use Access::{Forbidden, Granted, LoginRequired, StepUpRequired};
        let (page, any) = ("text/html,*/*;q=0.8", "*/*");
        let (login, with_query) = (Some("/login"), Some("/login?lang=en"));
        #[rustfmt::skip]
        let table = [
            (Granted,        "GET",  page, login,            None),
            (Forbidden,      "GET",  page, login,            Some(Rejection::Forbidden(""))),
            (LoginRequired,  "GET",  page, None,             Some(Rejection::LoginRequired)),
            (LoginRequired,  "GET",  any,  login,            Some(Rejection::LoginRequired)),
            (LoginRequired,  "GET",  "",   login,            Some(Rejection::LoginRequired)),
            (LoginRequired,  "POST", page, login,            Some(Rejection::LoginRequired)),
            (LoginRequired,  "get",  page, login,            Some(Rejection::LoginRequired)),
            (LoginRequired,  "GET",  page, Some("/l\r\nx:"), Some(Rejection::LoginRequired)),
            (LoginRequired,  "GET",  page, login,            Some(to("/login?next=/a%3Fb%3D//c%25%C3%A4"))),
            (LoginRequired,  "HEAD", page, with_query,       Some(to("/login?lang=en&next=/a%3Fb%3D//c%25%C3%A4"))),
            (StepUpRequired, "GET",  page, login,            Some(to("/login?next=/a%3Fb%3D//c%25%C3%A4&again=1"))),
            (StepUpRequired, "PUT",  page, login,            Some(Rejection::LoginRequired)),
        ];
        for (access, method, accept, login, expected) in table {
            let asked = RequestContext {
                method,
                accept,
                target: "/a?b=//c%ä",
            };
            let refusal = access.refusal(&asked, login);
            assert_eq!(refusal, expected, "{access:?} {asked:?} {login:?}");
        }
    }

    fn to(location: &str) -> Rejection {
        Rejection::ToLogin(location.to_owned())
    }
}
