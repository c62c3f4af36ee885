//! The answer to a request that does not pass.

use cloakroom::auth::{Access, RequestContext, safe_redirect_path};
use http::header::ACCEPT;
use http::{HeaderMap, Method, StatusCode};

/// The decision on a request; its name is a label of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// It is forwarded.
    Pass,
    /// Nobody is signed in.
    Login,
    /// The user may not do this, nobody may, or another site's page has sent it.
    Forbidden,
    /// It has no single meaning.
    Malformed,
    /// The store did not say whose session it is.
    StoreError,
}

impl Decision {
    /// Those that a rule comes to.
    pub(crate) const BY_RULE: [Self; 4] =
        [Self::Pass, Self::Login, Self::Forbidden, Self::StoreError];

    /// Returns its name in metrics and logs, which stays.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Login => "login",
            Self::Forbidden => "forbidden",
            Self::Malformed => "malformed",
            Self::StoreError => "store_error",
        }
    }
}

/// The parts of a request that its refusal depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a Method,
    /// Path and query as they were sent.
    pub(crate) target: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) is_socket: bool,
}

impl Asked<'_> {
    /// Returns `true` if a browser shows the answer as a page: only then is a redirect of use. A script's
    /// request would follow it, and a handshake hide it.
    fn is_navigation(&self) -> bool {
        let text = |name: &str| self.headers.get(name).and_then(|value| value.to_str().ok());
        let is_read = matches!(*self.method, Method::GET | Method::HEAD);
        let is_script = text("x-requested-with").is_some() || text("hx-request").is_some();
        if self.is_socket || !is_read || is_script {
            return false;
        }
        match text("sec-fetch-mode") {
            Some(mode) => mode == "navigate",
            None => text(ACCEPT.as_str()).is_some_and(|accept| accept.contains("text/html")),
        }
    }
}

/// Returns the address of the login for a page that needs one; `None` for 401.
pub(crate) fn way_to_login(asked: &Asked<'_>, login: Option<&str>) -> Option<String> {
    if !asked.is_navigation() {
        return None;
    }
    let context = RequestContext {
        method: "GET",
        accept: "text/html",
        // Only a path of this site is returned to.
        target: safe_redirect_path(asked.target).unwrap_or_default(),
        ..RequestContext::default()
    };
    let refusal = Access::LoginRequired.refusal(&context, login)?;
    let location = refusal.field().filter(|(name, _)| *name == "location");
    location.map(|(_, to)| to.to_owned())
}

/// Returns the status of a refusal that is no redirect.
pub(crate) fn status(decision: Decision) -> StatusCode {
    match decision {
        // Never for a refusal: an error of the gate is no open door.
        Decision::Pass => StatusCode::INTERNAL_SERVER_ERROR,
        Decision::Login => StatusCode::UNAUTHORIZED,
        Decision::Forbidden => StatusCode::FORBIDDEN,
        Decision::Malformed => StatusCode::BAD_REQUEST,
        Decision::StoreError => StatusCode::SERVICE_UNAVAILABLE,
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, Method};

    use super::{Asked, way_to_login};

    /// Method, whether it is a handshake, fields, whether it is sent to the login.
    type Row<'a> = (Method, bool, &'a [(&'a str, &'a str)], bool);

    #[test]
    fn g25_only_a_page_is_sent_to_the_login() {
        let page = ("accept", "text/html,*/*;q=0.8");
        let navigate = ("sec-fetch-mode", "navigate");
        #[rustfmt::skip]
        let table: [Row<'_>; 14] = [
            (Method::GET,  false, &[page],                                       true),
            (Method::HEAD, false, &[page],                                       true),
            (Method::GET,  false, &[navigate],                                   true),
            (Method::GET,  false, &[page, navigate],                             true),
            (Method::GET,  false, &[],                                           false),
            (Method::GET,  false, &[("accept", "*/*")],                          false),
            (Method::GET,  false, &[("accept", "application/json")],             false),
            (Method::GET,  false, &[page, ("sec-fetch-mode", "cors")],           false),
            (Method::GET,  false, &[page, ("sec-fetch-mode", "no-cors")],        false),
            (Method::GET,  false, &[page, ("x-requested-with", "XMLHttpRequest")], false),
            (Method::GET,  false, &[page, navigate, ("hx-request", "true")],     false),
            (Method::GET,  true,  &[page, ("sec-fetch-mode", "websocket")],      false),
            (Method::GET,  true,  &[page],                                       false),
            (Method::POST, false, &[page, navigate],                             false),
        ];
        for (method, is_socket, fields, expected) in table {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
            }
            let asked = Asked {
                method: &method,
                target: "/a?b=1",
                headers: &headers,
                is_socket,
            };
            let to = expected.then(|| "/login?next=/a%3Fb%3D1".to_owned());
            assert_eq!(
                way_to_login(&asked, Some("/login")),
                to,
                "{method} {fields:?}"
            );
            assert_eq!(way_to_login(&asked, None), None);
        }
    }

    #[test]
    fn g17_only_a_path_of_this_site_is_returned_to() {
        let mut headers = HeaderMap::new();
        headers.insert("accept", "text/html".parse().unwrap());
        #[rustfmt::skip]
        let table = [
            ("/cart?step=2",              "/login?next=/cart%3Fstep%3D2"),
            ("/cart?next=//evil.example", "/login?next=/cart%3Fnext%3D//evil.example"),
            ("//evil.example",            "/login"),
            ("/\\evil.example",           "/login"),
            ("/%09/evil.example",         "/login"),
            ("/%5cevil.example",          "/login"),
            ("/ /evil.example",           "/login"),
            ("https:evil.example",        "/login"),
            ("https://app.example@evil",  "/login"),
            ("javascript:alert(1)",       "/login"),
            ("/a\r\nSet-Cookie: x=y",     "/login"),
            ("/%0d%0aSet-Cookie:x=y",     "/login"),
            ("",                          "/login"),
        ];
        for (target, to) in table {
            let asked = Asked {
                method: &Method::GET,
                target,
                headers: &headers,
                is_socket: false,
            };
            assert_eq!(
                way_to_login(&asked, Some("/login")).as_deref(),
                Some(to),
                "{target:?}"
            );
        }
    }
}
