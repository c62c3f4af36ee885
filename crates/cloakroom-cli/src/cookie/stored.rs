//! Decides whether a browser stores a cookie (RFC 6265bis §5.7), and under which domain and path.

use std::time::{Duration, SystemTime};

use url::Url;

use super::field::{Field, SameSite, prefix_of};
use super::request::{Credentials, Relation, Request};
use super::site::{
    default_path, domain_match, host, is_address, is_encrypted, is_public_suffix, is_trustworthy,
    path_match, site,
};
use super::situation::{Finding, Situation};
use super::situations::stored as table;

/// The most bytes of a name and its value together (§5.7, step 4).
const MAX_PAIR: usize = 4096;
/// The longest life of a cookie (§5.5).
const MAX_LIFE: Duration = Duration::from_hours(400 * 24);
/// Difference of two clocks that matters to nobody.
const MAX_SKEW: Duration = Duration::from_mins(1);

/// The browser and its response, beside the field.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub(super) now: SystemTime,
    /// The response's Date.
    pub(super) date: Option<SystemTime>,
    pub(super) blocks_third_parties: bool,
    /// `Access-Control-Allow-Credentials` and `-Origin`; `None`: the header fields are not known.
    pub(super) cors: Option<(bool, Option<String>)>,
}

/// The identity of a stored cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) domain: String,
    pub(super) host_only: bool,
    pub(super) path: String,
    /// The site of the page under which it was set.
    pub(super) page: String,
    /// Time after which it ends; `None`: when the browser is closed.
    pub(super) life: Option<Duration>,
}

impl Kept {
    pub(super) fn of(field: &Field, request: &Request, arrival: &Arrival) -> Self {
        let host = host(&request.url);
        let domain = field
            .bare_domain()
            .filter(|domain| !is_own_host(domain, host));
        let path = field.own_path().unwrap_or(default_path(request.url.path()));
        // Chromium counts Expires from the response's own Date.
        let life = field.life(arrival.date.unwrap_or(arrival.now));
        Self {
            host_only: domain.is_none(),
            domain: domain.unwrap_or_else(|| host.to_owned()),
            path: path.to_owned(),
            page: site(request.shown_page()),
            life: life.map(|life| life.min(MAX_LIFE)),
        }
    }
}

/// Decides; the first fault is the one that a browser reports.
pub(super) fn stored(
    field: &Field,
    had: &[Field],
    request: &Request,
    arrival: &Arrival,
) -> Vec<Finding> {
    let mut found = credentials(request, arrival);
    found.extend(content(field));
    found.extend(domain(field, host(&request.url)));
    found.extend(prefix(field, &request.url));
    found.extend(secure(field, had, request));
    found.extend(other_site(field, request, arrival));
    found.extend(time(field, arrival));
    found.extend(slips(field));
    found
}

/// Cross-origin requests of scripts (Fetch, "credentials mode").
fn credentials(request: &Request, arrival: &Arrival) -> Vec<Finding> {
    if !request.is_cross_origin_fetch() {
        return match request.credentials {
            Some(Credentials::Omit) => vec![table::NO_CREDENTIALS.found()],
            _ => Vec::new(),
        };
    }
    let mut found = Vec::new();
    match request.credentials {
        Some(Credentials::Include) => {}
        Some(Credentials::SameOrigin | Credentials::Omit) => {
            found.push(table::NO_CREDENTIALS.found());
        }
        None => found.push(table::CREDENTIALS_UNKNOWN.found()),
    }
    match &arrival.cors {
        Some((_, Some(origin))) if origin == "*" => found.push(table::ALLOW_ORIGIN_ANY.found()),
        Some((false, _)) => found.push(table::NO_ALLOW_CREDENTIALS.found()),
        _ => {}
    }
    found
}

