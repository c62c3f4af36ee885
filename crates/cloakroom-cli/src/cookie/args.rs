//! The flags of `cloakroom cookie explain`, and the facts that they come to.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use url::Url;

use super::chain::Facts;
use super::field::Field;
use super::recording::{Exchange, choose};
use super::request::{Credentials, Mode, Request};
use super::sent::Background;
use super::stored::Arrival;
use super::{curl, har};
use crate::problem::Problem;
use crate::secret_args::SecretArgs;

/// Longest recording, in bytes.
const LONGEST_RECORDING: u64 = 512 * 1024 * 1024;

/// The scheme that the server sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Seen {
    Http,
    Https,
}

/// The browser's answer to cookies of third parties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ThirdParties {
    Allow,
    Block,
}

/// The flags of `cloakroom cookie explain`; without `Debug`, because cookies are in them.
#[derive(clap::Args)]
pub(crate) struct ExplainOptions {
    /// A Set-Cookie field of the response, with or without its name; repeatable
    #[arg(long, value_name = "FIELD", allow_hyphen_values = true)]
    set_cookie: Vec<String>,

    /// The client got no such cookie
    #[arg(long)]
    no_set_cookie: bool,

    /// The Cookie field of the request; `-` reads it from standard input
    ///
    /// A signed cookie is a ticket to its session, and other users of the machine can see flags.
    #[arg(long, value_name = "FIELD", allow_hyphen_values = true)]
    cookie: Option<String>,

    /// URL whose response sets the cookie
    #[arg(long, value_name = "URL", value_parser = web_url)]
    url: Option<Url>,

    /// URL of the request that is to carry it [default: that of --url]
    #[arg(long, value_name = "URL", value_parser = web_url)]
    to: Option<Url>,

    /// Page in the address bar [default: one of the same site]
    #[arg(long, value_name = "URL", value_parser = web_url)]
    page: Option<Url>,

    /// Page that asks: with the link, the form, the script [default: that of --page]
    #[arg(long, value_name = "URL", value_parser = web_url)]
    initiator: Option<Url>,

    /// Method of the request [default: GET]
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,

    /// The way in which the request comes about [default: navigate]
    #[arg(long, value_enum)]
    mode: Option<Mode>,

    /// `credentials` of the script's fetch
    #[arg(long, value_enum)]
    credentials: Option<Credentials>,

    /// URL that redirected to the request; repeatable
    #[arg(long, value_name = "URL", value_parser = web_url)]
    through: Vec<Url>,

    /// Time since the cookie was set: 30s, 3m, 2d [default: 0s]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    age: Option<Duration>,

    /// A cookie that the browser had before, as a Set-Cookie field; repeatable
    #[arg(long, value_name = "FIELD", allow_hyphen_values = true)]
    had: Vec<String>,

    /// The scheme that the server sees, behind its proxy
    #[arg(long, value_enum)]
    seen_as: Option<Seen>,

    /// The browser's setting for cookies of third parties
    #[arg(long, value_enum, default_value = "allow")]
    third_parties: ThirdParties,

    /// A recording of a browser's network panel; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "curl")]
    har: Option<PathBuf>,

    /// The output of `curl -v`; `-` is standard input
    #[arg(long, value_name = "FILE")]
    curl: Option<PathBuf>,

    /// The cookie's name [default: that of the one Set-Cookie field, else connect.sid]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// The server accepts every id (`IdGrammar::any`), as Express does
    #[arg(long)]
    pub(super) any_id: bool,

    /// Store of the sessions, for the last stage; it is only read
    ///
    /// The environment's `CLOAKROOM_STORE` is the better place for a URL with a password: other users of the
    /// machine can see flags.
    #[arg(
        long,
        value_name = "URL",
        env = "CLOAKROOM_STORE",
        hide_env_values = true
    )]
    pub(super) store: Option<String>,

    /// Prefix of the keys in Redis [default: sess:]
    #[arg(long, value_name = "PREFIX")]
    pub(super) prefix: Option<String>,

    /// Print one line of JSON
    #[arg(long)]
    pub(super) json: bool,

    #[command(flatten)]
    pub(super) secrets: SecretArgs,
}

/// Reads a URL of the web, which may lack its scheme on this machine.
fn web_url(text: &str) -> Result<Url, &'static str> {
    const SHAPE: &str = "give a URL such as https://shop.example/login";
    let url: Url = text.parse().map_err(|_| SHAPE)?;
    let is_web = matches!(url.scheme(), "http" | "https" | "ws" | "wss");
    if is_web && url.host().is_some() {
        Ok(url)
    } else {
        Err(SHAPE)
    }
}

