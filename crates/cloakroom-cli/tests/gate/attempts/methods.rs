//! Methods, handshakes and cookies.

use super::{Arrive, Harmless, Must, Site, Stay, request};

#[tokio::test(flavor = "multi_thread")]
async fn no_method_handshake_or_cookie_leads_to_another_rule() {
    let site = Site::open().await;
    let attempts = [methods(), handshakes(), cookies()].concat();
    site.resists(&attempts).await;
}

fn methods() -> Vec<(String, Must)> {
    let mut attempts = Vec::new();
    for method in [
        "get",
        "Get",
        "options",
        "TRACE",
        "TRACK",
        "CONNECT",
        "PRI",
        "DEBUG",
        "SEARCH",
        "BREW",
        "OPTIONS",
        "PURGE",
        "G\u{cb}T",
        "GET\0",
        "X".repeat(40).as_str(),
    ] {
        for target in [
            "/admin",
            "/public/a",
            "*",
            "{HOST}",
            "http://{HOST}/public/a",
        ] {
            // A proxy answers `OPTIONS *` by itself.
            let must = if target == "*" { Harmless } else { Stay };
            attempts.push((request(method, target, ""), must));
        }
        attempts.push((
            request(
                method,
                "/reports/1",
                "Cookie: {LINUS}\r\nX-HTTP-Method-Override: GET\r\n",
            ),
            Stay,
        ));
    }
    attempts.push((
        request(
            "POST",
            "/public/a?_method=GET",
            "X-HTTP-Method: GET\r\nX-Method-Override: GET\r\n",
        ),
        Stay,
    ));
    attempts.push((
        request(
            "GET",
            "/reports/1?_method=DELETE",
            "Cookie: {LINUS}\r\nX-HTTP-Method: DELETE\r\n",
        ),
        Arrive,
    ));
    attempts
}

fn handshakes() -> Vec<(String, Must)> {
    let mut attempts = Vec::new();
    // Handshakes, and a second request behind one that is answered by no 101.
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
    for upgrade in [
        "websocket",
        "WebSocket",
        "websocket, h2c",
        "h2c, websocket",
        "websocket\r\nUpgrade: h2c",
        "TLS/1.0",
        "HTTP/2.0",
        "\"websocket\"",
        "websocket/13",
    ] {
        for (target, cookie, origin) in [
            ("/socket", "", ""),
            ("/socket", "{LINUS}", "https://evil.example"),
            ("/admin/socket", "{LINUS}", "http://{HOST}"),
            ("/public/socket", "", "http://{HOST}"),
        ] {
            let fields = format!(
                "Connection: Upgrade\r\nUpgrade: {upgrade}\r\n{key}Cookie: {cookie}\r\nOrigin: {origin}\r\n"
            );
            let text = format!(
                "GET {target} HTTP/1.1\r\nHost: {{HOST}}\r\n{fields}\r\nGET /admin HTTP/1.1\r\nHost: {{HOST}}\r\nConnection: close\r\n\r\n"
            );
            let is_other = !upgrade.eq_ignore_ascii_case("websocket");
            attempts.push((text, if is_other { Harmless } else { Stay }));
        }
        // The application answers 200, and the connection stays one of HTTP.
        let fields = format!(
            "Connection: Upgrade\r\nUpgrade: {upgrade}\r\n{key}Cookie: {{LINUS}}\r\nOrigin: http://{{HOST}}\r\n"
        );
        let text = format!(
            "GET /other HTTP/1.1\r\nHost: {{HOST}}\r\n{fields}\r\nGET /admin HTTP/1.1\r\nHost: {{HOST}}\r\nConnection: close\r\n\r\n"
        );
        attempts.push((text, Harmless));
    }
    for (method, version, connection) in [
        ("POST", "1.1", "Upgrade"),
        ("GET", "1.0", "Upgrade"),
        ("GET", "1.1", "close"),
        ("GET", "1.1", "keep-alive, Upgrade, X-Session-User"),
    ] {
        attempts.push((format!("{method} /admin/socket HTTP/{version}\r\nHost: {{HOST}}\r\nConnection: {connection}\r\nUpgrade: websocket\r\n{key}Origin: http://{{HOST}}\r\nCookie: {{LINUS}}\r\n\r\n"), Stay));
    }
    attempts
}

fn cookies() -> Vec<(String, Must)> {
    let mut attempts = Vec::new();
    let long = format!("x={}", "a".repeat(16_384));
    for cookies in [
        "Cookie: {LINUS}; {ADA}\r\n",
        "Cookie: {LINUS}\r\nCookie: {ADA}\r\n",
        "Cookie: connect.sid=s%3Ax.y; {LINUS}\r\n",
        "Cookie: {LINUS};{LINUS}\r\n",
        &format!("Cookie: {long}; {{LINUS}}\r\n"),
        &format!("Cookie: {{LINUS}}; {long}\r\n"),
        "Cookie: a=\"; {LINUS}\r\n",
        "Cookie: ={LINUS}\r\n",
        "Cookie:{LINUS}\r\n",
        "Cookie: {LINUS},{ADA}\r\n",
        "Cookie: $Version=1; {LINUS}; $Path=/\r\n",
        "Cookie: connect.sid = x; {LINUS}\r\n",
    ] {
        attempts.push((request("GET", "/admin", cookies), Stay));
        attempts.push((request("GET", "/other", cookies), Harmless));
        attempts.push((request("GET", "/public/a", cookies), Harmless));
    }
    // The order of two users' cookies decides for all: the application is told the one that was judged.
    attempts.push((
        request(
            "GET",
            "/admin",
            "Cookie: CONNECT.SID=x; __Host-{ADA}; {LINUS}\r\n",
        ),
        Stay,
    ));
    attempts.push((request("GET", "/admin", "Cookie: {ADA}\r\n"), Arrive));
    attempts.push((
        request("GET", "/other", "Cookie: a=1; {LINUS}; b=2\r\n"),
        Arrive,
    ));
    attempts
}
