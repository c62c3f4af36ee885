//! One cookie: parsed from a `Set-Cookie` field and checked by RFC 6265bis §5.7, and matched with a request
//! by §5.8. All of it is functions of values.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use thiserror::Error;
use url::{Host, Url};

use super::context::Context;

/// The most bytes of a name and its value together (§5.7, step 6).
const MAX_PAIR: usize = 4096;
/// The most bytes of an attribute's value; an attribute with a longer one counts as absent (§5.6).
const MAX_ATTRIBUTE: usize = 1024;
/// The longest lifetime of a cookie (§5.5).
const MAX_LIFE: Duration = Duration::from_hours(400 * 24);
/// Time for which a cookie without `SameSite` goes with another site's form (Chromium's Lax + POST).
const LAX_ALLOWS_UNSAFE: Duration = Duration::from_mins(2);

/// The requests of other sites that carry a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// The attribute was absent or unknown: as `Lax`, but for its first two minutes.
    Default,
    /// With all.
    None,
    /// With a link, and with nothing else.
    Lax,
    /// With none.
    Strict,
}

/// A cookie in a jar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// The name, which is an identity together with domain and path only.
    pub name: String,
    /// The value as it was sent.
    pub value: String,
    /// The host that set it, or its `Domain`.
    pub domain: String,
    /// `true` if it goes to that host alone: there was no `Domain`.
    pub host_only: bool,
    /// Its `Path`, or that of the URL that set it.
    pub path: String,
    /// `true` if it goes over secure connections alone.
    pub secure: bool,
    /// `true` if scripts cannot read it.
    pub http_only: bool,
    /// The other sites' requests that carry it.
    pub same_site: SameSite,
    /// Time at which it ends; `None`: when the browser is closed.
    pub expires: Option<SystemTime>,
    /// Time at which a cookie of this identity was first set.
    pub created: SystemTime,
}

/// The reason for which a browser rejects a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Rejected {
    /// No name, or a control character.
    #[error("the field cannot be read")]
    Unreadable,
    /// Name and value have more than 4,096 bytes.
    #[error("name and value are too long")]
    TooLarge,
    /// `Domain` names another host, or every site of a top-level domain.
    #[error("the domain is not the host's own")]
    ForeignDomain,
    /// `Secure` over a connection that is not, or over a cookie that is.
    #[error("a secure cookie came over an insecure connection")]
    Insecure,
    /// `SameSite=None` without `Secure`.
    #[error("SameSite=None without Secure")]
    NoneWithoutSecure,
    /// The rules of `__Host-` or `__Secure-` do not hold.
    #[error("the rules of its prefix do not hold")]
    Prefix,
    /// Another site's request received it, and `SameSite` forbids that.
    #[error("another site's request may not set it")]
    CrossSite,
}

impl Cookie {
    /// Parses a `Set-Cookie` field of the response to a request to `url`.
    ///
    /// `is_secure` is `true` if the jar treats the connection as secure.
    pub(super) fn read(
        field: &str,
        (url, is_secure): (&Url, bool),
        context: Context,
        now: SystemTime,
    ) -> Result<Self, Rejected> {
        if field
            .bytes()
            .any(|byte| byte.is_ascii_control() && byte != b'\t')
        {
            return Err(Rejected::Unreadable);
        }
        let parsed = cookie::Cookie::parse(field).map_err(|_| Rejected::Unreadable)?;
        if parsed.name().len() + parsed.value().len() > MAX_PAIR {
            return Err(Rejected::TooLarge);
        }
        let host = url.host_str().unwrap_or_default();
        let (domain, host_only) = domain(parsed.domain(), host)?;
        let cookie = Self {
            name: parsed.name().to_owned(),
            value: parsed.value().to_owned(),
            domain,
            host_only,
            path: path(parsed.path(), url),
            secure: parsed.secure() == Some(true),
            http_only: parsed.http_only() == Some(true),
            same_site: same_site(parsed.same_site()),
            expires: expires(&parsed, now),
            created: now,
        };
        let has_root = parsed.path() == Some("/");
        cookie.check(is_secure, has_root, context)?;
        Ok(cookie)
    }

