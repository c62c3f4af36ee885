//! Not stored by the browser, or stored otherwise than it was meant (RFC 6265bis §5.6, §5.7).

use crate::cookie::situation::{Situation, Stage::Stored};

pub(in crate::cookie) static SECURE_OVER_HTTP: Situation = Situation::fault(
    Stored,
    "secure-over-http",
    "The browser refuses the cookie because it is Secure and came over http.",
    "Serve the page over https, or leave Secure out on plain http (`Secure::Auto`).",
)
.named("SecureOnly");
pub(in crate::cookie) static SECURE_ON_LOCALHOST: Situation = Situation::warning(
    Stored,
    "secure-on-localhost",
    "Chromium and Firefox store a Secure cookie from http on this machine, with a prefix or without, and Safari does not.",
    "Use `Secure::Auto` on a developer's machine.",
);
pub(in crate::cookie) static PREFIX_OVER_HTTP: Situation = Situation::fault(
    Stored,
    "prefix-over-http",
    "The browser refuses the cookie because a name with {prefix} needs https.",
    "Use https, or a name without the prefix where there is none.",
)
.named("InvalidPrefix");
pub(in crate::cookie) static NONE_WITHOUT_SECURE: Situation = Situation::fault(
    Stored,
    "none-without-secure",
    "The browser refuses the cookie because SameSite=None needs Secure.",
    "Add Secure and serve over https, or use SameSite=Lax.",
)
.named("SameSiteNoneInsecure");
pub(in crate::cookie) static CROSS_SITE_STRICT: Situation = Situation::fault(
    Stored,
    "cross-site-answer-strict",
    "The browser refuses the cookie because {mode} of another site, {page}, received it and it is SameSite=Strict.",
    "Serve page and API from one site, or set SameSite=None; Secure where other sites are to have the session.",
)
.named("SameSiteStrict");
pub(in crate::cookie) static CROSS_SITE_LAX: Situation = Situation::fault(
    Stored,
    "cross-site-answer-lax",
    "The browser refuses the cookie because {mode} of another site, {page}, received it and it is SameSite=Lax.",
    "Serve page and API from one site, or set SameSite=None; Secure where other sites are to have the session.",
)
.named("SameSiteLax");
pub(in crate::cookie) static CROSS_SITE_UNSET: Situation = Situation::fault(
    Stored,
    "cross-site-answer-unset",
    "The browser refuses the cookie because {mode} of another site, {page}, received it and it has no SameSite, which counts as Lax.",
    "Serve page and API from one site, or set SameSite=None; Secure where other sites are to have the session.",
)
.named("SameSiteUnspecifiedTreatedAsLax");
pub(in crate::cookie) static SCHEMEFUL_STRICT: Situation = Situation::fault(
    Stored,
    "schemeful-answer-strict",
    "The browser refuses the cookie because http and https of one domain are two sites, and it is SameSite=Strict.",
    "Serve {page} over https as well.",
)
.named("SchemefulSameSiteStrict");
pub(in crate::cookie) static SCHEMEFUL_LAX: Situation = Situation::fault(
    Stored,
    "schemeful-answer-lax",
    "The browser refuses the cookie because http and https of one domain are two sites, and it is SameSite=Lax.",
    "Serve {page} over https as well.",
)
.named("SchemefulSameSiteLax");
pub(in crate::cookie) static SCHEMEFUL_UNSET: Situation = Situation::fault(
    Stored,
    "schemeful-answer-unset",
    "The browser refuses the cookie because http and https of one domain are two sites, and without SameSite it counts as Lax.",
    "Serve {page} over https as well.",
)
.named("SchemefulSameSiteUnspecifiedTreatedAsLax");
pub(in crate::cookie) static NO_CREDENTIALS: Situation = Situation::fault(
    Stored,
    "fetch-without-credentials",
    "The browser ignores the cookie because the script's fetch goes to another origin without `credentials: 'include'`.",
    "Give fetch the option `credentials: 'include'`; XMLHttpRequest and axios have `withCredentials = true`.",
);
pub(in crate::cookie) static CREDENTIALS_UNKNOWN: Situation = Situation::warning(
    Stored,
    "fetch-credentials-unknown",
    "A fetch to another origin stores and sends cookies only with `credentials: 'include'`, which is taken for granted here.",
    "Say which it is with --credentials.",
);
pub(in crate::cookie) static NO_ALLOW_CREDENTIALS: Situation = Situation::warning(
    Stored,
    "cors-without-credentials",
    "The script will not see this response because it has no `Access-Control-Allow-Credentials: true`, although the cookie is stored.",
    "Send `Access-Control-Allow-Credentials: true` and the page's own origin in `Access-Control-Allow-Origin`.",
);
pub(in crate::cookie) static ALLOW_ORIGIN_ANY: Situation = Situation::warning(
    Stored,
    "cors-any-origin",
    "The script will not see this response because `Access-Control-Allow-Origin: *` does not go with credentials, although the cookie is stored.",
    "Send the page's own origin in `Access-Control-Allow-Origin`, with `Vary: Origin`.",
);
pub(in crate::cookie) static DOMAIN_FOREIGN: Situation = Situation::fault(
    Stored,
    "domain-foreign",
    "The browser refuses the cookie because its Domain, {domain}, is neither {host} nor a domain above it.",
    "Remove Domain, or set one that {host} ends with.",
)
.named("InvalidDomain");
pub(in crate::cookie) static DOMAIN_SUFFIX: Situation = Situation::fault(
    Stored,
    "domain-public-suffix",
    "The browser refuses the cookie because its Domain, {domain}, is a public suffix, under which strangers have their sites.",
    "Remove Domain: sites under {domain} cannot share a cookie.",
)
.named("InvalidDomain");
pub(in crate::cookie) static DOMAIN_IS_SUFFIX: Situation = Situation::note(
    Stored,
    "domain-suffix-itself",
    "The Domain is a public suffix and the host itself, so the cookie is for this host alone.",
);
pub(in crate::cookie) static DOMAIN_ADDRESS: Situation = Situation::fault(
    Stored,
    "domain-address",
    "The browser refuses the cookie because an address or a name of one label has no domains above it, and Domain is {domain} at {host}.",
    "Remove Domain.",
)
.named("InvalidDomain");
pub(in crate::cookie) static DOMAIN_HOST_ONLY: Situation = Situation::note(
    Stored,
    "domain-host-only",
    "The Domain is an address or a name of one label, so the cookie is for this host alone.",
);
pub(in crate::cookie) static DOMAIN_NON_ASCII: Situation = Situation::fault(
    Stored,
    "domain-non-ascii",
    "The browser refuses the cookie because its Domain has characters beyond ASCII.",
    "Remove Domain, or write it in Punycode (`xn--…`).",
)
.named("InvalidDomain");
pub(in crate::cookie) static HOST_PREFIX_DOMAIN: Situation = Situation::fault(
    Stored,
    "host-prefix-domain",
    "The browser refuses the cookie because a name with {prefix} has no Domain.",
    "Remove Domain, or the prefix.",
)
.named("InvalidPrefix");
pub(in crate::cookie) static HOST_PREFIX_PATH: Situation = Situation::fault(
    Stored,
    "host-prefix-path",
    "The browser refuses the cookie because a name with {prefix} needs Path=/.",
    "Set Path=/, or remove the prefix.",
)
.named("InvalidPrefix");
pub(in crate::cookie) static PREFIX_SECURE: Situation = Situation::fault(
    Stored,
    "prefix-without-secure",
    "The browser refuses the cookie because a name with {prefix} needs Secure.",
    "Add Secure, or remove the prefix.",
)
.named("InvalidPrefix");
pub(in crate::cookie) static PREFIX_HTTP_ONLY: Situation = Situation::fault(
    Stored,
    "prefix-without-httponly",
    "The browser refuses the cookie because a name with {prefix} needs HttpOnly, as Chromium enforces already.",
    "Add HttpOnly, or remove the prefix.",
)
.named("InvalidPrefix");
pub(in crate::cookie) static TOO_LARGE: Situation = Situation::fault(
    Stored,
    "too-large",
    "The browser refuses the cookie because its name and value have {bytes} bytes, of 4,096 at most.",
    "Keep data in the session, not in the cookie.",
)
.named("NameValuePairExceedsMaxSize");
pub(in crate::cookie) static ATTRIBUTE_TOO_LONG: Situation = Situation::warning(
    Stored,
    "attribute-too-long",
    "The browser ignores {attribute} because its value has more than 1,024 bytes.",
    "Shorten it.",
);
pub(in crate::cookie) static CONTROL_CHARACTER: Situation = Situation::fault(
    Stored,
    "control-character",
    "The browser refuses the cookie because the field holds a control character.",
    "Encode the value, as with encodeURIComponent; a line break at its end often comes from a file.",
)
.named("DisallowedCharacter");
pub(in crate::cookie) static NO_CONTENT: Situation = Situation::fault(
    Stored,
    "no-content",
    "The browser refuses the cookie because it has neither name nor value.",
    "Look at the code that writes the field: a variable in it is empty.",
)
.named("NoCookieContent");
pub(in crate::cookie) static NAMELESS: Situation = Situation::warning(
    Stored,
    "nameless",
    "The cookie has no name because the field has no text before an equals sign, and no server reads such a one.",
    "Write `name=value`.",
);
pub(in crate::cookie) static NAMELESS_PREFIX: Situation = Situation::fault(
    Stored,
    "nameless-prefix",
    "The browser refuses the cookie because it has no name and its value looks like one with {prefix}.",
    "Write `name=value`.",
)
.named("InvalidPrefix");
pub(in crate::cookie) static OVERWRITES_SECURE: Situation = Situation::fault(
    Stored,
    "overwrites-secure",
    "The browser refuses the cookie because it came over http and would hide a Secure cookie of that name.",
    "Serve this page over https, too.",
)
.named("OverwriteSecure");
pub(in crate::cookie) static PARTITIONED_WITHOUT_SECURE: Situation = Situation::fault(
    Stored,
    "partitioned-without-secure",
    "The browser refuses the cookie because Partitioned needs Secure.",
    "Add Secure and serve over https.",
);
pub(in crate::cookie) static DELETED: Situation = Situation::fault(
    Stored,
    "deleted-on-arrival",
    "The browser deletes the cookie because {attribute} has passed when it arrives.",
    "That is how a logout clears it; otherwise set a time ahead: Max-Age counts seconds, and Express's `maxAge` milliseconds.",
);
pub(in crate::cookie) static WRONG_DATE: Situation = Situation::warning(
    Stored,
    "server-clock",
    "The response's Date is {skew} away from this machine's clock, and browsers other than Chromium compare Expires with their own.",
    "Set the server's clock (chrony), and send Max-Age beside Expires.",
);
pub(in crate::cookie) static MAX_AGE_WINS: Situation = Situation::note(
    Stored,
    "max-age-wins",
    "Max-Age and Expires are both there, and Max-Age counts.",
);
pub(in crate::cookie) static UNREADABLE_EXPIRES: Situation = Situation::warning(
    Stored,
    "expires-unreadable",
    "The browser ignores {attribute} because it is no date or number, and the cookie ends with the browser.",
    "Write a date as in `Expires=Wed, 21 Oct 2026 07:28:00 GMT`, or `Max-Age=` and seconds.",
);
pub(in crate::cookie) static SHORTENED: Situation = Situation::note(
    Stored,
    "over-400-days",
    "The browser shortens the cookie's life to 400 days.",
);
pub(in crate::cookie) static BROWSER_SESSION: Situation = Situation::note(
    Stored,
    "browser-session",
    "The cookie ends when the browser is closed, because it has neither Max-Age nor Expires.",
);
pub(in crate::cookie) static SAME_SITE_MISSPELT: Situation = Situation::warning(
    Stored,
    "samesite-misspelt",
    "The browser does not know SameSite={value} and treats the cookie as if it had none, mostly as Lax.",
    "Write Strict, Lax or None.",
);
pub(in crate::cookie) static UNKNOWN_ATTRIBUTE: Situation = Situation::warning(
    Stored,
    "attribute-unknown",
    "The browser ignores the attribute {attribute}, which it does not know.",
    "Look for a slip: Domain, Path, Expires, Max-Age, Secure, HttpOnly, SameSite, Partitioned and Priority are known.",
);
pub(in crate::cookie) static PATH_IGNORED: Situation = Situation::warning(
    Stored,
    "path-ignored",
    "The browser ignores Path={path} because it does not begin with a slash, and takes the directory of the request.",
    "Write Path=/.",
);
pub(in crate::cookie) static THIRD_PARTY_BLOCKED: Situation = Situation::fault(
    Stored,
    "third-party-blocked",
    "The browser refuses the cookie because it blocks those of third parties, and the page is {page}.",
    "Serve both from one site, or add Partitioned where each page may have a session of its own.",
)
.named("UserPreferences");
pub(in crate::cookie) static THIRD_PARTY: Situation = Situation::warning(
    Stored,
    "third-party",
    "Chromium accepts this third party's cookie by default, though not in private windows nor as Debian builds it, Safari refuses it, and Firefox keeps a jar for each page's site.",
    "Serve both from one site, or add Partitioned where each page may have a session of its own.",
);

