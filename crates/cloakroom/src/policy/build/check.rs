//! Checks settings against each other.

use std::time::Duration;

use super::PolicyError;
use crate::cookie::{LONGEST_ATTRIBUTE, Prefix, fits_cookie, is_domain, is_path};
use crate::id::SessionId;
use crate::policy::{MatchPath, SameSite, Secure, Settings};

/// Checks the requirements of the name's prefix (RFC 6265bis §4.1.3).
pub(super) fn prefix(settings: &Settings) -> Result<(), PolicyError> {
    let prefix = settings.name.prefix();
    let of_host = matches!(prefix, Prefix::Host | Prefix::HostHttp);
    let of_http = matches!(prefix, Prefix::Http | Prefix::HostHttp);
    let rules = [
        (
            of_host && settings.domain.is_some(),
            PolicyError::HostPrefixWithDomain,
        ),
        (
            of_host && &*settings.path != "/",
            PolicyError::HostPrefixWithPath,
        ),
        (
            prefix != Prefix::None && settings.secure != Secure::Always,
            PolicyError::PrefixWithoutSecure,
        ),
        (
            of_http && !settings.http_only,
            PolicyError::PrefixWithoutHttpOnly,
        ),
    ];
    first_broken(&rules)
}

/// Checks that requests can bring the library's own ids back; those of an `id_generator` are checked one by
/// one.
pub(super) fn ids(settings: &Settings) -> Result<(), PolicyError> {
    let id = SessionId::random();
    let draws_own = settings.id_generator.is_none();
    let rules = [
        (
            draws_own && !settings.id_grammar.allows(id.expose()),
            PolicyError::IdGrammar,
        ),
        (
            !fits_cookie(&settings.name, id.expose()),
            PolicyError::NameTooLong,
        ),
    ];
    first_broken(&rules)
}

/// Checks the settings of users' sessions.
pub(super) fn users(settings: &Settings) -> Result<(), PolicyError> {
    let none = settings.max_sessions.is_some_and(|(most, _)| most == 0);
    let is_none = |realm: &str| realm.is_empty() || realm.contains(char::is_control);
    let bad_realm = settings.realm.as_deref().is_some_and(is_none);
    first_broken(&[
        (none, PolicyError::NoSession),
        (bad_realm, PolicyError::Realm),
    ])
}

/// Checks that user agents accept the attributes together, and that a field can express them.
pub(super) fn attributes(settings: &Settings) -> Result<(), PolicyError> {
    let not_always = settings.secure != Secure::Always;
    let never = settings.secure == Secure::Never;
    let is_too_long = |value: &str| value.len() > LONGEST_ATTRIBUTE;
    let bad_domain = settings
        .domain
        .as_deref()
        .is_some_and(|domain| !is_domain(domain) || is_too_long(domain));
    let bad_match =
        matches!(&settings.match_path, MatchPath::Under(path) if !path.starts_with('/'));
    let bad_path =
        !settings.path.starts_with('/') || !is_path(&settings.path) || is_too_long(&settings.path);
    let rules = [
        (
            settings.same_site == SameSite::None && not_always,
            PolicyError::SameSiteNoneWithoutSecure,
        ),
        (
            settings.same_site == SameSite::Auto && never,
            PolicyError::SameSiteNoneWithoutSecure,
        ),
        (
            settings.partitioned && not_always,
            PolicyError::PartitionedWithoutSecure,
        ),
        (bad_domain, PolicyError::Domain),
        (bad_path, PolicyError::Path),
        (bad_match, PolicyError::MatchPath),
    ];
    first_broken(&rules)
}

/// Checks that the time-outs are consistent.
pub(super) fn times(settings: &Settings) -> Result<(), PolicyError> {
    const LEAST: Duration = Duration::from_secs(1);
    const MOST: Duration = Duration::from_hours(100 * 365 * 24);
    let idle = settings
        .idle_timeout
        .unwrap_or(settings.browser_session_ttl);
    let too_short = |timeout: Option<Duration>| timeout.is_some_and(|timeout| timeout < LEAST);
    let shorter_than_idle =
        |timeout: Option<Duration>| timeout.is_some_and(|timeout| timeout < idle);
    let rules = [
        (idle > MOST, PolicyError::TimeoutTooLong),
        (idle < LEAST, PolicyError::TimeoutTooShort),
        (
            too_short(settings.absolute_timeout),
            PolicyError::TimeoutTooShort,
        ),
        (
            too_short(settings.renewal_timeout),
            PolicyError::TimeoutTooShort,
        ),
        (
            too_short(settings.remember_at_most),
            PolicyError::TimeoutTooShort,
        ),
        (
            settings.remember_at_most.is_some_and(|most| most > MOST),
            PolicyError::TimeoutTooLong,
        ),
        (
            settings.store_timeout.is_zero(),
            PolicyError::TimeoutTooShort,
        ),
        (
            shorter_than_idle(settings.absolute_timeout),
            PolicyError::AbsoluteShorterThanIdle,
        ),
        (
            settings.touch_after.is_some_and(|after| after >= idle),
            PolicyError::TouchAfterTooLong,
        ),
    ];
    first_broken(&rules)
}

fn first_broken(rules: &[(bool, PolicyError)]) -> Result<(), PolicyError> {
    rules
        .iter()
        .find(|(broken, _)| *broken)
        .map_or(Ok(()), |(_, error)| Err(*error))
}
