//! An exchange as a recording has it, whatever its format: `curl -v` or HAR.

use std::time::SystemTime;

use url::Url;

use super::request::{Mode, Request};
use super::sent::Response;

/// The site that stands for another one whose name the recording does not have.
const ELSEWHERE: &str = "https://another-site.invalid/";

/// A request with its response.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    pub(super) url: Url,
    pub(super) method: String,
    /// Header fields with names in lower case.
    pub(super) asked: Vec<(String, String)>,
    pub(super) answered: Vec<(String, String)>,
    pub(super) status: Option<u16>,
    /// Time of the request, where the recording has it.
    pub(super) at: Option<SystemTime>,
}

impl Exchange {
    pub(super) fn new(url: Url, method: &str) -> Self {
        Self {
            url,
            method: method.to_owned(),
            asked: Vec::new(),
            answered: Vec::new(),
            status: None,
            at: None,
        }
    }

    fn asked_for(&self, name: &str) -> Option<&str> {
        first(&self.asked, name)
    }

    /// Returns the Set-Cookie fields.
    pub(super) fn set_cookies(&self) -> Vec<String> {
        // Recorders join several of them by a line break.
        let fields = self
            .answered
            .iter()
            .filter(|(name, _)| name == "set-cookie");
        let lines = fields.flat_map(|(_, value)| value.split('\n'));
        lines
            .map(|line| line.trim_end_matches('\r').to_owned())
            .collect()
    }

    /// Returns the Cookie field; several are joined, as HTTP/2 allows them.
    pub(super) fn cookie(&self) -> Option<String> {
        let fields = self.asked.iter().filter(|(name, _)| name == "cookie");
        let fields: Vec<&str> = fields.map(|(_, value)| value.as_str()).collect();
        (!fields.is_empty()).then(|| fields.join("; "))
    }

    /// Returns the response without its cookies.
    pub(super) fn response(&self) -> Response {
        let is_cookie = |(name, _): &&(String, String)| name == "set-cookie";
        let fields = self.answered.iter().filter(|field| !is_cookie(field));
        let names = self.set_cookies();
        let name = |field: &String| super::field::Field::parse(field).name;
        Response {
            status: self.status,
            fields: fields.cloned().collect(),
            cookies: names
                .iter()
                .map(name)
                .filter(|name| !name.is_empty())
                .collect(),
        }
    }

    /// Returns `Access-Control-Allow-Credentials` and `-Origin`.
    pub(super) fn cors(&self) -> (bool, Option<String>) {
        let credentials = first(&self.answered, "access-control-allow-credentials");
        let origin = first(&self.answered, "access-control-allow-origin");
        (credentials == Some("true"), origin.map(str::to_owned))
    }

    /// Returns the response's Date.
    pub(super) fn date(&self) -> Option<SystemTime> {
        let date = first(&self.answered, "date")?;
        humantime_date(date)
    }

    /// Returns the request as the browser saw it, by its header fields.
    pub(super) fn request(&self) -> Request {
        let mode = self.mode();
        let from = self
            .asked_for("origin")
            .or_else(|| self.asked_for("referer"));
        let from: Option<Url> = from.and_then(|url| url.parse().ok());
        let is_cross = self.asked_for("sec-fetch-site") == Some("cross-site");
        let elsewhere = || ELSEWHERE.parse().ok();
        // A referer of one's own says nothing where the browser says another site.
        let from = from.filter(|url| !is_cross || !super::site::is_same_site(url, &self.url, true));
        let from = if is_cross {
            from.or_else(elsewhere)
        } else {
            from
        };
        Request {
            page: from.clone().filter(|_| mode != Mode::Navigate),
            initiator: from,
            method: self.method.clone(),
            mode,
            ..Request::page(self.url.clone())
        }
    }

    fn mode(&self) -> Mode {
        let dest = self.asked_for("sec-fetch-dest");
        match (self.asked_for("sec-fetch-mode"), dest) {
            (Some("websocket"), _) => Mode::Websocket,
            (Some("navigate"), Some("iframe" | "frame" | "embed" | "object")) => Mode::Iframe,
            (Some("navigate"), _) => Mode::Navigate,
            (Some(_), _) => Mode::Fetch,
            (None, _) => self.mode_without_metadata(),
        }
    }

    /// Returns the mode of a request whose browser says none, as over http.
    fn mode_without_metadata(&self) -> Mode {
        let upgrade = self.asked_for("upgrade");
        let accept = self.asked_for("accept").unwrap_or_default();
        if upgrade.is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket")) {
            Mode::Websocket
        } else if accept.contains("text/html") || self.asked_for("origin").is_none() {
            Mode::Navigate
        } else {
            Mode::Fetch
        }
    }
}