#[cfg(test)]
pub(in crate::cookie) static ALL: &[&Situation] = &[
    &SECURE_OVER_HTTP,
    &SECURE_ON_LOCALHOST,
    &PREFIX_OVER_HTTP,
    &NONE_WITHOUT_SECURE,
    &CROSS_SITE_STRICT,
    &CROSS_SITE_LAX,
    &CROSS_SITE_UNSET,
    &SCHEMEFUL_STRICT,
    &SCHEMEFUL_LAX,
    &SCHEMEFUL_UNSET,
    &NO_CREDENTIALS,
    &CREDENTIALS_UNKNOWN,
    &NO_ALLOW_CREDENTIALS,
    &ALLOW_ORIGIN_ANY,
    &DOMAIN_FOREIGN,
    &DOMAIN_SUFFIX,
    &DOMAIN_IS_SUFFIX,
    &DOMAIN_ADDRESS,
    &DOMAIN_HOST_ONLY,
    &DOMAIN_NON_ASCII,
    &HOST_PREFIX_DOMAIN,
    &HOST_PREFIX_PATH,
    &PREFIX_SECURE,
    &PREFIX_HTTP_ONLY,
    &TOO_LARGE,
    &ATTRIBUTE_TOO_LONG,
    &CONTROL_CHARACTER,
    &NO_CONTENT,
    &NAMELESS,
    &NAMELESS_PREFIX,
    &OVERWRITES_SECURE,
    &PARTITIONED_WITHOUT_SECURE,
    &DELETED,
    &WRONG_DATE,
    &MAX_AGE_WINS,
    &UNREADABLE_EXPIRES,
    &SHORTENED,
    &BROWSER_SESSION,
    &SAME_SITE_MISSPELT,
    &UNKNOWN_ATTRIBUTE,
    &PATH_IGNORED,
    &THIRD_PARTY_BLOCKED,
    &THIRD_PARTY,
];
