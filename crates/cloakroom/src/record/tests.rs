use std::time::Duration;

use super::{Attribute, CookieState, Patch, Record, RecordError, RecordLimit, UserKeys};
use crate::clock::Timestamp;

const COOKIE: &str = r#""cookie":{"originalMaxAge":60000,"expires":"2026-01-02T03:05:05.678Z","httpOnly":true,"path":"/"}"#;

fn record(data: &str) -> Record {
    Record::parse(format!("{{{COOKIE}{data}}}").into(), RecordLimit::default()).unwrap()
}

fn patched(base: &Record, change: impl FnOnce(&mut Patch)) -> String {
    let mut patch = Patch::default();
    change(&mut patch);
    let cookie = base.cookie().to_json();
    let fields = patch.lay(Some(base), &cookie, None);
    let written = Record::of(
        ["id", "user"],
        &fields,
        base.cookie(),
        base.metadata().cloned(),
    );
    // A record that was built equals a parsed one.
    let again = Record::parse(written.text().clone(), RecordLimit::default()).unwrap();
    assert_eq!(written, again);
    written.text().replace(COOKIE, "C")
}

#[test]
fn a_key_may_be_spelled_with_escapes_and_come_twice() {
    let limit = RecordLimit::default();
    for text in [
        r#"{"\u0063ookie":{"originalMaxAge":7,"path":"/a"},"_\u0063k":{"created":5}}"#,
        r#"{"cookie":{},"\u0063ookie":{"originalMaxAge":7,"path":"/a"},"_ck":{},"_\u0063k":{"created":5}}"#,
        r#"{"\u0063ookie":{},"cookie":{"originalMaxAge":7,"path":"/a"},"_ck":7,"_ck":{"created":5}}"#,
    ] {
        let record = Record::parse(text.into(), limit).unwrap();
        let alone = CookieState::parse(r#"{"originalMaxAge":7,"path":"/a"}"#).unwrap();
        assert_eq!(*record.cookie(), alone, "{text}");
        assert_eq!(record.metadata().unwrap().to_json(), r#"{"created":5}"#);
    }
}

#[test]
fn untouched_keys_keep_their_bytes() {
    let data = r#","f":1.50e3,"é\u00e9":"\ud800","nested":{"2":1,"1":[ ]}"#;
    let base = record(data);
    assert_eq!(patched(&base, |_| ()), format!("{{C{data}}}"));
    assert_eq!(
        patched(&base, |patch| patch.set("a", "1")),
        format!(r#"{{C{data},"a":1}}"#)
    );
}

#[test]
fn keys_are_in_javascripts_order() {
    let base = record(r#","a":1,"b":2"#);
    assert_eq!(
        patched(&base, |patch| patch.set("a", "9")),
        r#"{C,"a":9,"b":2}"#
    );
    assert_eq!(
        patched(&base, |patch| {
            patch.remove("a");
            patch.set("a", "1");
        }),
        r#"{C,"b":2,"a":1}"#
    );
    assert_eq!(
        patched(&base, |patch| {
            patch.set("10", "1");
            patch.set("2", "2");
            patch.set("q\"\n", "3");
        }),
        r#"{"2":2,"10":1,C,"a":1,"b":2,"q\"\n":3}"#
    );
}

#[test]
fn a_change_alters_the_text_of_the_record() {
    let base = record(r#","a":1,"b":2"#);
    let changes = |change: &dyn Fn(&mut Patch)| {
        let mut patch = Patch::default();
        change(&mut patch);
        patch.changes(Some(&base))
    };
    assert!(!changes(&|_| ()));
    assert!(!changes(&|patch| patch.set("a", "1")), "the same value");
    assert!(!changes(&|patch| patch.remove("nothing")));
    assert!(changes(&|patch| patch.set("a", "2")));
    assert!(changes(&|patch| patch.remove("a")));
    assert!(
        changes(&|patch| {
            patch.remove("a");
            patch.set("a", "1");
        }),
        "another order of keys"
    );
    assert!(
        !changes(&|patch| {
            patch.remove("b");
            patch.set("b", "2");
        }),
        "the last key stays the last"
    );
    assert!(!changes(&|patch| {
        patch.set("c", "1");
        patch.remove("c");
    }));
}

#[test]
fn patches_join_in_order() {
    let base = record(r#","a":1"#);
    let mut first = Patch::default();
    first.set("a", "2");
    first.set("b", "1");
    let mut second = Patch::default();
    second.remove("b");
    second.set("c", "3");
    first.extend(&second);
    assert_eq!(patched(&base, |patch| *patch = first), r#"{C,"a":2,"c":3}"#);
}

#[test]
fn written_changes_are_subtracted_and_later_ones_stay() {
    let mut patch = Patch::default();
    patch.set("a", "2");
    patch.remove("b");
    let sent = patch.clone();
    let mut later = patch.clone();
    later.set("a", "3");
    later.set("c", "4");
    patch.subtract(&sent);
    assert!(patch.is_empty());
    later.subtract(&sent);
    assert_eq!(later.get("a"), Some(Some("3")));
    assert_eq!((later.get("b"), later.get("c")), (None, Some(Some("4"))));
    assert_eq!(sent.get("a"), Some(Some("2")), "copies go their own ways");
}

#[test]
fn undefined_attributes_get_defaults_after_a_round_trip() {
    let now = Timestamp::from_millis(1_767_323_045_678);
    for undefined in ["path", "httpOnly", "domain", "sameSite"] {
        let mut cookie = CookieState::default();
        cookie.set_max_age(Some(Duration::from_mins(1)), now);
        *cookie.attribute_mut(undefined).unwrap() = Attribute::Undefined;
        let read = CookieState::parse(&cookie.to_json()).unwrap();
        assert_eq!(cookie.after_round_trip(), read, "{undefined}");
    }
}

#[test]
fn the_last_of_a_repeated_key_counts_at_the_first_place() {
    let base = record(r#","a":1,"b":2,"a":3"#);
    assert_eq!(base.get("a"), Some("3"));
    assert_eq!(patched(&base, |_| ()), r#"{C,"a":3,"b":2}"#);
}

#[test]
fn keys_that_node_would_drop_are_dropped() {
    let base = record(r#","save":1,"ok":2,"__proto__":{"admin":true}"#);
    assert!(base.has_reserved_keys());
    assert_eq!((base.get("save"), base.get("__proto__")), (None, None));
    assert_eq!(patched(&base, |_| ()), r#"{C,"ok":2}"#);
}

#[test]
fn an_invalid_record_has_a_reason() {
    let parse = |text: &str| Record::parse(text.into(), RecordLimit::default()).err();
    for text in ["", "null", "7", "[]", "{", "{\"a\":1", "\u{0}"] {
        assert_eq!(parse(text), Some(RecordError::NotAnObject), "{text}");
    }
    for text in [
        "{}",
        r#"{"cookie":null}"#,
        r#"{"cookie":"x"}"#,
        r#"{"cookie":[]}"#,
    ] {
        assert_eq!(parse(text), Some(RecordError::NoCookie), "{text}");
    }
    let huge = format!("{{{COOKIE},\"a\":\"{}\"}}", "x".repeat(2 << 20));
    let (bytes, most) = (huge.len(), 1 << 20);
    assert_eq!(parse(&huge), Some(RecordError::TooLarge { bytes, most }));
    let many: Vec<String> = (0..9000).map(|key| format!(",\"k{key}\":1")).collect();
    let many = many.concat();
    let (keys, most) = (9000, 8192);
    assert_eq!(
        parse(&format!("{{{COOKIE}{many}}}")),
        Some(RecordError::TooManyKeys { keys, most })
    );
    let deep = format!(
        "{{{COOKIE},\"a\":{}{}}}",
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    assert_eq!(parse(&deep), Some(RecordError::NotAnObject));
}

#[test]
fn a_cookie_object_is_read_and_touched_as_express_does() {
    let now = Timestamp::from_millis(1_767_323_045_678);
    #[rustfmt::skip]
    let table = [ // as stored, after a touch
        (r#"{"httpOnly":true,"path":"/","expires":"2026-11-23T14:51:20.962Z"}"#, r#"{"httpOnly":true,"path":"/"}"#),
        (r#"{"originalMaxAge":null,"expires":"2026-11-23T14:51:20.962Z","httpOnly":true,"path":"/"}"#, r#"{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"}"#),
        (r#"{"originalMaxAge":60000}"#, r#"{"originalMaxAge":60000,"expires":"2026-01-02T03:05:05.678Z","httpOnly":true,"path":"/"}"#),
        (r#"{"originalMaxAge":false,"expires":false}"#, r#"{"originalMaxAge":false,"expires":false,"httpOnly":true,"path":"/"}"#),
        (r#"{"original_max_age":60000,"http_only":true}"#, r#"{"httpOnly":true,"path":"/"}"#),
        (r#"{"originalMaxAge":"60000"}"#, r#"{"httpOnly":true,"path":"/"}"#),
        (r#"{"originalMaxAge":1,"sameSite":true,"partitioned":1,"priority":"HIGH","secure":"auto","domain":null}"#,
         r#"{"originalMaxAge":1,"partitioned":1,"priority":"HIGH","expires":"2026-01-02T03:04:05.679Z","secure":"auto","httpOnly":true,"domain":null,"path":"/","sameSite":true}"#),
    ];
    for (stored, touched) in table {
        let mut cookie = CookieState::parse(stored).unwrap();
        cookie.touch(now);
        assert_eq!(cookie.to_json(), touched);
    }
}

#[test]
fn a_record_belongs_to_the_first_user_key_that_it_has() {
    let keys = UserKeys::default();
    #[rustfmt::skip]
    let table = [
        (r#"{"userId":"ada"}"#,                     Some("ada")),
        (r#"{"userId":7}"#,                         Some("7")),
        (r#"{"passport":{"user":42}}"#,             Some("42")),
        (r#"{"passport":{"user":{"id":"x"}}}"#,     Some("x")),
        (r#"{"userId":null,"passport":{"user":1}}"#, Some("1")),
        (r#"{"userId":""}"#,                        None),
        (r#"{"userId":[1]}"#,                       None),
        (r#"{"user":"ada"}"#,                       None),
        ("no record",                               None),
    ];
    for (record, user) in table {
        assert_eq!(keys.user_of(record).as_deref(), user, "{record}");
    }
}
