//! Checks of the cookie: its secrets, the policy, the answer of the site.

use cloakroom::store::inspect::Facts;

use crate::doctor::check::{Check, Verdict, when};

/// Bits of a secret that a search may find.
const GUESSABLE: i64 = 96;
/// The longest time between two logins at NIST's lowest assurance level (SP 800-63B, AAL1), in seconds.
const LONGEST: i64 = 30 * 86_400;
/// Bytes of cookies beyond which proxies begin to refuse requests.
const MUCH: i64 = 4096;

#[rustfmt::skip]
pub(super) const CHECKS: &[Check] = &[
    Check::error("C01", "the secret can be guessed", "whoever has it signs cookies for any session", c01),
    Check::note("C02", "old secrets are still accepted", "each is one more that may leak", c02),
    Check::error("C03", "the cookie does not fit the connection", "the cookie is not set, or goes over plain HTTP: the server does not see https", c03),
    Check::error("C04", "browsers drop the cookie", "its name and attributes contradict each other: nobody stays signed in", c04),
    Check::warning("C05", "the cookie is set twice", "browsers send both back, and the wrong one wins: a login loop", c05),
    Check::warning("C06", "two applications on one host share the cookie's name", "ports do not separate cookies: they sign each other's visitors out", c06),
    Check::error("C07", "an answer with a session's cookie may be cached", "another visitor gets this one's session", c07),
    Check::warning("C08", "the site is reachable without https", "the cookie or the login goes over the network as plain text", c08),
    Check::note("C09", "sessions may last longer than NIST's AAL1 allows", "a stolen one is open for as long", c09),
    Check::warning("C10", "requests with many cookies are refused", "a visitor with 4 KiB of cookies gets 400 or 431, and cannot get out", c10),
    Check::warning("C11", "the site's clock is wrong", "browsers compute the end of cookies from the Date header: they may be dead on arrival", c11),
];

fn c01(facts: &Facts) -> Option<Verdict> {
    let (fault, bits) = (facts.text("secret.fault")?, facts.number("secret.bits")?);
    let is_sample = facts.flag("secret.is_sample")?;
    let measured = match fault {
        "" if is_sample => "a secret from the documentation".to_owned(),
        "" => format!("a secret of about {bits} bits"),
        fault => fault.to_owned(),
    };
    when(
        !fault.is_empty() || is_sample || bits < GUESSABLE,
        measured,
        "openssl rand -base64 48; put it first, and the old one behind it until its sessions are over",
    )
}

fn c02(facts: &Facts) -> Option<Verdict> {
    let secrets = facts.number("secret.count")?;
    when(
        secrets > 2,
        format!("{} old secrets beside the one that signs", secrets - 1),
        "take a secret out once the absolute time-out has passed since it signed last",
    )
}

fn c03(facts: &Facts) -> Option<Verdict> {
    let (scheme, cookies) = (facts.text("site.scheme")?, facts.number("site.cookies")?);
    let secure = facts.text("policy.secure").unwrap_or("auto");
    let mend = "trusted_proxy (Express: `trust proxy`), and in nginx `proxy_set_header X-Forwarded-Proto $scheme`";
    if scheme == "http" {
        let is_dropped = secure == "always" && !facts.flag("site.is_local")?;
        let mend = "serve it by https; for development `Secure::Auto`";
        return when(is_dropped, "the policy is Secure, the URL plain http", mend);
    }
    if cookies == 0 {
        let name = facts.text("site.name")?;
        return when(
            true,
            format!(
                "https, and no Set-Cookie of `{name}` in the answer; give a URL that begins a session"
            ),
            mend,
        );
    }
    when(
        !facts.flag("site.cookie.secure")?,
        "https, and a cookie without Secure: the server takes the request for http",
        mend,
    )
}

fn c04(facts: &Facts) -> Option<Verdict> {
    let fault = match facts.text("site.cookie.fault") {
        Some(fault) if !fault.is_empty() => fault,
        known => facts.text("policy.fault").or(known)?,
    };
    when(
        !fault.is_empty(),
        fault,
        "take the attribute out, or change the name; `cloakroom cookie explain` has the rules",
    )
}