impl ExplainOptions {
    /// Returns the facts of flags and recording; flags go before.
    pub(super) fn facts(&self, now: SystemTime) -> Result<Facts, Problem> {
        let exchanges = self.recording()?;
        let (first, later) = match exchanges.as_deref() {
            Some(exchanges) => self.chosen(exchanges)?,
            None => (None, None),
        };
        let is_sanitized =
            self.har.is_some() && exchanges.as_deref().is_some_and(har::is_sanitized);
        let recorded = first.map(Exchange::set_cookies).unwrap_or_default();
        let given = self
            .set_cookie
            .iter()
            .map(|field| without_name(field, "set-cookie"));
        let fields: Vec<String> = given.map(str::to_owned).chain(recorded).collect();
        let cookie = self.cookie_field(later.or(first))?;
        let name = self.name(&fields, cookie.as_deref());
        let first_request = self.request(first, self.to.is_none());
        self.require_url(&fields, cookie.as_deref(), first_request.as_ref())?;
        let had_cookie = first
            .and_then(Exchange::cookie)
            .or_else(|| self.cookie.clone());
        let had_cookie = had_cookie.is_some_and(|field| has(&field, &name));
        Ok(Facts {
            response: first.map(Exchange::response),
            none_arrived: self.no_set_cookie,
            background: Background {
                seen_as_http: self.seen_as == Some(Seen::Http),
                had_cookie,
                sent_by_application: false,
            },
            later: self.later(first_request.as_ref(), later),
            first: first_request,
            arrival: self.arrival(first, now),
            age: self.age.unwrap_or_default(),
            had: self
                .had
                .iter()
                .map(|field| without_name(field, "set-cookie").to_owned())
                .collect(),
            is_sanitized,
            fields,
            cookie,
            name,
        })
    }

    fn recording(&self) -> Result<Option<Vec<Exchange>>, Problem> {
        let (path, read): (&PathBuf, fn(&str) -> _) = match (&self.har, &self.curl) {
            (Some(path), _) => (path, har::read),
            (None, Some(path)) => (path, curl::read),
            (None, None) => return Ok(None),
        };
        let exchanges = read(&read_file(path)?).map_err(|reason| {
            Problem::usage(format!("{} cannot be read: {reason}", path.display()))
        });
        exchanges.map(Some)
    }

