//! `end`, `end-user`, `end-all`, `prune`, `reindex`.

use testbed::Redis;

use crate::{Shop, express, new_file};

#[test]
fn ending_by_handle_is_idempotent() {
    for shop in Shop::each("ended_by_handle") {
        let handle = shop.handle(&["--where", "role=admin"]);
        assert!(
            shop.ok(&["end", &handle, "a-device"])
                .out
                .starts_with("2 sessions ended\n")
        );
        assert!(!shop.has("ada-one") && !shop.has("ada-two") && shop.has("bob-one"));
        let again = shop.ok(&["end", &handle]);
        assert!(
            again.out.starts_with("0 sessions ended\n1 not there"),
            "{}",
            again.out
        );
        // Handles are base64url, and some begin with a hyphen.
        let hyphen = shop.ok(&["end", "--reason", "a test", "--", "-0zYg9Gm9Kph-8GYRive_w"]);
        assert!(
            hyphen.out.starts_with("0 sessions ended\n1 not there"),
            "{}",
            hyphen.out
        );
        let taken_for_flags = shop.run(&["end", "-0zYg9Gm9Kph-8GYRive_w"]);
        assert!(
            taken_for_flags.error.contains("use '--"),
            "{}",
            taken_for_flags.error
        );
        // What cannot be read can be ended.
        let odd = shop.handle(&["--unreadable"]);
        assert!(shop.ok(&["end", &odd]).out.starts_with("1 session ended"));
        assert!(!shop.has("odd"));
    }
}

#[test]
fn ending_what_matches_takes_consent_to_the_number() {
    for shop in Shop::each("ended_by_filter") {
        let dry = shop.ok(&["end", "--anonymous"]);
        assert!(
            dry.out.contains("1 session would end") && dry.out.contains("--yes 1"),
            "{}",
            dry.out
        );
        let refusals = new_file("refusals.jsonl");
        let path = refusals.display().to_string();
        let refused = [
            "end",
            "--where",
            "userId=ada",
            "--yes",
            "7",
            "--audit",
            &path,
        ];
        let refused = shop.run(&refused);
        assert_eq!(refused.code, 1);
        let line = std::fs::read_to_string(&refusals).unwrap();
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        let event = line["event"].as_str().unwrap();
        assert!(
            event.starts_with("authz_fail:") && event.ends_with(",sessions_ended"),
            "{line}"
        );
        assert_eq!(line["count"], 2);
        assert!(
            refused.error.contains("nothing was ended"),
            "{}",
            refused.error
        );
        for id in ["ada-one", "ada-two", "bob-one", "nobody", "odd"] {
            assert!(shop.has(id), "{id}");
        }
        let audit = new_file("audit.jsonl");
        let path = audit.display().to_string();
        let more = ["--audit", &path, "--reason", "stolen laptop"];
        shop.ok(&[&["end", "--where", "userId=ada", "--yes", "2"], &more[..]].concat());
        assert!(!shop.has("ada-one") && !shop.has("ada-two") && shop.has("bob-one"));
        let line = std::fs::read_to_string(&audit).unwrap();
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&line["count"], &line["reason"]),
            (&2.into(), &"stolen laptop".into())
        );
        assert_eq!(line["filter"], "--where userId=…");
        assert!(line["event"].as_str().unwrap().starts_with("authz_admin:"));
        shop.ok(&["end-all", "--yes", "3", "--rate", "1000"]);
        assert_eq!(shop.ok(&["count"]).out, "0\n");
    }
}

#[test]
fn ending_a_user_spares_others_and_the_one_that_is_kept() {
    for shop in Shop::each("ended_by_user") {
        let kept = shop.run(&["end-user", "ada", "--except", "not-a-handle"]);
        assert_eq!(kept.code, 1);
        assert!(shop.has("ada-one") && shop.has("ada-two"));
        assert_eq!(
            shop.ok(&["end-user", "ada", "--except", "a-device"]).out,
            "1 session ended\n"
        );
        assert!(!shop.has("ada-one") && shop.has("ada-two"));
        assert_eq!(shop.ok(&["end-user", "ada"]).out, "1 session ended\n");
        assert_eq!(shop.ok(&["end-user", "ada"]).out, "0 sessions ended\n");
        assert!(shop.has("bob-one") && shop.has("nobody"));
        // The session that Passport signed in.
        assert_eq!(shop.ok(&["end-user", "bob"]).out, "1 session ended\n");
        assert!(!shop.has("bob-one"));
    }
}

#[test]
fn expired_sessions_are_pruned() {
    let shop = Shop::postgres("pruned");
    shop.put("live", &express(60_000, ""), 60_000);
    let postgres = testbed::Postgres::shared();
    postgres
        .query("INSERT INTO pruned VALUES ('old', '{\"cookie\":{}}', now() - interval '1 hour')");
    assert_eq!(shop.ok(&["prune"]).out, "1 expired session deleted\n");
    assert_eq!(postgres.query("SELECT sid FROM pruned"), "live\n");
}

/// What a user's sessions are ended for must not be undone by a copy of them.
#[test]
fn a_user_who_was_ended_stays_ended_when_an_export_is_imported() {
    for shop in Shop::each("ended_and_imported") {
        let file = new_file("export.jsonl").display().to_string();
        shop.ok(&["export", &file]);
        assert_eq!(
            shop.ok(&["end-user", "ada", "--dry-run"]).out,
            "2 sessions would end (--user ada)\n"
        );
        assert!(shop.has("ada-one"));
        assert_eq!(shop.ok(&["end-user", "ada"]).out, "2 sessions ended\n");
        let said = shop.ok(&["import", &file]).out;
        assert!(said.contains("2 ended here"), "{said}");
        assert!(!shop.has("ada-one") && !shop.has("ada-two"));
    }
}

/// Sessions that connect-redis wrote are in no index, and are found and ended all the same.
#[test]
fn sessions_of_express_need_no_index() {
    let redis = Redis::start();
    let text = express(3_600_000, r#","userId":"ada""#);
    redis.command(&["SET", "sess:abc", &text, "EX", "3600"]);
    let shop = Shop::new(redis.url(), &[], None);
    assert_eq!(shop.ok(&["count", "--user", "ada"]).out, "1\n");
    assert_eq!(shop.ok(&["count", "--user", "ad"]).out, "0\n");
    assert_eq!(shop.ok(&["end-user", "ada"]).out, "1 session ended\n");
    assert!(!shop.has("abc"));
}

/// Sessions that connect-redis wrote are in no index until they are entered.
#[test]
fn sessions_of_express_are_entered_in_the_index() {
    let redis = Redis::start();
    let text = express(3_600_000, r#","userId":"ada""#);
    redis.command(&["SET", "sess:abc", &text, "EX", "3600"]);
    let shop = Shop::new(redis.url(), &[], None);
    assert_eq!(redis.command(&["EXISTS", "user:ada:sessions"]), ":0\r\n");
    assert!(shop.ok(&["reindex"]).out.starts_with("1 session entered"));
    assert_eq!(
        redis
            .command(&["SMEMBERS", "user:ada:sessions"])
            .lines()
            .last(),
        Some("abc")
    );
    assert!(
        redis.command(&["GET", "sess:abc"]).contains(&text),
        "the record stays as it is"
    );
    assert_eq!(shop.ok(&["end-user", "ada"]).out, "1 session ended\n");
    assert!(!shop.has("abc"));
}