fn content(field: &Field) -> Vec<Finding> {
    let bytes = field.name.len() + field.value.len();
    let mut found = Vec::new();
    if field.has_control {
        found.push(table::CONTROL_CHARACTER.found());
    }
    if bytes == 0 {
        found.push(table::NO_CONTENT.found());
    } else if bytes > MAX_PAIR {
        found.push(table::TOO_LARGE.with("bytes", bytes));
    }
    if field.name.is_empty() && bytes > 0 {
        found.push(match prefix_of(&field.value) {
            Some(prefix) => table::NAMELESS_PREFIX.with("prefix", prefix),
            None => table::NAMELESS.found(),
        });
    }
    found
}

/// Returns `true` if a Domain is the host itself and makes no difference: an address, a name of one label, a
/// public suffix.
fn is_own_host(domain: &str, host: &str) -> bool {
    domain == host && (is_address(host) || !host.contains('.') || is_public_suffix(host))
}

fn domain(field: &Field, host: &str) -> Option<Finding> {
    let domain = field.bare_domain()?;
    let has_parents = !is_address(host) && host.contains('.');
    let situation = if !domain.is_ascii() {
        return Some(table::DOMAIN_NON_ASCII.found());
    } else if domain == host {
        return match (has_parents, is_public_suffix(host)) {
            (false, _) => Some(table::DOMAIN_HOST_ONLY.found()),
            (true, true) => Some(table::DOMAIN_IS_SUFFIX.found()),
            (true, false) => None,
        };
    } else if !has_parents {
        &table::DOMAIN_ADDRESS
    } else if !domain_match(host, &domain) {
        &table::DOMAIN_FOREIGN
    } else if is_public_suffix(&domain) {
        &table::DOMAIN_SUFFIX
    } else {
        return None;
    };
    Some(situation.with("domain", domain).with("host", host))
}

fn prefix(field: &Field, url: &Url) -> Vec<Finding> {
    let Some(prefix) = field.prefix() else {
        return Vec::new();
    };
    let of_host = matches!(prefix, "__Host-" | "__Host-Http-");
    let of_http = matches!(prefix, "__Http-" | "__Host-Http-");
    let is_plain = !is_trustworthy(url);
    let rules = [
        (!field.secure, &table::PREFIX_SECURE),
        (field.secure && is_plain, &table::PREFIX_OVER_HTTP),
        (
            of_host && field.bare_domain().is_some(),
            &table::HOST_PREFIX_DOMAIN,
        ),
        (
            of_host && field.own_path() != Some("/"),
            &table::HOST_PREFIX_PATH,
        ),
        (of_http && !field.http_only, &table::PREFIX_HTTP_ONLY),
    ];
    let broken = rules.into_iter().filter(|(broken, _)| *broken);
    broken
        .map(|(_, situation)| situation.with("prefix", prefix))
        .collect()
}

fn secure(field: &Field, had: &[Field], request: &Request) -> Vec<Finding> {
    let mut found = Vec::new();
    let url = &request.url;
    // A name with a prefix is refused for that.
    match (is_encrypted(url), is_trustworthy(url)) {
        (false, true) if field.secure => found.push(table::SECURE_ON_LOCALHOST.found()),
        (false, false) if field.secure && field.prefix().is_none() => {
            found.push(table::SECURE_OVER_HTTP.found());
        }
        _ => {}
    }
    if !is_trustworthy(url) && !field.secure && had.iter().any(|old| hides(field, old, url)) {
        found.push(table::OVERWRITES_SECURE.found());
    }
    if field.partitioned && !field.secure {
        found.push(table::PARTITIONED_WITHOUT_SECURE.found());
    }
    found
}

/// Returns `true` if a new cookie that is not Secure would hide an old one that is (§5.7, step 16).
fn hides(new: &Field, old: &Field, url: &Url) -> bool {
    let host = host(url);
    let domain = |field: &Field| field.bare_domain().unwrap_or_else(|| host.to_owned());
    let path = |field: &Field| {
        field
            .own_path()
            .unwrap_or(default_path(url.path()))
            .to_owned()
    };
    let (one, other) = (domain(new), domain(old));
    old.secure
        && old.name == new.name
        && (domain_match(&one, &other) || domain_match(&other, &one))
        && path_match(&path(new), &path(old))
}