    fn chosen<'a>(
        &self,
        exchanges: &'a [Exchange],
    ) -> Result<(Option<&'a Exchange>, Option<&'a Exchange>), Problem> {
        let chosen = choose(exchanges, self.name.as_deref(), self.url.as_ref());
        let (first, later) = chosen.ok_or_else(|| {
            Problem::usage("the recording has no request to --url: give one that is in it")
        })?;
        Ok((Some(first), later))
    }

    /// Returns the Cookie field that was given, else that of the recording, where a request of it has one.
    fn cookie_field(&self, recorded: Option<&Exchange>) -> Result<Option<String>, Problem> {
        match self.cookie.as_deref() {
            Some("-") if self.secrets.takes_stdin() => Err(Problem::usage(
                "standard input cannot be cookie and secret: put the secret into a file",
            )),
            Some("-") => super::line_of_stdin("the Cookie field").map(Some),
            Some(field) => Ok(Some(without_name(field, "cookie").to_owned())),
            None => Ok(recorded.and_then(Exchange::cookie)),
        }
    }

    /// Returns the name that was given, else that of the one field, or of the one that looks like a session's.
    fn name(&self, fields: &[String], cookie: Option<&str>) -> String {
        if let Some(name) = &self.name {
            return name.clone();
        }
        let parsed: Vec<Field> = fields.iter().map(|field| Field::parse(field)).collect();
        let is_signed = |value: &str| value.starts_with("s%3A") || value.starts_with("s:");
        let signed = parsed.iter().find(|field| is_signed(&field.value));
        if let Some(field) = signed.or(parsed.first().filter(|_| parsed.len() == 1)) {
            return field.name.clone();
        }
        let pairs = cookie
            .unwrap_or_default()
            .split(';')
            .filter_map(|pair| pair.split_once('='));
        let mut signed = pairs.filter(|(_, value)| is_signed(value));
        let name = signed.next().map(|(name, _)| name.trim().to_owned());
        name.unwrap_or_else(|| "connect.sid".to_owned())
    }

    /// Returns the request of the recording, or that of the flags.
    ///
    /// With a later request (--to) the flags are about that one.
    fn request(&self, recorded: Option<&Exchange>, takes_flags: bool) -> Option<Request> {
        let mut request = match (recorded, &self.url) {
            (Some(exchange), _) => exchange.request(),
            (None, Some(url)) => Request::page(url.clone()),
            (None, None) => return None,
        };
        if takes_flags {
            self.override_by_flags(&mut request);
        }
        Some(request)
    }

    fn override_by_flags(&self, request: &mut Request) {
        if let Some(mode) = self.mode {
            request.mode = mode;
        }
        if let Some(method) = &self.method {
            request.method.clone_from(method);
        }
        if self.page.is_some() {
            request.page.clone_from(&self.page);
        }
        if self.initiator.is_some() {
            request.initiator.clone_from(&self.initiator);
        }
        request.credentials = self.credentials.or(request.credentials);
        request.redirects.clone_from(&self.through);
    }

    fn later(&self, first: Option<&Request>, recorded: Option<&Exchange>) -> Option<Request> {
        let mut later = match (recorded, &self.to) {
            (_, Some(to)) => Request::page(to.clone()),
            (Some(exchange), None) => exchange.request(),
            (None, None) => first?.clone(),
        };
        self.override_by_flags(&mut later);
        Some(later)
    }

    fn arrival(&self, first: Option<&Exchange>, now: SystemTime) -> Arrival {
        let date = first.and_then(Exchange::date);
        let at = first.and_then(|exchange| exchange.at);
        Arrival {
            // A recording is of its own time.
            now: at.or(date).unwrap_or(now),
            date,
            blocks_third_parties: self.third_parties == ThirdParties::Block,
            cors: first.map(Exchange::cors),
        }
    }

    fn require_url(
        &self,
        fields: &[String],
        cookie: Option<&str>,
        first: Option<&Request>,
    ) -> Result<(), Problem> {
        let asks_for_browser = !fields.is_empty() || self.no_set_cookie;
        if asks_for_browser && first.is_none() {
            return Err(Problem::usage(
                "a Set-Cookie field means nothing without the URL that sent it: add --url https://…",
            ));
        }
        if !asks_for_browser && cookie.is_none() && first.is_none() {
            return Err(Problem::usage(
                "nothing to explain: give --set-cookie and --url, or --cookie, or a recording by --har or --curl",
            ));
        }
        if !asks_for_browser && cookie.is_none() && self.har.is_none() && self.curl.is_none() {
            return Err(Problem::usage(
                "a URL alone says nothing: add --set-cookie, --no-set-cookie or --cookie",
            ));
        }
        Ok(())
    }
}

fn has(field: &str, name: &str) -> bool {
    cloakroom::cookie::cookie_pairs(field.as_bytes()).any(|(own, _)| own == name.as_bytes())
}

/// Removes the field's name, which people copy as well.
fn without_name<'a>(field: &'a str, name: &str) -> &'a str {
    let field = field.trim_start();
    match field.split_once(':') {
        Some((own, value)) if own.trim().eq_ignore_ascii_case(name) => value.trim_start(),
        _ => field,
    }
}

fn read_file(path: &Path) -> Result<String, Problem> {
    let mut bytes = Vec::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin()
            .take(LONGEST_RECORDING)
            .read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path)
            .and_then(|file| file.take(LONGEST_RECORDING).read_to_end(&mut bytes))
    };
    read.map_err(|error| {
        Problem::failed(format!(
            "{} cannot be read ({error}): give another file",
            path.display()
        ))
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::{web_url, without_name};

    #[test]
    fn a_copied_field_loses_its_name_and_nothing_else() {
        for (field, bare) in [
            ("Set-Cookie: a=1", "a=1"),
            ("set-cookie:a=1", "a=1"),
            ("a=s:1", "a=s:1"),
            ("Cookie: a=1", "Cookie: a=1"),
        ] {
            assert_eq!(without_name(field, "set-cookie"), bare);
        }
    }

    #[test]
    fn only_urls_of_the_web_are_taken() {
        for (text, is_taken) in [
            ("https://shop.example", true),
            ("wss://shop.example/live", true),
            ("shop.example", false),
            ("localhost:3000", false),
            ("file:///x", false),
            ("https://", false),
        ] {
            assert_eq!(web_url(text).is_ok(), is_taken, "{text}");
        }
    }
}