    fn check(&self, is_secure: bool, has_root: bool, context: Context) -> Result<(), Rejected> {
        if self.secure && !is_secure {
            return Err(Rejected::Insecure);
        }
        if self.same_site == SameSite::None && !self.secure {
            return Err(Rejected::NoneWithoutSecure);
        }
        if self.same_site != SameSite::None && !context.may_set_same_site() {
            return Err(Rejected::CrossSite);
        }
        let prefixed = |prefix: &str| {
            let start = self.name.get(..prefix.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        let host = self.secure && self.host_only && has_root;
        if (prefixed("__Host-") && !host) || (prefixed("__Secure-") && !self.secure) {
            return Err(Rejected::Prefix);
        }
        Ok(())
    }

    /// Returns `true` if both are one cookie, of which the later replaces the earlier (§5.7, step 23).
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.name == other.name
            && self.domain == other.domain
            && self.host_only == other.host_only
            && self.path == other.path
    }

    /// Returns `true` if `new`, which is not secure, would hide this one, which is (§5.7, step 16).
    pub(super) fn is_shadowed_by(&self, new: &Self) -> bool {
        let domains =
            domain_match(&self.domain, &new.domain) || domain_match(&new.domain, &self.domain);
        self.secure && self.name == new.name && domains && path_match(&new.path, &self.path)
    }

    /// Returns `true` if it has ended.
    pub(super) fn is_over(&self, now: SystemTime) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// Returns `true` if a request to `url` carries it (§5.8.3, step 1).
    pub(super) fn goes_to(
        &self,
        (url, is_secure): (&Url, bool),
        context: Context,
        now: SystemTime,
    ) -> bool {
        let host = url.host_str().unwrap_or_default();
        let host_matches = if self.host_only {
            host == self.domain
        } else {
            domain_match(host, &self.domain)
        };
        host_matches
            && path_match(url.path(), &self.path)
            && (!self.secure || is_secure)
            && self.goes_with(context, now)
    }

    fn goes_with(&self, context: Context, now: SystemTime) -> bool {
        let is_young = now < self.created + LAX_ALLOWS_UNSAFE;
        match self.same_site {
            SameSite::None => true,
            SameSite::Strict => context.is_same_site(),
            SameSite::Lax => context.is_same_site() || context.is_safe_navigation(),
            SameSite::Default => {
                context.is_same_site()
                    || context.is_safe_navigation()
                    || (context.is_navigation() && is_young)
            }
        }
    }
}

/// Returns the domain of a cookie, and `true` if it goes to that host alone.
fn domain(attribute: Option<&str>, host: &str) -> Result<(String, bool), Rejected> {
    let attribute = attribute.filter(|domain| domain.len() <= MAX_ATTRIBUTE);
    let domain = attribute.map(|domain| domain.strip_prefix('.').unwrap_or(domain));
    let domain = domain.unwrap_or_default().to_ascii_lowercase();
    if domain.is_empty() || (domain == host && (is_address(host) || !host.contains('.'))) {
        return Ok((host.to_owned(), true));
    }
    // Tests do not need a list of public suffixes: those of one label are recognised by the missing dot.
    if !domain.contains('.') || !domain_match(host, &domain) {
        return Err(Rejected::ForeignDomain);
    }
    Ok((domain, false))
}

fn path(attribute: Option<&str>, url: &Url) -> String {
    let attribute = attribute.filter(|path| path.starts_with('/') && path.len() <= MAX_ATTRIBUTE);
    attribute.unwrap_or(default_path(url.path())).to_owned()
}

fn same_site(attribute: Option<cookie::SameSite>) -> SameSite {
    match attribute {
        None => SameSite::Default,
        Some(cookie::SameSite::None) => SameSite::None,
        Some(cookie::SameSite::Lax) => SameSite::Lax,
        Some(cookie::SameSite::Strict) => SameSite::Strict,
    }
}

/// Returns the end of a cookie: by `Max-Age`, else by `Expires`, and 400 days from now at the latest.
fn expires(cookie: &cookie::Cookie<'_>, now: SystemTime) -> Option<SystemTime> {
    let latest = now + MAX_LIFE;
    if let Some(age) = cookie.max_age() {
        // Zero and less is the earliest time.
        let age = u64::try_from(age.whole_seconds()).unwrap_or(0);
        let life = Duration::from_secs(age).min(MAX_LIFE);
        return Some(if age == 0 { UNIX_EPOCH } else { now + life });
    }
    let seconds = cookie.expires_datetime()?.unix_timestamp();
    let since_epoch = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    Some(latest.min(UNIX_EPOCH + since_epoch))
}

/// Returns the path of a cookie without `Path` (§5.1.4).
pub fn default_path(path: &str) -> &str {
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(_) if !path.starts_with('/') => "/",
        Some(end) => &path[..end],
    }
}

/// Returns `true` if a cookie's path covers that of a request (§5.1.4).
pub fn path_match(request: &str, cookie: &str) -> bool {
    request
        .strip_prefix(cookie)
        .is_some_and(|rest| rest.is_empty() || cookie.ends_with('/') || rest.starts_with('/'))
}

/// Returns `true` if a cookie's domain covers a host (§5.1.3).
pub fn domain_match(host: &str, domain: &str) -> bool {
    let rest = host.strip_suffix(domain);
    host == domain || (rest.is_some_and(|rest| rest.ends_with('.')) && !is_address(host))
}

fn is_address(host: &str) -> bool {
    !matches!(Host::parse(host), Ok(Host::Domain(_)))
}