fn c05(facts: &Facts) -> Option<Verdict> {
    let (cookies, name) = (facts.number("site.cookies")?, facts.text("site.name")?);
    when(
        cookies > 1,
        format!("{cookies} Set-Cookie fields of `{name}` in one answer"),
        "rename one of them; expire the other with the Path and Domain that it was set with",
    )
}

fn c06(facts: &Facts) -> Option<Verdict> {
    let (others, name) = (facts.text("site.same_name")?, facts.text("site.name")?);
    let mend = "give each application a name of its own: `name` in its policy";
    when(
        !others.is_empty(),
        format!("`{name}` is set at {others}"),
        mend,
    )
}

fn c07(facts: &Facts) -> Option<Verdict> {
    if facts.number("site.cookies")? == 0 {
        return None;
    }
    let mend = "Cache-Control: no-store with every Set-Cookie; in nginx do not `proxy_ignore_headers Set-Cookie`";
    if facts.flag("site.same_cookie")? {
        return when(
            true,
            "two visitors got the same cookie: a cache answers",
            mend,
        );
    }
    if facts.flag("site.from_cache")? {
        return when(
            true,
            "the answer came from a cache (Age, or X-Cache: HIT)",
            mend,
        );
    }
    let control = facts.text("site.cache_control")?;
    let kept_private = ["no-store", "private", "no-cache"]
        .iter()
        .any(|word| control.contains(word));
    let measured = match control {
        "" => "Set-Cookie without Cache-Control".to_owned(),
        control => format!("Set-Cookie with Cache-Control: {control}"),
    };
    when(!kept_private, measured, mend)
}

fn c08(facts: &Facts) -> Option<Verdict> {
    if facts.text("site.scheme")? == "http" {
        let is_open = !facts.flag("site.is_local")? && facts.number("site.cookies")? > 0;
        let mend = "redirect http to https; set Secure";
        return when(is_open, "the cookie is set over plain http", mend);
    }
    let mend = "Strict-Transport-Security: max-age=31536000 (nginx: add_header … always)";
    when(
        !facts.flag("site.hsts")?,
        "https without Strict-Transport-Security",
        mend,
    )
}

fn c09(facts: &Facts) -> Option<Verdict> {
    let absolute = facts.number("policy.absolute_s")?;
    let measured = match absolute {
        0 => "no absolute time-out".to_owned(),
        seconds => format!("the absolute time-out is {} days", seconds / 86_400),
    };
    when(
        absolute == 0 || absolute > LONGEST,
        measured,
        "absolute_timeout of 30 days at most, 12 hours for AAL2",
    )
}

fn c10(facts: &Facts) -> Option<Verdict> {
    let status = facts.number("site.large_status")?;
    if [400, 413, 431, 494].contains(&status) {
        let mend = "nginx: large_client_header_buffers 4 16k; Node: --max-http-header-size=32768";
        return when(
            true,
            format!("a request with 4 KiB of cookies got {status}"),
            mend,
        );
    }
    let bytes = facts.number("site.set_bytes")?;
    when(
        bytes > MUCH,
        format!("one answer sets {bytes} bytes of cookies"),
        "keep data in the session, not in cookies",
    )
}

fn c11(facts: &Facts) -> Option<Verdict> {
    if facts.flag("site.cookie.dead") == Some(true) {
        let mend = "set the server's clock by NTP; compare `Expires` with its `Date`";
        return when(
            true,
            "the cookie's Expires is before the answer's Date",
            mend,
        );
    }
    let skew = facts.number("site.date_skew_s")?;
    let side = if skew > 0 { "ahead of" } else { "behind" };
    let measured = format!("its Date is {} s {side} this machine's clock", skew.abs());
    when(
        skew.abs() > 60,
        measured,
        "set the server's clock by NTP: `chronyc makestep`",
    )
}
