//! Facts about a site: three GET requests, as three visitors who have nothing yet.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cloakroom::store::inspect::Facts;
use ureq::Agent;
use ureq::http::{Response, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use super::attributes::{fault, parse};
use crate::problem::Problem;

/// Time for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of the cookie with which a request is to pass.
const LARGE: usize = 4000;

/// The flags of the site.
#[derive(clap::Args, Debug)]
pub(crate) struct SiteArgs {
    /// A URL that begins a session, for the checks of the cookie behind proxies; repeat it for several
    /// applications on one host
    #[arg(long, value_name = "URL")]
    url: Vec<String>,

    /// Certificates in PEM that are trusted beside those of the web
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// A cookie of the session, as one URL sets it.
struct Answer {
    response: Response<ureq::Body>,
    took: Duration,
}

impl SiteArgs {
    /// Returns `true` if there is a site to look at.
    pub(super) fn is_given(&self) -> bool {
        !self.url.is_empty()
    }

    /// Fetches the URLs, and notes what the answers say about the cookie `name`.
    pub(super) fn note(&self, name: &str, facts: &mut Facts) -> Result<(), Problem> {
        let Some(url) = self.url.first() else {
            return Ok(());
        };
        let uri = parsed(url)?;
        let agent = self.agent()?;
        let (first, second) = (get(&agent, &uri, None)?, get(&agent, &uri, None)?);
        let large = get(
            &agent,
            &uri,
            Some(&format!("cloakroom_doctor={}", "x".repeat(LARGE))),
        )?;
        facts.set(
            "site.large_status",
            i64::from(large.response.status().as_u16()),
        );
        facts.set("site.name", name);
        address(&uri, facts);
        headers(&first, facts);
        cookies(&first, &second, name, &uri, facts);
        facts.set(
            "site.same_name",
            self.others(&agent, &uri, name)?.join(", "),
        );
        Ok(())
    }

    fn agent(&self) -> Result<Agent, Problem> {
        let roots = match &self.ca_file {
            None => RootCerts::WebPki,
            Some(file) => RootCerts::Specific(Arc::new(certificates(file)?)),
        };
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(roots)
            .build();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(TIMEOUT))
            .tls_config(tls);
        Ok(config.build().new_agent())
    }

    /// Returns the other URLs on the first one's host that set a cookie of the same name.
    fn others(&self, agent: &Agent, first: &Uri, name: &str) -> Result<Vec<String>, Problem> {
        let mut same = Vec::new();
        for url in &self.url[1..] {
            let uri = parsed(url)?;
            let sets = !named(&get(agent, &uri, None)?, name).is_empty();
            if sets && uri.host() == first.host() && uri.port_u16() != first.port_u16() {
                same.push(uri.authority().map(ToString::to_string).unwrap_or_default());
            }
        }
        Ok(same)
    }
}

fn certificates(file: &std::path::Path) -> Result<Vec<Certificate<'static>>, Problem> {
    let unusable = |why: String| {
        Problem::usage(format!(
            "--ca-file {}: {why}: give a file in PEM",
            file.display()
        ))
    };
    let pem = std::fs::read(file).map_err(|error| unusable(error.to_string()))?;
    let found = ureq::tls::parse_pem(&pem).filter_map(|item| match item {
        Ok(ureq::tls::PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let found: Vec<_> = found.collect();
    if found.is_empty() {
        return Err(unusable("it holds no certificate".to_owned()));
    }
    Ok(found)
}

fn parsed(url: &str) -> Result<Uri, Problem> {
    let uri: Option<Uri> = url.parse().ok();
    uri.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
        .ok_or_else(|| {
            Problem::usage(
                "--url is no http or https URL: write for example https://www.example.com/",
            )
        })
}

fn get(agent: &Agent, uri: &Uri, cookie: Option<&str>) -> Result<Answer, Problem> {
    let mut request = agent.get(uri.clone()).header("accept", "text/html");
    if let Some(cookie) = cookie {
        request = request.header("cookie", cookie);
    }
    let begin = SystemTime::now();
    let response = request.call().map_err(|error| {
        let place = uri.authority().map(|place| place.host().to_owned()).unwrap_or_default();
        Problem::failed(format!("--url: {place} does not answer ({error}): is it up, and its certificate trusted (--ca-file)?"))
    })?;
    Ok(Answer {
        response,
        took: begin.elapsed().unwrap_or_default(),
    })
}

fn address(uri: &Uri, facts: &mut Facts) {
    let host = uri.host().unwrap_or_default();
    let is_local =
        ["localhost", "127.0.0.1", "[::1]"].contains(&host) || host.ends_with(".localhost");
    facts.set("site.scheme", uri.scheme_str().unwrap_or_default());
    facts.set("site.is_local", is_local);
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.response.headers().get(name)?.to_str().ok()
}

fn headers(answer: &Answer, facts: &mut Facts) {
    facts.set(
        "site.cache_control",
        header(answer, "cache-control")
            .unwrap_or_default()
            .to_lowercase(),
    );
    let is_hit =
        header(answer, "x-cache").is_some_and(|cache| cache.to_uppercase().contains("HIT"));
    let is_old = header(answer, "age").is_some_and(|age| age.trim() != "0");
    facts.set("site.from_cache", is_hit || is_old);
    facts.set(
        "site.hsts",
        header(answer, "strict-transport-security").is_some(),
    );
    let set = answer.response.headers().get_all("set-cookie");
    facts.set(
        "site.set_bytes",
        set.iter().map(ureq::http::HeaderValue::len).sum::<usize>(),
    );
    let date = header(answer, "date").and_then(|date| httpdate::parse_http_date(date).ok());
    facts.note(
        "site.date_skew_s",
        date.map(|date| apart(date, answer.took)),
    );
}

/// Returns the seconds by which a server's clock is ahead of this machine's.
fn apart(date: SystemTime, took: Duration) -> i64 {
    let now = SystemTime::now();
    let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    match date.duration_since(now) {
        Ok(ahead) => seconds(ahead),
        Err(behind) => -seconds(behind.duration().saturating_sub(took)),
    }
}

/// Returns the Set-Cookie fields of a name.
fn named<'a>(answer: &'a Answer, name: &str) -> Vec<&'a str> {
    let fields = answer.response.headers().get_all("set-cookie").iter();
    let fields = fields.filter_map(|field| field.to_str().ok());
    fields
        .filter(|field| parse(field).is_some_and(|(found, ..)| found == name))
        .collect()
}

fn cookies(first: &Answer, second: &Answer, name: &str, uri: &Uri, facts: &mut Facts) {
    let (one, other) = (named(first, name), named(second, name));
    facts.set("site.cookies", one.len());
    let Some((_, value, attributes)) = one.first().and_then(|field| parse(field)) else {
        return;
    };
    let again = other
        .first()
        .and_then(|field| parse(field))
        .map(|(_, value, _)| value);
    facts.set("site.same_cookie", again == Some(value));
    facts.set("site.cookie.secure", attributes.secure);
    facts.set(
        "site.cookie.fault",
        fault(name, &attributes, uri.host()).unwrap_or_default(),
    );
    let date = header(first, "date").and_then(|date| httpdate::parse_http_date(date).ok());
    let expires = attributes
        .expires
        .and_then(|at| httpdate::parse_http_date(&at).ok());
    if let (Some(date), Some(expires)) = (date, expires) {
        facts.set("site.cookie.dead", expires <= date);
    }
}
