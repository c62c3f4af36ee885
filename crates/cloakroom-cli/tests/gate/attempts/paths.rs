//! Spellings of a path, a target and a request line.

use super::{Arrive, Harmless, Site, Stay, all, request};

#[tokio::test(flavor = "multi_thread")]
async fn no_spelling_of_a_path_leads_past_its_rule() {
    let long = "a".repeat(60_000);
    let (long_admin, long_up) = (
        format!("/admin/{long}"),
        format!("/public/{long}/../../admin"),
    );
    #[rustfmt::skip]
    let paths = [
        "/public/.%2e/admin", "/public/%2e./admin", "/public/%2E%2E%2Fadmin", "/public/a/%2e%2e/%2e%2e/admin",
        "/public/a%5c..%5c..%5cadmin", "/public/%u002e%u002e/admin", "/public/..%25%32%66admin", "/public/..%25%35%63admin",
        "/public/..%c1%9cadmin", "/public/..%e0%80%afadmin", "/public/..%f0%80%80%afadmin", "/public/..%c0%2fadmin",
        "/public/..\u{2215}admin", "/public/..%E2%88%95admin", "/public/a%0d%0aX-Session-User:%20eve", "/public/a%09",
        "/public/..%09/admin", "/public/.\t./admin", "/public/a\u{b}/../admin", "/admin..", "/admin./", "/admin/.",
        "/admin/..;/admin", "/admin%2e", "/admin%2f", "/admin/%2e", "/public;/../admin", "/public/;a=b/../../admin",
        "/public/a;/../../admin", "/public/..;jsessionid=1/admin", "/public/%3b/../admin", "/public/..%3b/admin",
         "/public/a%23/../../admin", "/public/a%3f/../../admin", "/public%2f..%2fadmin",
        "/public%5c..%5cadmin", "/%2fadmin", "/%5cadmin", "\\admin", "/\\admin", "///admin", "/public///../../admin",
        "/public/a/...//....//admin", "/.;/admin", "/;/admin", "/;x=y/admin", "/%09admin", "/%00/admin", "/public/a%00/../../admin",
        "/admin%C2%A0", "/admin%E2%80%8B", "/%EF%BC%8Fadmin", "/admin%ff", "/Admin", "/aDMIN/", "/adm%69n", "/admin%252f", "*",
        "public/a", "admin", "?/public/a", "/?/../public/a", "#/public/a", "http:///admin", "http://{HOST}/admin",
        "http://{HOST}/public/../admin", "HTTP://{HOST}/admin", "http://{HOST}:80/admin", "http://{HOST}", 
         "//{HOST}/public/a",  "http://{HOST}\\@other/public/a",
        "/public/a /admin", "/public/a\u{a0}/admin", "/admin?", "/admin?a#b", "/admin&/public/a", "/other", "/reports/1",
        "/_cloakroom_gate", "/_cloakroom_gate/", "/%5fcloakroom_gate", "/forward-auth", "/envoy/public/a", "/server-status",
        &long_admin, &long_up,
    ];
    // What is judged is what is forwarded: some read the public path in these.
    #[rustfmt::skip]
    let harmless = [
        "http:/public/a", "https://other/public/a", "http://u:p@{HOST}/public/a", "http://{HOST}@other/public/a",
        "file:///public/a", "/public/a#/../../admin", "http://{HOST}/public/a#/../admin",
    ];
    let site = Site::open().await;
    let anonymous = paths.map(|path| request("GET", path, ""));
    let of_linus = paths.map(|path| request("GET", path, "Cookie: {LINUS}\r\n"));
    let mut attempts = all(anonymous, Stay);
    attempts.extend(all(of_linus, Harmless));
    attempts.extend(all(harmless.map(|path| request("GET", path, "")), Harmless));
    #[rustfmt::skip]
    let lines = [
        "GET  /admin HTTP/1.1", "GET\t/admin\tHTTP/1.1", " GET /admin HTTP/1.1", "\r\nGET /admin HTTP/1.1", "GET /admin",
        "GET /admin HTTP/0.9", "GET /admin HTTP/1.0", "GET /admin HTTP/1.2", "GET /admin HTTP/2.0", "GET /admin http/1.1",
        "GET /public/a HTTP/1.1 /admin HTTP/1.1", "GET /public/a HTTP/1.1\rGET /admin HTTP/1.1", "GET /admin HTTP/1.1 ",
        "GET /admin HTTP/11", "GET /admin?HTTP/1.1", "GET /public/a\u{c}HTTP/1.1", "GET /admin\0 HTTP/1.1",
    ];
    attempts.extend(all(
        lines.map(|line| format!("{line}\r\nHost: {{HOST}}\r\nConnection: close\r\n\r\n")),
        Stay,
    ));
    attempts.extend(all(
        ["/public/a", "/public/a?b=/../c", "/public/A_b-1.js"].map(|path| request("GET", path, "")),
        Arrive,
    ));
    site.resists(&attempts).await;
}
