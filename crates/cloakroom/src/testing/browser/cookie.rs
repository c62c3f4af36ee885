//! One cookie: read from a `Set-Cookie` field and judged as RFC 6265bis §5.7 says, and matched with
//! a request as §5.8 says. All of it is functions of values.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use thiserror::Error;
use url::{Host, Url};

use super::context::Context;

/// The bytes that a name and its value may have together (§5.7, step 6).
const MAX_PAIR: usize = 4096;
/// The bytes of an attribute's value beyond which the attribute counts as absent (§5.6).
const MAX_ATTRIBUTE: usize = 1024;
/// The longest that a cookie is kept (§5.5).
const MAX_LIFE: Duration = Duration::from_hours(400 * 24);
/// How long a cookie without `SameSite` goes with another site's form (Chromium's Lax + POST).
const LAX_ALLOWS_UNSAFE: Duration = Duration::from_mins(2);

/// When a cookie goes with the requests of other sites.
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

/// What a jar knows of a cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// The name, which is an identity together with domain and path only.
    pub name: String,
    /// The value as it was sent.
    pub value: String,
    /// The host that set it, or its `Domain`.
    pub domain: String,
    /// Whether it goes to that host alone: there was no `Domain`.
    pub host_only: bool,
    /// Its `Path`, or that of the URL that set it.
    pub path: String,
    /// Whether it goes over secure connections alone.
    pub secure: bool,
    /// Whether scripts do not see it.
    pub http_only: bool,
    /// Whether it goes with other sites' requests.
    pub same_site: SameSite,
    /// When it ends; `None` where that is when the browser is closed.
    pub expires: Option<SystemTime>,
    /// When a cookie of this identity was first set.
    pub created: SystemTime,
}

/// Why a browser does not keep a cookie.
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
    /// Another site's request got it, and `SameSite` forbids that.
    #[error("another site's request may not set it")]
    CrossSite,
}

impl Cookie {
    /// Reads a `Set-Cookie` field that answers a request to `url`.
    ///
    /// `is_secure` is whether the jar takes the connection for secure.
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

    /// Whether both are one cookie, of which the later replaces the earlier (§5.7, step 23).
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.name == other.name
            && self.domain == other.domain
            && self.host_only == other.host_only
            && self.path == other.path
    }

    /// Whether `new`, which is not secure, would hide this one, which is (§5.7, step 16).
    pub(super) fn is_shadowed_by(&self, new: &Self) -> bool {
        let domains =
            domain_match(&self.domain, &new.domain) || domain_match(&new.domain, &self.domain);
        self.secure && self.name == new.name && domains && path_match(&new.path, &self.path)
    }

    /// Whether it has ended.
    pub(super) fn is_over(&self, now: SystemTime) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// Whether a request to `url` carries it (§5.8.3, step 1).
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

/// The domain of a cookie, and whether it goes to that host alone.
fn domain(attribute: Option<&str>, host: &str) -> Result<(String, bool), Rejected> {
    let attribute = attribute.filter(|domain| domain.len() <= MAX_ATTRIBUTE);
    let domain = attribute.map(|domain| domain.strip_prefix('.').unwrap_or(domain));
    let domain = domain.unwrap_or_default().to_ascii_lowercase();
    if domain.is_empty() || (domain == host && (is_address(host) || !host.contains('.'))) {
        return Ok((host.to_owned(), true));
    }
    // A list of public suffixes is more than tests need: those of one label are told by the dot.
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

/// The end of a cookie: by `Max-Age`, else by `Expires`, and 400 days from now at the latest.
fn expires(cookie: &cookie::Cookie<'_>, now: SystemTime) -> Option<SystemTime> {
    let latest = now + MAX_LIFE;
    if let Some(age) = cookie.max_age() {
        // What is zero or less is the earliest time there is.
        let age = u64::try_from(age.whole_seconds()).unwrap_or(0);
        let life = Duration::from_secs(age).min(MAX_LIFE);
        return Some(if age == 0 { UNIX_EPOCH } else { now + life });
    }
    let seconds = cookie.expires_datetime()?.unix_timestamp();
    let since_epoch = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    Some(latest.min(UNIX_EPOCH + since_epoch))
}

/// The path of a cookie without `Path` (§5.1.4).
pub fn default_path(path: &str) -> &str {
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(_) if !path.starts_with('/') => "/",
        Some(end) => &path[..end],
    }
}

/// Whether a cookie's path covers that of a request (§5.1.4).
pub fn path_match(request: &str, cookie: &str) -> bool {
    request
        .strip_prefix(cookie)
        .is_some_and(|rest| rest.is_empty() || cookie.ends_with('/') || rest.starts_with('/'))
}

/// Whether a cookie's domain covers a host (§5.1.3).
pub fn domain_match(host: &str, domain: &str) -> bool {
    let rest = host.strip_suffix(domain);
    host == domain || (rest.is_some_and(|rest| rest.ends_with('.')) && !is_address(host))
}

fn is_address(host: &str) -> bool {
    !matches!(Host::parse(host), Ok(Host::Domain(_)))
}
