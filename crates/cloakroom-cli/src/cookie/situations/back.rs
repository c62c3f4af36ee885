//! Stored, and not sent back (RFC 6265bis §5.8.3).

use crate::cookie::situation::{Situation, Stage::SentBack};

pub(in crate::cookie) static OTHER_HOST: Situation = Situation::fault(
    SentBack,
    "other-host",
    "The browser does not send the cookie because it is for {domain} alone and the request goes to {host}.",
    "Redirect visitors to one host, or set Domain to a parent of both, without the prefix __Host-.",
)
.named("DomainMismatch");
pub(in crate::cookie) static LOOPBACK_NAMES: Situation = Situation::fault(
    SentBack,
    "other-name-of-localhost",
    "The browser does not send the cookie because {domain} and {host} are two hosts to it, although both are this machine.",
    "Use one of them everywhere.",
)
.named("DomainMismatch");
pub(in crate::cookie) static OTHER_DOMAIN: Situation = Situation::fault(
    SentBack,
    "other-domain",
    "The browser does not send the cookie because {host} is not under its Domain, {domain}.",
    "Set Domain to a parent of both hosts; two registered domains cannot share a cookie.",
)
.named("DomainMismatch");
pub(in crate::cookie) static OTHER_PATH: Situation = Situation::fault(
    SentBack,
    "other-path",
    "The browser does not send the cookie because {request} is not under its Path, {path}.",
    "Set Path=/.",
)
.named("NotOnPath");
pub(in crate::cookie) static DEFAULT_PATH: Situation = Situation::fault(
    SentBack,
    "default-path",
    "The browser does not send the cookie because it has no Path, so that it is for {path} alone, and the request is for {request}.",
    "Set Path=/.",
)
.named("NotOnPath");
pub(in crate::cookie) static SECURE_TO_HTTP: Situation = Situation::fault(
    SentBack,
    "secure-to-http",
    "The browser does not send the cookie because it is Secure and the request goes over http.",
    "Link to the https address, and redirect http there.",
)
.named("SecureOnly");
pub(in crate::cookie) static LAX_POST: Situation = Situation::fault(
    SentBack,
    "lax-post",
    "The browser does not send the cookie because a page of another site, {initiator}, posts the form and the cookie is SameSite=Lax.",
    "Answer such a return (payment, single sign-on) with a redirect to a page of your own, which then has the cookie, or set SameSite=None; Secure.",
)
.named("SameSiteLax");
pub(in crate::cookie) static LAX_SUBREQUEST: Situation = Situation::fault(
    SentBack,
    "lax-subrequest",
    "The browser does not send the cookie because {mode} of another site, {initiator}, asks and the cookie is SameSite=Lax.",
    "Serve both from one site, or set SameSite=None; Secure.",
)
.named("SameSiteLax");
pub(in crate::cookie) static STRICT_LINK: Situation = Situation::fault(
    SentBack,
    "strict-link",
    "The browser does not send the cookie because the visitor comes from another site, {initiator}, and it is SameSite=Strict.",
    "Use SameSite=Lax, or let the first page work without a session and load the rest by itself.",
)
.named("SameSiteStrict");
pub(in crate::cookie) static STRICT_SUBREQUEST: Situation = Situation::fault(
    SentBack,
    "strict-subrequest",
    "The browser does not send the cookie because {mode} of another site, {initiator}, asks and the cookie is SameSite=Strict.",
    "Serve both from one site, or set SameSite=None; Secure.",
)
.named("SameSiteStrict");
pub(in crate::cookie) static STRICT_REDIRECT: Situation = Situation::warning(
    SentBack,
    "strict-redirect-chain",
    "The request was redirected through another site, {through}, and the draft standard then sends no SameSite=Strict cookie, while Chromium does.",
    "Use SameSite=Lax where the way leads through another site.",
);
pub(in crate::cookie) static UNSET_YOUNG: Situation = Situation::warning(
    SentBack,
    "unset-two-minutes",
    "Chromium sends the cookie with another site's POST because it has no SameSite and is less than two minutes old, and later it does not.",
    "Set SameSite: Lax, or None with Secure where another site's POST needs the session.",
);
pub(in crate::cookie) static UNSET_POST: Situation = Situation::fault(
    SentBack,
    "unset-post",
    "The browser does not send the cookie because a page of another site, {initiator}, posts the form and a cookie without SameSite counts as Lax after two minutes.",
    "Set SameSite=None; Secure, or answer such a return with a redirect to a page of your own.",
)
.named("SameSiteUnspecifiedTreatedAsLax");
pub(in crate::cookie) static UNSET_SUBREQUEST: Situation = Situation::fault(
    SentBack,
    "unset-subrequest",
    "The browser does not send the cookie because {mode} of another site, {initiator}, asks and a cookie without SameSite counts as Lax.",
    "Serve both from one site, or set SameSite=None; Secure.",
)
.named("SameSiteUnspecifiedTreatedAsLax");
pub(in crate::cookie) static SCHEMEFUL_STRICT: Situation = Situation::fault(
    SentBack,
    "schemeful-strict",
    "The browser does not send the cookie because http and https of one domain are two sites, and it is SameSite=Strict.",
    "Serve {initiator} over https as well.",
)
.named("SchemefulSameSiteStrict");
pub(in crate::cookie) static SCHEMEFUL_LAX: Situation = Situation::fault(
    SentBack,
    "schemeful-lax",
    "The browser does not send the cookie because http and https of one domain are two sites, and it is SameSite=Lax.",
    "Serve {initiator} over https as well.",
)
.named("SchemefulSameSiteLax");
pub(in crate::cookie) static SCHEMEFUL_UNSET: Situation = Situation::fault(
    SentBack,
    "schemeful-unset",
    "The browser does not send the cookie because http and https of one domain are two sites, and without SameSite it counts as Lax.",
    "Serve {initiator} over https as well.",
)
.named("SchemefulSameSiteUnspecifiedTreatedAsLax");
pub(in crate::cookie) static FETCH_OMITS: Situation = Situation::fault(
    SentBack,
    "fetch-omits-credentials",
    "The browser does not send the cookie because the script's fetch leaves credentials out.",
    "Give fetch the option `credentials: 'include'`; XMLHttpRequest and axios have `withCredentials = true`.",
);
pub(in crate::cookie) static OTHER_PARTITION: Situation = Situation::fault(
    SentBack,
    "other-partition",
    "The browser does not send the cookie because it is Partitioned: it was set below {set} and the page is {page}, another jar.",
    "Sign in again there, or leave Partitioned out where browsers accept third parties.",
);
pub(in crate::cookie) static THIRD_PARTY_BLOCKED: Situation = Situation::fault(
    SentBack,
    "third-party-not-sent",
    "The browser does not send the cookie because it blocks those of third parties, and the page is {page}.",
    "Serve both from one site, or add Partitioned where each page may have a session of its own.",
)
.named("UserPreferences");
pub(in crate::cookie) static OVER: Situation = Situation::fault(
    SentBack,
    "cookie-over",
    "The browser does not send the cookie because its life of {life} is over after {age}.",
    "Give it a longer Max-Age, or send it again while the visitor is there (`rolling`).",
);
pub(in crate::cookie) static HIDDEN_FROM_SCRIPTS: Situation = Situation::fault(
    SentBack,
    "hidden-from-scripts",
    "The script sees nothing of the cookie in document.cookie because it is HttpOnly, as it is meant.",
    "Nothing is wrong: requests carry it all the same, `fetch` with `credentials: 'include'` among them.",
);
pub(in crate::cookie) static PORTS_SHARE: Situation = Situation::note(
    SentBack,
    "ports-share",
    "Cookies do not tell ports apart: every server on {host} shares {name}, and two with that name overwrite each other's.",
);
pub(in crate::cookie) static NOT_IN_REQUEST: Situation = Situation::fault(
    SentBack,
    "not-in-request",
    "The browser should send the cookie and the request has none of that name: it was evicted, cleared, or never in this browser's profile.",
    "Look into the browser's storage panel: a domain keeps some 180 cookies in Chromium, private windows and extensions clear them, and JavaScript may have replaced it.",
);
pub(in crate::cookie) static OLDER_COOKIE: Situation = Situation::warning(
    SentBack,
    "older-cookie",
    "The request carries a cookie of that name all the same: an older one, of another path, domain or login.",
    "Delete it in the browser's storage panel, and look for what set it.",
);

#[cfg(test)]
pub(in crate::cookie) static ALL: &[&Situation] = &[
    &OTHER_HOST,
    &LOOPBACK_NAMES,
    &OTHER_DOMAIN,
    &OTHER_PATH,
    &DEFAULT_PATH,
    &SECURE_TO_HTTP,
    &LAX_POST,
    &LAX_SUBREQUEST,
    &STRICT_LINK,
    &STRICT_SUBREQUEST,
    &STRICT_REDIRECT,
    &UNSET_YOUNG,
    &UNSET_POST,
    &UNSET_SUBREQUEST,
    &SCHEMEFUL_STRICT,
    &SCHEMEFUL_LAX,
    &SCHEMEFUL_UNSET,
    &FETCH_OMITS,
    &OTHER_PARTITION,
    &THIRD_PARTY_BLOCKED,
    &OVER,
    &HIDDEN_FROM_SCRIPTS,
    &PORTS_SHARE,
    &NOT_IN_REQUEST,
    &OLDER_COOKIE,
];
