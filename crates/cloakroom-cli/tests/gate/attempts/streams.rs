//! Oddities of HTTP/2, which a proxy makes requests of HTTP/1 of.

use super::{Arrive, EVE, Harmless, Must, Site, Stay, held};
use crate::http2;

#[tokio::test(flavor = "multi_thread")]
async fn no_oddity_of_http_2_becomes_another_request_of_http_1() {
    let site = Site::open().await;
    let usual = |more: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
        let usual = [
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", "{HOST}"),
            (":path", "/public/a"),
        ];
        let kept = usual
            .iter()
            .filter(|(name, _)| !more.iter().any(|(other, _)| name == other));
        kept.chain(more)
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect()
    };
    #[rustfmt::skip]
    let attempts: Vec<(Vec<(&'static str, String)>, Must)> = vec![
        (usual(&[]),                                                                         Arrive),
        (usual(&[(":path", "/other"), ("cookie", "a=1"), ("cookie", "{LINUS}")]),            Arrive),
        (usual(&[(":path", "/admin")]),                                                      Stay),
        (usual(&[(":path", "/admin"), ("cookie", "{LINUS}")]),                               Stay),
        (usual(&[(":path", "/public/../admin")]),                                            Stay),
        (usual(&[(":path", "/public/%2e%2e/admin")]),                                        Stay),
        (usual(&[(":path", "//admin")]),                                                     Stay),
        (usual(&[(":path", "admin")]),                                                       Stay),
        (usual(&[(":path", "*")]),                                                           Stay),
        (usual(&[(":path", "")]),                                                            Stay),
        (usual(&[(":path", "http://{HOST}/admin")]),                                         Stay),
        (usual(&[(":path", "/public/a#/../../admin")]),                                      Stay),
        (usual(&[(":path", "/public/a HTTP/1.1\r\nHost: gate\r\n\r\nGET /admin")]),          Stay),
        (usual(&[(":path", "/public/a\tb")]),                                                Stay),
        (usual(&[(":path", "/admin ")]),                                                     Stay),
        (usual(&[(":path", "/admin\0")]),                                                    Stay),
        (usual(&[(":path", "/public/a"), (":path", "/admin")]),                              Stay),
        (usual(&[(":method", "GET /admin HTTP/1.1\r\nX: ")]),                                Stay),
        (usual(&[(":method", "get")]),                                                       Stay),
        (usual(&[(":method", "TRACE")]),                                                     Stay),
        (usual(&[(":method", "CONNECT")]),                                                   Stay),
        (usual(&[(":method", "OPTIONS"), (":path", "*")]),                                   Harmless),
        (usual(&[(":method", "CONNECT"), (":protocol", "websocket"), (":path", "/socket"), ("cookie", "{LINUS}")]), Stay),
        (usual(&[(":authority", "other"), ("host", "{HOST}")]),                              Harmless),
        (usual(&[(":authority", "u@{HOST}")]),                                               Stay),
        (usual(&[(":authority", "{HOST}/admin")]),                                           Stay),
        (usual(&[(":authority", "{HOST}\r\nX-Session-User: eve")]),                          Stay),
        (usual(&[(":authority", "")]),                                                       Stay),
        (usual(&[(":scheme", "https")]),                                                     Harmless),
        (usual(&[(":scheme", "http://other/admin?")]),                                       Harmless),
        (usual(&[(":scheme", "gopher")]),                                                    Harmless),
        (usual(&[(":status", "200")]),                                                       Harmless),
        (usual(&[("x-session-user", "eve")]),                                                Harmless),
        (usual(&[("X-Session-User", "eve")]),                                                Harmless),
        (usual(&[("x_session_user", "eve")]),                                                Harmless),
        (usual(&[("x-a", "b\r\nX-Session-User: eve")]),                                      Harmless),
        (usual(&[("x-a", "b\nx-session-user: eve")]),                                        Harmless),
        (usual(&[("x-a: b\r\nx-session-user", "eve")]),                                      Harmless),
        (usual(&[("x-session-user ", "eve")]),                                               Harmless),
        (usual(&[("x-session-user:", "eve")]),                                               Harmless),
        (usual(&[("", "eve")]),                                                              Harmless),
        (usual(&[("connection", "x-session-user"), (":path", "/other"), ("cookie", "{LINUS}")]), Harmless),
        (usual(&[("transfer-encoding", "chunked")]),                                         Harmless),
        (usual(&[("te", "trailers, chunked")]),                                              Harmless),
        (usual(&[("upgrade", "h2c"), ("http2-settings", "AAMAAABkAAQAoAAAAAIAAAAA")]),       Harmless),
        (usual(&[("content-length", "5")]),                                                  Harmless),
        (usual(&[("x-original-uri", "/public/a"), (":path", "/admin")]),                     Stay),
        (usual(&[("x-forwarded-uri", "/public/a"), (":path", "/admin")]),                    Stay),
    ];
    let mut faults = Vec::new();
    for (fields, must) in &attempts {
        faults.extend(site.over_http2(fields, &[], *must).await);
    }
    // A body whose length is another, and one whose trailers name a user.
    let post = [
        (":method", "POST"),
        (":path", "/other"),
        ("cookie", "{LINUS}"),
    ];
    let inner =
        b"0\r\n\r\nGET /admin HTTP/1.1\r\nHost: gate\r\nX-Session-User: eve\r\n\r\n".as_slice();
    let (abc, eve) = (b"abc".as_slice(), &[("x-session-user", EVE)][..]);
    for (more, bytes, trailers) in [
        (&[("content-length", "0")][..], inner, &[][..]),
        (&[("transfer-encoding", "chunked")], inner, &[]),
        (&[("transfer-encoding ", "chunked")], inner, &[]),
        (&[], abc, eve),
        (&[("content-length", "3")], abc, eve),
        (&[("trailer", "x-session-user")], abc, eve),
    ] {
        let fields = usual(&[&post[..], more].concat());
        let body = [http2::Body { bytes, trailers }];
        faults.extend(site.over_http2(&fields, &body, Harmless).await);
    }
    held(&faults);
}
