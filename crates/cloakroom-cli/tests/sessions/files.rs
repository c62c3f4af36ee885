//! `export` and `import`.

use std::os::unix::fs::PermissionsExt as _;

use crate::{Shop, express, new_file};

#[test]
fn what_is_exported_from_one_store_is_imported_into_another() {
    let (from, to) = (Shop::sqlite(), Shop::redis());
    from.fill();
    let file = new_file("sessions.jsonl");
    let path = file.display().to_string();
    let exported = from.ok(&["export", &path]);
    assert!(
        exported.error.contains("5 sessions exported"),
        "{}",
        exported.error
    );
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "its owner's alone");
    assert_eq!(from.run(&["export", &path]).code, 2, "no file is replaced");

    let imported = to.ok(&["import", &path]);
    assert!(
        imported.out.starts_with("5 sessions imported"),
        "{}",
        imported.out
    );
    let columns = ["handle", "user", "bytes"];
    for name in columns {
        assert_eq!(
            to.ok(&["list"]).field(name),
            from.ok(&["list"]).field(name),
            "{name}"
        );
    }
    // Redis tells the time that is left, so that two readings differ by some milliseconds.
    let ends = |shop: &Shop| {
        let ends = shop.ok(&["list"]).field("expires").into_iter();
        let ends = ends.map(|at| humantime::parse_rfc3339(&at).unwrap());
        ends.collect::<Vec<_>>()
    };
    for (one, other) in ends(&to).into_iter().zip(ends(&from)) {
        let apart = one
            .duration_since(other)
            .unwrap_or_else(|error| error.duration());
        assert!(apart.as_secs() <= 1, "{one:?} {other:?}");
    }
    // The index is there as well.
    assert_eq!(to.ok(&["count", "--user", "ada"]).out, "2\n");
    let again = to.ok(&["import", &path]);
    assert!(
        again.out.starts_with("0 sessions imported") && again.out.contains("5 there already"),
        "{}",
        again.out
    );
}

#[test]
fn an_import_revives_nothing_and_replaces_the_newer_only_if_asked() {
    for shop in Shop::each("imported") {
        let file = new_file("sessions.jsonl");
        let path = file.display().to_string();
        shop.ok(&["export", &path]);
        let handle = shop.handle(&["--where", "role=admin"]);
        shop.ok(&["end", &handle]);
        let said = shop.ok(&["import", &path]);
        assert!(
            said.out.contains("1 ended here"),
            "{} {}",
            shop.url,
            said.out
        );
        assert!(!shop.has("ada-one"));
    }
    let (from, to) = (Shop::sqlite(), Shop::postgres("newer"));
    from.put("one", &express(7_200_000, r#","v":2"#), 7_200_000);
    to.put("one", &express(3_600_000, r#","v":1"#), 3_600_000);
    let file = new_file("newer.jsonl");
    let path = file.display().to_string();
    from.ok(&["export", &path]);
    assert!(to.ok(&["import", &path]).out.contains("1 there already"));
    assert_eq!(to.ok(&["count", "--where", "v=1"]).out, "1\n");
    assert!(
        to.ok(&["import", "--if-newer", &path])
            .out
            .starts_with("1 session imported")
    );
    assert_eq!(to.ok(&["count", "--where", "v=2"]).out, "1\n");
}

#[test]
fn a_file_of_another_form_is_refused_at_its_line() {
    let shop = Shop::sqlite();
    shop.fill();
    let exported = shop.ok(&["export", "-"]).out;
    let file = new_file("odd.jsonl");
    std::fs::write(&file, format!("{exported}not a session\n")).unwrap();
    let said = Shop::sqlite().run(&["import", &file.display().to_string()]);
    assert_eq!(said.code, 1);
    assert!(said.error.contains("line 6"), "{}", said.error);
}

/// An id that no client can send is no session: its line is named, and the others are stored.
#[test]
fn ids_that_no_cookie_can_hold_are_refused_by_line() {
    use base64::Engine as _;
    let record = express(3_600_000, r#","userId":"ada""#);
    let bytes = base64::engine::general_purpose::STANDARD.encode(record);
    let expires = crate::now() + 3_600_000;
    let line = |id: &str| {
        serde_json::json!({ "v": 1, "id": id, "expires": expires, "bytes": bytes, "form": "json" })
            .to_string()
    };
    let ids = [
        "good-one",
        "bad\nid",
        "good-two",
        &"x".repeat(4096),
        "nul\0",
        "good-three",
    ];
    let text: Vec<String> = ids.iter().map(|id| line(id)).collect();
    for shop in [Shop::sqlite(), Shop::redis(), Shop::postgres("refused")] {
        let file = new_file("odd.jsonl");
        std::fs::write(&file, text.join("\n") + "\n").unwrap();
        let said = shop.run(&["import", &file.display().to_string()]);
        assert_eq!(said.code, 1, "{}", said.error);
        assert!(said.out.starts_with("3 sessions imported"), "{}", said.out);
        assert!(said.out.contains("3 refused"), "{}", said.out);
        for (at, is_refused) in [
            (1, false),
            (2, true),
            (3, false),
            (4, true),
            (5, true),
            (6, false),
        ] {
            let is_named = said.error.contains(&format!("line {at} refused: "));
            assert_eq!(is_named, is_refused, "{at}: {}", said.error);
        }
        assert_eq!(shop.ok(&["count"]).out, "3\n", "{}", shop.url);
    }
}

/// Sessions are stored several at a time: the round trips are fewer than the sessions.
#[test]
fn an_import_waits_for_many_at_once() {
    let (from, mut to) = (Shop::sqlite(), Shop::redis());
    for at in 0..640 {
        let id = format!("session-{at}");
        from.put(&id, &express(3_600_000, ""), 3_600_000);
    }
    let file = new_file("many.jsonl");
    let path = file.display().to_string();
    from.ok(&["export", &path]);
    let port: u16 = to.url.rsplit(':').next().unwrap().parse().unwrap();
    let proxy = testbed::Proxy::to(port);
    to.url = format!("redis://127.0.0.1:{}", proxy.port());
    assert!(
        to.ok(&["import", &path])
            .out
            .starts_with("640 sessions imported")
    );
    let trips = proxy.take_trips();
    assert!(trips < 320, "{trips} round trips for 640 sessions");
}
