//! Settings that contradict each other, and those that hardly anybody means: a table.

use std::time::Duration;

use cloakroom::policy::{CachePolicy, CookieLife, OnStoreError};
use cloakroom::{SameSite, Secure};

use super::settings::{Preset, Settings, Time};

const HOUR: Duration = Duration::from_hours(1);
/// The longest life of a cookie in a browser (RFC 6265bis §5.5).
const LONGEST_COOKIE: Duration = Duration::from_hours(400 * 24);

/// The consequence of a rule that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Weight {
    Warning,
    Contradiction,
}

/// A rule over several settings, or over one.
#[derive(Debug, serde::Serialize)]
pub(super) struct Rule {
    pub(super) id: &'static str,
    pub(super) weight: Weight,
    /// The consequence, in one sentence.
    pub(super) why: &'static str,
    pub(super) mend: &'static str,
    #[serde(skip)]
    broken: fn(&Effective<'_>) -> bool,
}

/// The settings with the defaults that rules compare.
pub(super) struct Effective<'a> {
    set: &'a Settings,
    name: &'a str,
    idle: Duration,
    absolute: Option<Duration>,
    secure: Secure,
    same_site: SameSite,
    cookie_life: CookieLife,
}

impl<'a> Effective<'a> {
    fn of(set: &'a Settings) -> Self {
        let (idle, absolute) = times(set);
        let (secure, same_site, life) = if set.express {
            (Secure::Never, SameSite::Unset, CookieLife::Express)
        } else {
            (Secure::Always, SameSite::Lax, CookieLife::Session)
        };
        Self {
            set,
            name: set.name.as_deref().unwrap_or("connect.sid"),
            idle,
            absolute,
            secure: set.secure.map_or(secure, |secure| secure.0),
            same_site: set.same_site.map_or(same_site, |same_site| same_site.0),
            cookie_life: set.cookie_life.map_or(life, |life| life.0),
        }
    }

    fn has_prefix(&self, prefixes: &[&str]) -> bool {
        let name = self.name.to_ascii_lowercase();
        prefixes
            .iter()
            .any(|prefix| name.starts_with(&prefix.to_ascii_lowercase()))
    }
}

/// Returns `true` if a time was set that is longer than its bound.
fn is_longer(time: Option<Time>, bound: Option<Duration>) -> bool {
    let time = time.and_then(|time| time.0);
    time.zip(bound).is_some_and(|(time, bound)| time > bound)
}

/// Returns the idle and the absolute time-out.
fn times(set: &Settings) -> (Duration, Option<Duration>) {
    let day = 24 * HOUR;
    let (idle, absolute) = match (set.preset, set.express) {
        (Some(Preset::Aal1), _) => (30 * day, Some(30 * day)),
        (Some(Preset::Aal2), _) => (HOUR, Some(day)),
        (Some(Preset::Aal3), _) => (HOUR / 4, Some(HOUR * 12)),
        (None, true) => (day, None),
        (None, false) => (HOUR / 2, Some(day)),
    };
    let own = set.browser_session.or(set.idle_timeout);
    let idle = own.and_then(|time| time.0).unwrap_or(idle);
    let absolute = set.absolute_timeout.map_or(absolute, |time| time.0);
    (idle, absolute)
}

/// Returns the rules that the settings break, contradictions first.
pub(super) fn broken(settings: &Settings) -> Vec<&'static Rule> {
    let effective = Effective::of(settings);
    let mut broken: Vec<&Rule> = RULES
        .iter()
        .filter(|rule| (rule.broken)(&effective))
        .collect();
    broken.sort_by_key(|rule| std::cmp::Reverse(rule.weight));
    broken
}

