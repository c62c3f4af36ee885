//! Fields that a client writes for the gate, or for a proxy before it.

use super::{Arrive, Harmless, Site, request};

/// Names that applications and their frameworks take for a proxy's word: on who asks, from where, for what.
#[rustfmt::skip]
const PROXYS: [&str; 58] = [
    "X-Session-User", "X-Session-Roles", "X-Session-Jwt", "X-Session-Cookie", "X-Session-Login", "X-Session-Cache",
    "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Ssl", "X-Forwarded-Scheme",
    "X-Forwarded-Protocol", "X-Forwarded-Server", "X-Forwarded-By", "X-Forwarded-Prefix", "X-Forwarded-Path", "X-Forwarded-Uri",
    "X-Forwarded-Method", "X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups", "X-Forwarded-Preferred-Username",
    "X-Forwarded-Access-Token", "X-Forwarded-Client-Cert", "X-Forwarded", "Forwarded", "Forwarded-For", "X-Original-URL",
    "X-Original-URI", "X-Original-Host", "X-Original-Method", "X-Original-Forwarded-For", "X-Rewrite-URL", "X-Rewrite-URI",
    "X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Host-Override", "X-Host", "X-Real-IP", "X-Client-IP",
    "Client-IP", "True-Client-IP", "Fastly-Client-IP", "X-Cluster-Client-IP", "CF-Connecting-IP", "X-Envoy-External-Address",
    "X-Envoy-Original-Path", "X-Middleware-Subrequest", "X-Auth-Request-User", "X-Auth-Request-Email", "X-Authenticated-User",
    "X-Remote-User", "Remote-User", "X-User", "Proxy-Authorization", "Proxy",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_field_that_a_client_sends_speaks_for_the_gate() {
    let site = Site::open().await;
    let mut attempts = Vec::new();
    for name in PROXYS {
        let mut names = vec![
            name.to_owned(),
            name.replace('-', "_"),
            name.replacen('-', "_", 1),
        ];
        names.extend([
            name.replace('-', "."),
            format!("HTTP_{}", name.replace('-', "_")),
            name.to_uppercase(),
        ]);
        for (at, name) in names.iter().enumerate() {
            let fields = format!("{name}: eve\r\n{name}: eve2\r\n");
            // A proxy may refuse an odd name; the right one it forwards, without its value.
            let must = if at == 0 { Arrive } else { Harmless };
            attempts.push((request("GET", "/public/a", &fields), must));
            attempts.push((
                request("GET", "/other", &format!("{fields}Cookie: {{LINUS}}\r\n")),
                must,
            ));
        }
    }
    for separator in "!#$%&'*+.^`|~".chars() {
        let name = "X-Session-User".replace('-', &separator.to_string());
        attempts.push((
            request("GET", "/public/a", &format!("{name}: eve\r\n")),
            Harmless,
        ));
    }
    site.resists(&attempts).await;
}
