//! Decides why a response carries no cookie, or which of its own fields endanger the one that it carries.

use super::request::Request;
use super::site::{is_encrypted, is_loopback};
use super::situation::Finding;
use super::situations::sent as table;

/// A response, as far as it is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Response {
    pub(super) status: Option<u16>,
    /// Header fields with names in lower case, without Set-Cookie.
    pub(super) fields: Vec<(String, String)>,
    /// The names of all cookies that it sets.
    pub(super) cookies: Vec<String>,
}

/// The facts about the server and the request, beside the response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Background {
    /// `true` if the server sees plain http behind a proxy.
    pub(super) seen_as_http: bool,
    /// `true` if the request brought a cookie of that name.
    pub(super) had_cookie: bool,
    /// `true` if the application is known to send one.
    pub(super) sent_by_application: bool,
}

impl Response {
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        let found = fields.find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    fn is(&self, name: &str, part: &str) -> bool {
        self.field(name)
            .is_some_and(|value| value.to_ascii_lowercase().contains(part))
    }
}

/// Decides why there is no cookie called `name`, likeliest first.
pub(super) fn missing(
    name: &str,
    response: &Response,
    request: &Request,
    background: Background,
) -> Vec<Finding> {
    if background.sent_by_application {
        return vec![table::LOST_AT_HOP.found()];
    }
    if !response.cookies.is_empty() {
        let others = response.cookies.join(", ");
        return vec![table::OTHER_NAME.with("name", name).with("others", others)];
    }
    if let Some(how) = cache_hit(response) {
        return vec![table::CACHED.with("how", how)];
    }
    let mut found = Vec::new();
    if response.status == Some(304) {
        found.push(table::NOT_MODIFIED.found());
    }
    found.push(of_server(response, request, background));
    found
}

fn of_server(response: &Response, request: &Request, background: Background) -> Finding {
    if background.had_cookie {
        return table::UNCHANGED.found();
    }
    let is_http = !is_encrypted(&request.url);
    if background.seen_as_http {
        return table::INSECURE_PROXY.with("seen", "http");
    }
    if is_http && is_loopback(&request.url) {
        return table::INSECURE_LOCALHOST.found();
    }
    if is_http {
        return table::INSECURE.found();
    }
    if response.is("content-type", "text/event-stream") {
        return table::HEAD_SENT.found();
    }
    table::NOTHING_STORED.found()
}

/// Returns the field by which a cache says that it answered.
fn cache_hit(response: &Response) -> Option<&'static str> {
    let age = response
        .field("age")
        .and_then(|age| age.trim().parse::<u64>().ok());
    if age.is_some_and(|age| age > 0) {
        return Some("Age");
    }
    let hits = [
        ("x-cache", "X-Cache"),
        ("cf-cache-status", "CF-Cache-Status"),
        ("x-proxy-cache", "X-Proxy-Cache"),
    ];
    let hit = hits.iter().find(|(field, _)| response.is(field, "hit"));
    hit.map(|(_, shown)| *shown)
}

/// Decides what endangers a cookie that was sent.
pub(super) fn dangers(name: &str, count: usize, response: &Response) -> Vec<Finding> {
    let mut found = Vec::new();
    if count > 1 {
        found.push(table::SENT_TWICE.with("name", name).with("count", count));
    }
    if response.is("cache-control", "public") {
        found.push(table::SENT_ON_CACHEABLE.with("how", "Cache-Control: public"));
    } else if let Some(how) = cache_hit(response) {
        found.push(table::SENT_ON_CACHEABLE.with("how", how));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{Background, Response, dangers, missing};
    use crate::cookie::request::Request;

    fn response(fields: &[(&str, &str)], cookies: &[&str], status: u16) -> Response {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Response {
            status: Some(status),
            fields: fields.iter().map(own).collect(),
            cookies: cookies.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    #[test]
    fn a_missing_cookie_has_a_likeliest_cause() {
        let none = Background::default();
        let http = Background {
            seen_as_http: true,
            ..none
        };
        let had = Background {
            had_cookie: true,
            ..none
        };
        let sent = Background {
            sent_by_application: true,
            ..none
        };
        let (https, plain, local) = (
            "https://shop.example/",
            "http://shop.example/",
            "http://localhost:3000/",
        );
        #[rustfmt::skip]
        let table: &[(&str, Background, Response, &[&str])] = &[
            (plain, none, response(&[], &[], 200),                                           &["server-saw-http"]),
            (local, none, response(&[], &[], 200),                                           &["server-saw-http-localhost"]),
            (https, http, response(&[], &[], 200),                                           &["server-behind-proxy"]),
            (https, none, response(&[], &[], 200),                                           &["server-stored-nothing"]),
            (https, had,  response(&[], &[], 200),                                           &["server-unchanged"]),
            (https, none, response(&[("content-type", "text/event-stream")], &[], 200),      &["server-head-sent"]),
            (https, none, response(&[("age", "12")], &[], 200),                              &["cache-answered"]),
            (https, none, response(&[("age", "0")], &[], 200),                               &["server-stored-nothing"]),
            (https, none, response(&[("x-cache", "HIT from edge")], &[], 200),               &["cache-answered"]),
            (https, had,  response(&[], &[], 304),                                           &["not-modified", "server-unchanged"]),
            (https, sent, response(&[], &[], 200),                                           &["lost-at-a-hop"]),
            (https, none, response(&[], &["lang", "theme"], 200),                            &["server-other-name"]),
        ];
        for (url, background, response, expected) in table {
            let request = Request::page(url.parse().unwrap());
            let found = missing("connect.sid", response, &request, *background);
            let ids: Vec<_> = found.iter().map(|found| found.situation.id).collect();
            assert_eq!(&ids, expected, "{url} {response:?}");
            assert!(
                found
                    .iter()
                    .all(|found| !found.sentence().contains("missing}"))
            );
        }
    }

    #[test]
    fn a_sent_cookie_may_be_in_danger() {
        #[rustfmt::skip]
        let table: &[(usize, Response, &[&str])] = &[
            (1, response(&[("cache-control", "no-store")], &[], 200),            &[]),
            (2, response(&[], &[], 200),                                         &["server-sent-twice"]),
            (1, response(&[("cache-control", "public, max-age=60")], &[], 200),  &["cacheable"]),
            (1, response(&[("x-cache", "Hit")], &[], 200),                       &["cacheable"]),
        ];
        for (count, response, expected) in table {
            let found = dangers("connect.sid", *count, response);
            let ids: Vec<_> = found.iter().map(|found| found.situation.id).collect();
            assert_eq!(&ids, expected, "{response:?}");
        }
    }
}
