//! Groups 1 to 4: paths, hosts, queries, methods.

use crate::support::{Answer, Place, raw};

#[tokio::test]
async fn g01_no_spelling_of_a_path_slips_past_its_rule() {
    let place = Place::open().await;
    let cookie = place.user("linus", &["staff"]).await;
    #[rustfmt::skip]
    let paths = [
        "/public/../admin", "/public/..", "/public/%2e%2e/admin", "/public/%2E%2e/admin", "/public/.%2e/admin",
        "/public/..%2fadmin", "/public/..%2Fadmin", "/public/%2e%2e%5cadmin", "/public/..%5cadmin",
        "/public/..\\admin", "/public\\..\\admin", "/public/..;/admin", "/public/..;x=y/admin", "/./admin",
        "/public/./../admin", "//admin", "/public//../admin", "///admin", "/admin/", "/admin//", "/ADMIN", "/Admin/",
        "/admin", "/admin/x", "/aDmIn/x", "/%61dmin", "/%61%64%6d%69%6e", "/%2561dmin", "/public/%252e%252e/admin",
        "/public/%25252e%25252e/admin", "/admin%00", "/admin%00.js", "/public/%00/../admin", "/admin%0a", "/admin%0d",
        "/admin%20", "/admin.", "/admin...", "/admin;x=.css", "/admin;/x", "/admin%3b", "/admin%3fx", "/admin%23",
        "/admin%09", "/public/%c0%ae%c0%ae/admin", "/public/..%c0%afadmin", "/public/..%ef%bc%8fadmin",
        "/%ef%bd%81dmin", "/adm%c4%b1n", "/admin/%e2%80%8b", "/admin%", "/admin%2", "/%u0061dmin", "/admin%ff",
        "*", "admin", "/public/....//admin", "/public/..././admin", "/public/%2e%2e%2fadmin", "/public/..%00/admin",
    ];
    for path in paths {
        for fields in [&[][..], &[("Cookie", cookie.as_str())][..]] {
            let answer = place.get(path, fields).await;
            assert!(
                [400, 401, 403].contains(&answer.status),
                "{path} {fields:?}: {answer:?}"
            );
        }
    }
    assert!(
        place.upstream.bytes().is_empty(),
        "{:?}",
        place.upstream.targets()
    );

    // Bytes that no path may have.
    for path in [
        &b"/admin\0.js"[..],
        b"/admin\t",
        b"/caf\xe9",
        b"/public/\xc0\xae\xc0\xae/admin",
        b"/admin\x7f",
    ] {
        let line = [
            b"GET ",
            path,
            b" HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n",
        ]
        .concat();
        let answer = Answer::of(&place.raw(line).await);
        assert_eq!(answer.status, 400, "{path:?} {answer:?}");
    }
    assert!(place.upstream.bytes().is_empty());

    // The control: whoever may, and what is public, passes, byte for byte as it was sent.
    let admin = place.user("ada", &["admin"]).await;
    for path in [
        "/admin",
        "/admin/",
        "/ADMIN/x",
        "/admin/caf%C3%A9?a=%2e%2e/%zz&b=//c",
    ] {
        assert_eq!(
            place.get(path, &[("Cookie", &admin)]).await.status,
            200,
            "{path}"
        );
        assert_eq!(place.upstream.take()[0].target(), path);
    }
    for path in [
        "/public/a",
        "/public/%5Bx%5D.js",
        "/public/caf%C3%A9/",
        "/public?x=/../admin",
    ] {
        assert_eq!(place.get(path, &[]).await.status, 200, "{path}");
        assert_eq!(place.upstream.take()[0].target(), path);
    }
}

#[tokio::test]
async fn g02_a_request_names_one_host_once() {
    let place = Place::open().await;
    let gate = place.proxy.to_string();
    let absolute = format!("http://{gate}/public/a");
    #[rustfmt::skip]
    let table: [(&str, &[&str], u16); 17] = [
        ("/public/a",                  &[&gate],                 200),
        (&absolute,                    &[&gate],                 200),
        ("/public/a",                  &["Gate.Example"],        200),
        ("/public/a",                  &["gate.example:80"],     200),
        ("http://other/public/a",      &[&gate],                 400),
        ("http://other/admin",         &["other", &gate],        400),
        ("https://other:1/public/a",   &[&gate],                 400),
        ("http://u:p@gate/public/a",   &["gate"],                400),
        ("/public/a",                  &[&gate, "other"],        400),
        ("/public/a",                  &[&gate, &gate],          400),
        ("/public/a",                  &["gate.example."],       400),
        ("/public/a",                  &["u@gate.example"],      400),
        ("/public/a",                  &["gate.example/public"], 400),
        ("/public/a",                  &["gate.example:99999"],  400),
        ("/public/a",                  &["gate.example:80@x"],   400),
        ("/public/a",                  &[""],                    400),
        ("/public/a",                  &[],                      400),
    ];
    for (target, hosts, status) in table {
        let hosts: String = hosts
            .iter()
            .map(|host| format!("Host: {host}\r\n"))
            .collect();
        let text = format!("GET {target} HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n");
        let answer = Answer::of(&place.raw(&text).await);
        assert_eq!(answer.status, status, "{text} {answer:?}");
        assert_eq!(
            place.upstream.take().len(),
            usize::from(status == 200),
            "{text}"
        );
    }
    // An absolute target is forwarded as a path.
    place.get(&absolute, &[]).await;
    assert_eq!(place.upstream.take()[0].target(), "/public/a");
}