fn first<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut fields = fields.iter();
    let found = fields.find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_str())
}

/// Reads an HTTP date by the rules of cookies, which are laxer.
fn humantime_date(text: &str) -> Option<SystemTime> {
    super::field::Field::parse(&format!("a=b; Expires={text}")).expires
}

/// Chooses the exchange that is about the cookie called `name`: the last one at `url`, if that was given, that
/// sets it, else the last at all.
pub(super) fn choose<'a>(
    exchanges: &'a [Exchange],
    name: Option<&str>,
    url: Option<&Url>,
) -> Option<(&'a Exchange, Option<&'a Exchange>)> {
    let is_at = |exchange: &&Exchange| {
        url.is_none_or(|url| exchange.url.as_str().starts_with(url.as_str()))
    };
    let sets = |exchange: &&Exchange| {
        let fields = exchange.set_cookies();
        fields
            .iter()
            .any(|field| name.is_none_or(|name| super::field::Field::parse(field).name == name))
    };
    let at = || exchanges.iter().filter(is_at);
    let chosen = at().rfind(sets).or_else(|| at().next_back())?;
    let position = exchanges
        .iter()
        .position(|exchange| std::ptr::eq(exchange, chosen))?;
    let later = exchanges[position + 1..]
        .iter()
        .find(|later| super::site::is_same_site(&later.url, &chosen.url, false));
    Some((chosen, later))
}

#[cfg(test)]
mod tests {
    use super::{Exchange, choose};
    use crate::cookie::request::Mode;

    fn exchange(url: &str, asked: &[(&str, &str)], answered: &[(&str, &str)]) -> Exchange {
        let own = |fields: &[(&str, &str)]| {
            let fields = fields.iter();
            fields
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        Exchange {
            asked: own(asked),
            answered: own(answered),
            ..Exchange::new(url.parse().unwrap(), "GET")
        }
    }

    #[test]
    fn the_fields_say_how_a_request_came_about() {
        type Row = (
            &'static [(&'static str, &'static str)],
            Mode,
            Option<&'static str>,
        );
        #[rustfmt::skip]
        let table: &[Row] = &[
            (&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"), ("sec-fetch-site", "none")], Mode::Navigate, None),
            (&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe"), ("sec-fetch-site", "cross-site"), ("referer", "https://other.example/")], Mode::Iframe, Some("https://other.example/")),
            (&[("sec-fetch-mode", "cors"), ("sec-fetch-site", "cross-site"), ("origin", "https://other.example")], Mode::Fetch, Some("https://other.example/")),
            (&[("sec-fetch-mode", "cors"), ("sec-fetch-site", "cross-site")], Mode::Fetch, Some("https://another-site.invalid/")),
            (&[("sec-fetch-mode", "websocket"), ("sec-fetch-site", "same-origin"), ("origin", "https://shop.example")], Mode::Websocket, Some("https://shop.example/")),
            (&[("upgrade", "websocket"), ("origin", "http://shop.example")], Mode::Websocket, Some("http://shop.example/")),
            (&[("accept", "text/html,*/*")], Mode::Navigate, None),
            (&[("accept", "*/*"), ("origin", "http://other.example")], Mode::Fetch, Some("http://other.example/")),
            (&[], Mode::Navigate, None),
        ];
        for (fields, mode, initiator) in table {
            let request = exchange("https://shop.example/", fields, &[]).request();
            assert_eq!(request.mode, *mode, "{fields:?}");
            let asking = request.initiator.map(String::from);
            assert_eq!(asking.as_deref(), *initiator, "{fields:?}");
        }
    }

    #[test]
    fn the_exchange_that_sets_the_cookie_is_chosen_and_the_next_to_its_site() {
        let exchanges = [
            exchange("https://shop.example/", &[], &[]),
            exchange(
                "https://shop.example/login",
                &[],
                &[("set-cookie", "lang=en\nsid=1")],
            ),
            exchange("https://cdn.example/x.css", &[], &[]),
            exchange(
                "https://www.shop.example/me",
                &[("cookie", "a=1"), ("cookie", "b=2")],
                &[],
            ),
        ];
        let (first, later) = choose(&exchanges, Some("sid"), None).unwrap();
        assert_eq!(first.url.path(), "/login");
        assert_eq!(first.set_cookies(), ["lang=en", "sid=1"]);
        assert_eq!(later.unwrap().cookie().as_deref(), Some("a=1; b=2"));
        let (first, _) = choose(&exchanges, Some("other"), None).unwrap();
        assert_eq!(first.url.path(), "/me");
        let url = "https://shop.example/".parse().unwrap();
        let (first, _) = choose(&exchanges, None, Some(&url)).unwrap();
        assert_eq!(first.url.path(), "/login");
        assert!(choose(&[], None, None).is_none());
    }
}
