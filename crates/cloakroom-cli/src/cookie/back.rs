//! Decides whether a browser sends a stored cookie with a request (RFC 6265bis §5.8.3).

use std::time::Duration;

use humantime::format_duration;

use super::field::{Field, SameSite};
use super::request::{Credentials, Mode, Relation, Request};
use super::site::{
    domain_match, host, is_loopback, is_same_site, is_trustworthy, path_match, site,
};
use super::situation::{Finding, Situation};
use super::situations::back as table;
use super::stored::Kept;

/// Time for which a cookie without `SameSite` goes with another site's form (Chromium's Lax + POST).
const LAX_ALLOWS_UNSAFE: Duration = Duration::from_mins(2);

/// The age of the cookie and the setting of the browser.
#[derive(Clone, Copy, Debug)]
pub(super) struct Later {
    /// Time since the cookie was set.
    pub(super) age: Duration,
    pub(super) blocks_third_parties: bool,
}

/// Decides; the first fault is the cause.
pub(super) fn sent_back(
    field: &Field,
    kept: &Kept,
    request: &Request,
    later: Later,
) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(place(field, kept, request));
    found.extend(over(kept, later));
    found.extend(script(field, request));
    found.extend(same_site(field, request, later));
    found.extend(redirects(field, request));
    found.extend(third_party(field, kept, request, later));
    found.extend(ports(field, request));
    found
}

/// Host, path and scheme.
fn place(field: &Field, kept: &Kept, request: &Request) -> Vec<Finding> {
    let (to, path) = (host(&request.url), request.url.path());
    let mut found = Vec::new();
    let is_host = if kept.host_only {
        to == kept.domain
    } else {
        domain_match(to, &kept.domain)
    };
    if !is_host {
        found.push(other_host(kept, request));
    }
    if !path_match(path, &kept.path) {
        let situation = match field.own_path() {
            Some(_) => &table::OTHER_PATH,
            None => &table::DEFAULT_PATH,
        };
        found.push(situation.with("path", &kept.path).with("request", path));
    }
    if field.secure && !is_trustworthy(&request.url) {
        found.push(table::SECURE_TO_HTTP.found());
    }
    found
}

fn other_host(kept: &Kept, request: &Request) -> Finding {
    let own = format!("http://{}", kept.domain).parse();
    let both_here = is_loopback(&request.url) && own.is_ok_and(|own| is_loopback(&own));
    let situation = match (kept.host_only, both_here) {
        (true, true) => &table::LOOPBACK_NAMES,
        (true, false) => &table::OTHER_HOST,
        (false, _) => &table::OTHER_DOMAIN,
    };
    situation
        .with("domain", &kept.domain)
        .with("host", host(&request.url))
}

fn over(kept: &Kept, later: Later) -> Option<Finding> {
    let life = kept.life.filter(|life| *life <= later.age)?;
    let text = |time: Duration| format_duration(Duration::from_secs(time.as_secs())).to_string();
    Some(
        table::OVER
            .with("life", text(life))
            .with("age", text(later.age)),
    )
}

fn script(field: &Field, request: &Request) -> Option<Finding> {
    let own_only = !request.is_cross_origin_fetch();
    match (request.mode, request.credentials) {
        (Mode::Script, _) if field.http_only => Some(table::HIDDEN_FROM_SCRIPTS.found()),
        (Mode::Fetch, Some(Credentials::Omit)) => Some(table::FETCH_OMITS.found()),
        (Mode::Fetch, Some(Credentials::SameOrigin)) if !own_only => {
            Some(table::FETCH_OMITS.found())
        }
        _ => None,
    }
}

fn same_site(field: &Field, request: &Request, later: Later) -> Option<Finding> {
    let relation = request.relation();
    let is_young = later.age < LAX_ALLOWS_UNSAFE;
    let situation = match (field.same_site, relation) {
        (SameSite::None, _)
        | (_, Relation::Strict)
        | (SameSite::Lax | SameSite::Unset, Relation::Lax) => return None,
        (SameSite::Unset, Relation::LaxUnsafe) if is_young => &table::UNSET_YOUNG,
        _ if request.is_schemeful_downgrade() => of_schemes(field.same_site),
        (SameSite::Strict, Relation::CrossSite) => &table::STRICT_SUBREQUEST,
        (SameSite::Strict, _) => &table::STRICT_LINK,
        (SameSite::Lax, Relation::LaxUnsafe) => &table::LAX_POST,
        (SameSite::Lax, Relation::CrossSite) => &table::LAX_SUBREQUEST,
        (SameSite::Unset, Relation::LaxUnsafe) => &table::UNSET_POST,
        (SameSite::Unset, Relation::CrossSite) => &table::UNSET_SUBREQUEST,
    };
    let asking = request.asking().map_or_else(String::new, site);
    Some(
        situation
            .with("initiator", asking)
            .with("mode", request.mode.words()),
    )
}

fn of_schemes(same_site: SameSite) -> &'static Situation {
    match same_site {
        SameSite::Strict => &table::SCHEMEFUL_STRICT,
        SameSite::Lax => &table::SCHEMEFUL_LAX,
        SameSite::Unset | SameSite::None => &table::SCHEMEFUL_UNSET,
    }
}

fn redirects(field: &Field, request: &Request) -> Option<Finding> {
    let is_foreign = |url: &&url::Url| !is_same_site(url, &request.url, true);
    let through = request.redirects.iter().find(is_foreign)?;
    let counts = field.same_site == SameSite::Strict && request.relation() == Relation::Strict;
    counts.then(|| table::STRICT_REDIRECT.with("through", site(through)))
}

fn third_party(field: &Field, kept: &Kept, request: &Request, later: Later) -> Option<Finding> {
    let page = site(request.shown_page());
    if field.partitioned {
        let is_other = kept.page != page;
        return is_other.then(|| {
            table::OTHER_PARTITION
                .with("set", &kept.page)
                .with("page", page)
        });
    }
    let blocked = later.blocks_third_parties && request.is_third_party();
    blocked.then(|| table::THIRD_PARTY_BLOCKED.with("page", page))
}

fn ports(field: &Field, request: &Request) -> Option<Finding> {
    let shares = is_loopback(&request.url) || request.url.port().is_some();
    let situation = table::PORTS_SHARE.with("host", host(&request.url));
    shares.then(|| situation.with("name", &field.name))
}

#[cfg(test)]
mod tests;