fn same_site(field: &Field, request: &Request) -> Option<Finding> {
    if field.same_site == SameSite::None {
        return (!field.secure).then(|| table::NONE_WITHOUT_SECURE.found());
    }
    if request.relation() != Relation::CrossSite {
        return None;
    }
    let situation = refused_of_another_site(field.same_site, request.is_schemeful_downgrade());
    Some(
        situation
            .with("mode", request.mode.words())
            .with("page", site(request.shown_page())),
    )
}

fn refused_of_another_site(same_site: SameSite, downgrade: bool) -> &'static Situation {
    match (same_site, downgrade) {
        (SameSite::Strict, false) => &table::CROSS_SITE_STRICT,
        (SameSite::Strict, true) => &table::SCHEMEFUL_STRICT,
        (SameSite::Lax, false) => &table::CROSS_SITE_LAX,
        (SameSite::Lax, true) => &table::SCHEMEFUL_LAX,
        (_, false) => &table::CROSS_SITE_UNSET,
        (_, true) => &table::SCHEMEFUL_UNSET,
    }
}

/// Another site's page: a browser that blocks third parties looks at nothing else.
fn other_site(field: &Field, request: &Request, arrival: &Arrival) -> Option<Finding> {
    let is_blocked = arrival.blocks_third_parties && !field.partitioned;
    if is_blocked && request.is_third_party() {
        return Some(table::THIRD_PARTY_BLOCKED.with("page", site(request.shown_page())));
    }
    let reaches = field.same_site == SameSite::None && !field.partitioned;
    same_site(field, request)
        .or_else(|| (reaches && request.is_third_party()).then(|| table::THIRD_PARTY.found()))
}

fn time(field: &Field, arrival: &Arrival) -> Vec<Finding> {
    let mut found = Vec::new();
    let both = field.max_age.is_some() && field.expires.is_some();
    if both {
        found.push(table::MAX_AGE_WINS.found());
    }
    let attribute = if field.max_age.is_some() {
        "Max-Age"
    } else {
        "Expires"
    };
    match field.life(arrival.date.unwrap_or(arrival.now)) {
        None => found.push(table::BROWSER_SESSION.found()),
        Some(life) if life.is_zero() => found.push(table::DELETED.with("attribute", attribute)),
        Some(life) if life > MAX_LIFE => found.push(table::SHORTENED.found()),
        Some(_) => {}
    }
    if field.max_age.is_none()
        && field.expires.is_some()
        && let Some(skew) = skew(arrival)
    {
        let skew = humantime::format_duration(Duration::from_secs(skew.as_secs()));
        found.push(table::WRONG_DATE.with("skew", skew));
    }
    found
}

/// Returns the difference between the response's Date and the browser's clock, if it matters.
fn skew(arrival: &Arrival) -> Option<Duration> {
    let date = arrival.date?;
    let skew = match arrival.now.duration_since(date) {
        Ok(behind) => behind,
        Err(ahead) => ahead.duration(),
    };
    (skew > MAX_SKEW).then_some(skew)
}

fn slips(field: &Field) -> Vec<Finding> {
    let long = field.too_long.iter();
    let long = long.map(|name| table::ATTRIBUTE_TOO_LONG.with("attribute", name));
    let unreadable = field.unreadable.iter();
    let unreadable = unreadable.map(|name| table::UNREADABLE_EXPIRES.with("attribute", name));
    let unknown = field.unknown.iter();
    let unknown = unknown.map(|name| table::UNKNOWN_ATTRIBUTE.with("attribute", name));
    let misspelt = field.misspelt.iter();
    let misspelt = misspelt.map(|value| table::SAME_SITE_MISSPELT.with("value", value));
    let relative = field
        .path
        .iter()
        .filter(|path| !path.is_empty() && !path.starts_with('/'));
    let relative = relative.map(|path| table::PATH_IGNORED.with("path", path));
    long.chain(unreadable)
        .chain(unknown)
        .chain(misspelt)
        .chain(relative)
        .collect()
}

#[cfg(test)]
pub(super) mod tests;