#[tokio::test]
async fn g03_a_query_or_a_fragment_chooses_no_rule() {
    let place = Place::open().await;
    for target in [
        "/admin?/public/a",
        "/admin?x=/public/../public/a",
        "/admin?.js",
        "/admin/x?#/public/a",
        "/admin#/public/a",
        "/admin/#/../public/a",
        "/?/public/a",
        "?/public/a",
        "#/public/a",
    ] {
        let status = place.get(target, &[]).await.status;
        assert!([400, 401].contains(&status), "{target}: {status}");
    }
    assert!(
        place.upstream.bytes().is_empty(),
        "{:?}",
        place.upstream.targets()
    );
    // What was judged is what is forwarded: a fragment is no path.
    place.get("/public/a#/../../admin", &[]).await;
    for target in place.upstream.targets() {
        assert_eq!(target, "/public/a");
    }
}

#[tokio::test]
async fn g04_no_method_slips_past_a_rule() {
    let place = Place::open().await;
    let user = place.user("linus", &[]).await;
    let cookie = ("Cookie", user.as_str());
    #[rustfmt::skip]
    let table: [(&str, &str, &[(&str, &str)], u16); 22] = [
        ("GET",     "/public/a",  &[],                                              200),
        ("HEAD",    "/public/a",  &[],                                              200),
        ("POST",    "/public/a",  &[],                                              401),
        ("OPTIONS", "/public/a",  &[],                                              401),
        ("POST",    "/public/a",  &[("X-HTTP-Method-Override", "GET")],             401),
        ("GET",     "/reports/1", &[],                                              401),
        ("GET",     "/reports/1", &[cookie],                                        200),
        ("HEAD",    "/reports/1", &[cookie],                                        200),
        ("POST",    "/reports/1", &[cookie],                                        405),
        ("DELETE",  "/reports/1", &[cookie],                                        405),
        ("PROPFIND", "/reports/1", &[cookie],                                       405),
        ("BREW",    "/other",     &[cookie],                                        200),
        ("TRACE",   "/public/a",  &[],                                              405),
        ("TRACE",   "/other",     &[cookie],                                        405),
        ("CONNECT", "/public/a",  &[cookie],                                        400),
        ("CONNECT", "gate:80",    &[cookie],                                        405),
        ("get",     "/public/a",  &[],                                              405),
        ("Get",     "/admin",     &[cookie],                                        405),
        ("post",    "/other",     &[cookie],                                        405),
        ("GE\u{54}X", "/public/a", &[],                                             401),
        ("G\u{1}T", "/public/a",  &[],                                              400),
        ("",        "/public/a",  &[],                                              400),
    ];
    for (method, target, fields, status) in table {
        let answer = place.send(method, target, fields).await;
        let is_refused = |status: u16| [400, 405].contains(&status);
        let is_as_said =
            answer.status == status || (is_refused(status) && is_refused(answer.status));
        assert!(is_as_said, "{method:?} {target} {fields:?} {answer:?}");
        assert_eq!(
            place.upstream.take().len(),
            usize::from(status == 200),
            "{method} {target}"
        );
    }
    // An override of a method that a user may use is not passed on either.
    let overrides = [
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "x_http_method_override",
    ];
    for name in overrides {
        place.get("/reports/1", &[cookie, (name, "DELETE")]).await;
        assert!(place.upstream.take()[0].all(name).is_empty(), "{name}");
    }
}

#[tokio::test]
async fn a_version_of_http_that_the_gate_does_not_speak_reaches_nobody() {
    let place = Place::open().await;
    for text in [
        "GET /public/a\r\n\r\n",
        "GET /public/a HTTP/0.9\r\n\r\n",
        "GET /public/a HTTP/2.0\r\nHost: gate\r\n\r\n",
        "GET /public/a HTTP/1.1 HTTP/1.1\r\nHost: gate\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET  /public/a HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n",
        "GET /admin /public/a HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n",
    ] {
        let answer = raw(place.proxy, text.as_bytes()).await;
        assert!(!answer.contains("200 OK"), "{text} {answer}");
    }
    assert!(
        place.upstream.bytes().is_empty(),
        "{:?}",
        place.upstream.targets()
    );
}