const fn contradiction(
    id: &'static str,
    why: &'static str,
    mend: &'static str,
    broken: fn(&Effective<'_>) -> bool,
) -> Rule {
    Rule {
        id,
        weight: Weight::Contradiction,
        why,
        mend,
        broken,
    }
}

const fn warning(
    id: &'static str,
    why: &'static str,
    mend: &'static str,
    broken: fn(&Effective<'_>) -> bool,
) -> Rule {
    Rule {
        id,
        weight: Weight::Warning,
        why,
        mend,
        broken,
    }
}

const HOST: [&str; 2] = ["__Host-", "__Host-Http-"];
const HTTP: [&str; 2] = ["__Http-", "__Host-Http-"];
const ANY: [&str; 3] = ["__Host-", "__Http-", "__Secure-"];

/// The rules; tests reach each.
pub(super) static RULES: [Rule; 32] = [
    contradiction(
        "host-prefix-with-domain",
        "Browsers refuse a cookie whose name begins with __Host- and that has a Domain.",
        "Remove `domain`, or the prefix of `name`.",
        |it| it.has_prefix(&HOST) && it.set.domain.is_some(),
    ),
    contradiction(
        "host-prefix-with-path",
        "Browsers refuse a cookie whose name begins with __Host- and whose Path is not /.",
        "Remove `path`, or the prefix of `name`.",
        |it| it.has_prefix(&HOST) && it.set.path.as_deref().is_some_and(|path| path != "/"),
    ),
    contradiction(
        "prefix-without-secure",
        "Browsers refuse a cookie with this prefix that is not Secure.",
        "Set `secure = \"always\"`, or drop the prefix of `name`.",
        |it| it.has_prefix(&ANY) && it.secure != Secure::Always,
    ),
    contradiction(
        "prefix-without-httponly",
        "Browsers refuse a cookie with this prefix that scripts can read.",
        "Remove `http_only = false`, or the prefix of `name`.",
        |it| it.has_prefix(&HTTP) && it.set.http_only == Some(false),
    ),
    contradiction(
        "none-without-secure",
        "Browsers refuse a cookie with SameSite=None that is not Secure.",
        "Set `secure = \"always\"`, or `same_site = \"lax\"`.",
        |it| match it.same_site {
            SameSite::None => it.secure != Secure::Always,
            SameSite::Auto => it.secure == Secure::Never,
            _ => false,
        },
    ),
    contradiction(
        "partitioned-without-secure",
        "Browsers refuse a Partitioned cookie that is not Secure.",
        "Set `secure = \"always\"`.",
        |it| it.set.partitioned && it.secure != Secure::Always,
    ),
    contradiction(
        "absolute-shorter-than-idle",
        "A session ends by its absolute time-out before it could be idle for so long.",
        "Raise `absolute_timeout`, or lower `idle_timeout`.",
        |it| it.absolute.is_some_and(|absolute| absolute < it.idle),
    ),
    contradiction(
        "touch-after-idle",
        "A session that is used would end, because its expiry is not moved before the idle time-out.",
        "Lower `touch_after`: the default is a twentieth of the idle time-out.",
        |it| {
            it.set
                .touch_after
                .and_then(|time| time.0)
                .is_some_and(|after| after >= it.idle)
        },
    ),
    contradiction(
        "renewal-after-absolute",
        "No id is ever renewed, because the session ends first.",
        "Lower `renewal_timeout` below the absolute time-out.",
        |it| {
            it.set
                .renewal_timeout
                .and_then(|time| time.0)
                .zip(it.absolute)
                .is_some_and(|(renewal, absolute)| renewal >= absolute)
        },
    ),
    contradiction(
        "no-session-allowed",
        "No user could sign in.",
        "Raise `max_sessions`.",
        |it| it.set.max_sessions == Some(0),
    ),
    contradiction(
        "at-limit-without-limit",
        "The outcome at the limit of sessions means nothing without the limit.",
        "Set `max_sessions` as well.",
        |it| it.set.at_limit.is_some() && it.set.max_sessions.is_none(),
    ),
    contradiction(
        "hashed-ids-with-express",
        "Express looks for a session under its id, and finds none where ids are hashed at rest.",
        "Remove `hash_ids_at_rest` where Express reads the store.",
        |it| it.set.express && it.set.hash_ids_at_rest,
    ),
    contradiction(
        "realm-with-express",
        "A layer with a realm does not open Express's sessions, which have none.",
        "Remove `realm` where sessions are shared with Express.",
        |it| it.set.express && it.set.realm.is_some(),
    ),
    contradiction(
        "two-realms",
        "`realm` and `no_realm` exclude each other.",
        "Remove one of them.",
        |it| it.set.realm.is_some() && it.set.no_realm,
    ),
    contradiction(
        "two-idle-timeouts",
        "`browser_session` sets the time between two requests, and so does `idle_timeout`.",
        "Remove one of them.",
        |it| it.set.browser_session.is_some() && it.set.idle_timeout.is_some(),
    ),
    contradiction(
        "cookie-path-apart-from-match-path",
        "Browsers never send a cookie of this `path` to requests under `match_path`, unless a proxy changes paths.",
        "Set `path` to a parent of `match_path`, or leave it at /.",
        |it| match (&it.set.path, &it.set.match_path) {
            (Some(path), Some(covered)) => !is_under(covered, path) && !is_under(path, covered),
            _ => false,
        },
    ),
    contradiction(
        "not-a-network",
        "A trusted proxy is neither an address nor a network.",
        "Write `trusted_proxy = [\"10.0.0.0/8\"]`.",
        |it| {
            cloakroom::policy::TrustedProxy::networks(
                it.set.trusted_proxy.iter().map(String::as_str),
            )
            .is_err()
        },
    ),
    warning(
        "renewal-longer-than-idle",
        "Only sessions that are used for longer than the idle time-out without a pause get another id.",
        "Lower `renewal_timeout` below `idle_timeout`, unless that is meant.",
        |it| is_longer(it.set.renewal_timeout, Some(it.idle)),
    ),
    warning(
        "cookie-shorter-than-session",
        "The browser's cookie ends at the idle time-out of the last change, so that a visitor who only reads is signed out.",
        "Use `cookie_life = \"session\"`, or `rolling = true` as Express's way.",
        |it| {
            it.cookie_life == CookieLife::Express
                && it.set.idle_timeout.is_some()
                && !it.set.rolling
        },
    ),
    warning(
        "cookie-over-400-days",
        "Browsers shorten a cookie's life to 400 days.",
        "Lower the time-outs to 400 days.",
        |it| {
            it.absolute.unwrap_or(it.idle) > LONGEST_COOKIE
                || is_longer(it.set.remember_at_most, Some(LONGEST_COOKIE))
        },
    ),
    warning(
        "remember-shorter-than-absolute",
        "A session that is remembered ends before one that is not.",
        "Raise `remember_at_most` above the absolute time-out.",
        |it| {
            it.set
                .remember_at_most
                .and_then(|time| time.0)
                .zip(it.absolute)
                .is_some_and(|(most, absolute)| most < absolute)
        },
    ),
    warning(
        "no-absolute-timeout",
        "A session that is used never ends, whoever uses it (OWASP ASVS 7.3.2 asks for a bound).",
        "Set `absolute_timeout`.",
        |it| it.absolute.is_none() && !it.set.express,
    ),
    warning(
        "never-secure",
        "The cookie travels over plain connections, where it can be read.",
        "Set `secure = \"always\"`, or \"auto\" for a developer's machine.",
        |it| it.secure == Secure::Never && !it.set.express,
    ),
    warning(
        "auto-without-proxy",
        "Behind a proxy that ends TLS every request looks like plain http, and the cookie is then not Secure.",
        "Name the proxy in `trusted_proxy`, unless this server itself ends TLS.",
        |it| it.secure == Secure::Auto && it.set.trusted_proxy.is_empty(),
    ),
    warning(
        "scripts-can-read",
        "A script that an attacker injects can read the cookie.",
        "Remove `http_only = false`.",
        |it| it.set.http_only == Some(false),
    ),
    warning(
        "none-needs-csrf",
        "Every site's forms and scripts carry the cookie with SameSite=None.",
        "Check origins or tokens of all changes (`Csrf`), or use \"lax\".",
        |it| it.same_site == SameSite::None,
    ),
    warning(
        "partitioned-without-none",
        "A Partitioned cookie is for frames of other sites, which get none with this SameSite.",
        "Set `same_site = \"none\"`, or remove `partitioned`.",
        |it| it.set.partitioned && it.same_site != SameSite::None,
    ),
    warning(
        "resave-resurrects",
        "A request that is still running writes back a session that another one has ended.",
        "Remove `resave`.",
        |it| it.set.resave,
    ),
    warning(
        "stores-empty-sessions",
        "Each visit of a robot or a health check leaves a session in the store.",
        "Remove `save_uninitialized`.",
        |it| it.set.save_uninitialized,
    ),
    warning(
        "caches-untouched",
        "A shared cache may serve one visitor's Set-Cookie to the next.",
        "Remove `cache = \"untouched\"`.",
        |it| {
            it.set
                .cache
                .is_some_and(|cache| cache.0 == CachePolicy::Untouched)
        },
    ),
    warning(
        "outage-is-anonymous",
        "While the store is down users look signed out, and pages for signed-in users are open to nobody.",
        "Use `on_store_error = \"unavailable\"` unless most pages are public.",
        |it| {
            it.set
                .on_store_error
                .is_some_and(|on| on.0 == OnStoreError::Anonymous)
        },
    ),
    warning(
        "store-timeout-too-long",
        "A request waits this long for a store that hangs, while clients and proxies give up.",
        "Lower `store_timeout` to a few seconds.",
        |it| is_longer(it.set.store_timeout, Some(Duration::from_secs(29))),
    ),
];

fn is_under(path: &str, prefix: &str) -> bool {
    let rest = path.strip_prefix(prefix);
    rest.is_some_and(|rest| rest.is_empty() || prefix.ends_with('/') || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{RULES, Weight, broken};
    use crate::policy::settings::Settings;

    /// Settings, and the rules that they break.
    #[rustfmt::skip]
    const TABLE: &[(&[&str], &[&str])] = &[
        (&[],                                                              &[]),
        (&["express=true"],                                                &[]),
        (&["preset=aal1"],                                                 &[]),
        (&["preset=aal3", "name=__Host-sid"],                              &[]),
        (&["name=__Host-sid", "domain=shop.example"],                      &["host-prefix-with-domain"]),
        (&["name=__Host-sid", "path=/app"],                                &["host-prefix-with-path"]),
        (&["name=__host-sid", "path=/"],                                   &[]),
        (&["name=__Secure-sid", "secure=never"],                           &["prefix-without-secure", "never-secure"]),
        (&["name=__Host-Http-sid", "http_only=false"],                     &["prefix-without-httponly", "scripts-can-read"]),
        (&["same_site=none", "secure=auto", "trusted_proxy=['10.0.0.1']"], &["none-without-secure", "none-needs-csrf"]),
        (&["same_site=auto", "secure=never"],                              &["none-without-secure", "never-secure"]),
        (&["partitioned=true", "same_site=none"],                          &["none-needs-csrf"]),
        (&["partitioned=true", "secure=never", "same_site=lax"],           &["partitioned-without-secure", "never-secure", "partitioned-without-none"]),
        (&["idle_timeout=25h"],                                            &["absolute-shorter-than-idle"]),
        (&["absolute_timeout=10m"],                                        &["absolute-shorter-than-idle"]),
        (&["touch_after=30m"],                                             &["touch-after-idle"]),
        (&["touch_after=29m"],                                             &[]),
        (&["renewal_timeout=24h"],                                         &["renewal-after-absolute", "renewal-longer-than-idle"]),
        (&["renewal_timeout=1h"],                                          &["renewal-longer-than-idle"]),
        (&["renewal_timeout=10m"],                                         &[]),
        (&["max_sessions=0"],                                              &["no-session-allowed"]),
        (&["at_limit=refuse"],                                             &["at-limit-without-limit"]),
        (&["express=true", "hash_ids_at_rest=true"],                       &["hashed-ids-with-express"]),
        (&["express=true", "realm=shop"],                                  &["realm-with-express"]),
        (&["realm=shop", "no_realm=true"],                                 &["two-realms"]),
        (&["browser_session=1h", "idle_timeout=1h"],                       &["two-idle-timeouts"]),
        (&["path=/app", "match_path=/api"],                                &["cookie-path-apart-from-match-path"]),
        (&["path=/app", "match_path=/app/admin"],                          &[]),
        (&["trusted_proxy=['10.0.0.0/99']"],                               &["not-a-network"]),
        (&["express=true", "idle_timeout=1h"],                             &["cookie-shorter-than-session"]),
        (&["express=true", "idle_timeout=1h", "rolling=true"],             &[]),
        (&["idle_timeout=30d", "absolute_timeout=500d"],                   &["cookie-over-400-days"]),
        (&["remember_at_most=1h"],                                         &["remember-shorter-than-absolute"]),
        (&["absolute_timeout=none"],                                       &["no-absolute-timeout"]),
        (&["secure=auto"],                                                 &["auto-without-proxy"]),
        (&["resave=true"],                                                 &["resave-resurrects"]),
        (&["save_uninitialized=true"],                                     &["stores-empty-sessions"]),
        (&["cache=untouched"],                                             &["caches-untouched"]),
        (&["on_store_error=anonymous"],                                    &["outage-is-anonymous"]),
        (&["store_timeout=30s"],                                           &["store-timeout-too-long"]),
    ];

    fn settings(set: &[&str]) -> Settings {
        let set: Vec<String> = set.iter().map(|&set| set.to_owned()).collect();
        Settings::read(None, &set).ok().unwrap()
    }

    #[test]
    fn each_rule_is_broken_by_its_settings_and_by_no_others() {
        for (set, expected) in TABLE {
            let ids: Vec<_> = broken(&settings(set)).iter().map(|rule| rule.id).collect();
            assert_eq!(&ids, expected, "{set:?}");
        }
        let reached: HashSet<_> = TABLE.iter().flat_map(|(_, ids)| *ids).collect();
        for rule in &RULES {
            assert!(reached.contains(&rule.id), "{}", rule.id);
            assert!(
                rule.why.ends_with('.') && rule.mend.ends_with('.'),
                "{}",
                rule.id
            );
        }
    }

    /// The library refuses no settings in which the rules find no contradiction.
    #[test]
    fn the_library_agrees() {
        for (set, expected) in TABLE {
            let contradicts = broken(&settings(set))
                .iter()
                .any(|rule| rule.weight == Weight::Contradiction);
            if !contradicts {
                assert!(settings(set).build().is_ok(), "{set:?} {expected:?}");
            }
        }
    }
}
