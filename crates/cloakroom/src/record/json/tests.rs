use proptest::prelude::*;

use super::{Bounds, is_value, members};

const BOUNDS: Bounds = Bounds {
    depth: 100,
    members: 1000,
};

#[test]
fn members_are_found_in_the_text() {
    let text = r#" {"a": 1.5e3 , "b\n":{"c":[true,null]},"":"\ud800"} "#;
    let found: Vec<_> = members(text, BOUNDS)
        .unwrap()
        .iter()
        .map(|member| {
            (
                &text[member.key.range()],
                &text[member.value.range()],
                member.escaped,
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("a", "1.5e3", false),
            ("b\\n", r#"{"c":[true,null]}"#, true),
            ("", r#""\ud800""#, false)
        ]
    );
}

#[test]
fn text_that_is_no_object_is_refused() {
    for text in [
        "",
        "null",
        "[]",
        "7",
        "{",
        "{}x",
        "{a:1}",
        "{'a':1}",
        r#"{"a":1,}"#,
        r#"{"a" 1}"#,
        r#"{"a":01}"#,
        r#"{"a":.5}"#,
        r#"{"a":1.}"#,
        r#"{"a":+1}"#,
        r#"{"a":"\x"}"#,
        r#"{"a":"\u12g4"}"#,
        "{\"a\":\"\n\"}",
        r#"{"a":tru}"#,
        r#"{"a":[1,]}"#,
        r#"{"a":"#,
        r#"{"a":"\"#,
        r#"{"a":"\u1"#,
        r#"{"a":-}"#,
        r#"{"a":1e}"#,
    ] {
        assert!(members(text, BOUNDS).is_none(), "{text}");
    }
}

#[test]
fn depth_and_number_of_members_are_bounded() {
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(99), "]".repeat(99));
    assert!(members(&deep, BOUNDS).is_some());
    assert!(
        members(
            &deep,
            Bounds {
                depth: 99,
                ..BOUNDS
            }
        )
        .is_none()
    );
    let abyss = format!(r#"{{"a":{}"#, "[".repeat(1_000_000));
    assert!(members(&abyss, BOUNDS).is_none());
    assert!(
        members(
            r#"{"a":1,"b":2}"#,
            Bounds {
                members: 1,
                ..BOUNDS
            }
        )
        .is_none()
    );
}

proptest! {
    #[test]
    fn serde_json_agrees_on_what_is_json(text in r#"[\[\]{}",:\\u0-9eE+. a-dtrunfls\-]{0,24}"#) {
        let theirs = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
        prop_assert_eq!(is_value(&text, 100), theirs, "{}", text);
    }

    #[test]
    fn no_text_panics(text in ".{0,64}") {
        let _ = members(&text, BOUNDS);
    }
}
