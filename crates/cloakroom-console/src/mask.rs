//! The values of a session as they may be shown: some never, none longer than a page can bear.

use serde_json::Value;

/// Parts of names under which applications keep secrets.
const SECRET: [&str; 5] = ["pass", "token", "secret", "key", "card"];

/// Characters of a value that are shown.
const LONGEST: usize = 4_000;

/// Stands for a value that is not shown.
pub(crate) const MASK: &str = "••••••";

/// Returns `true` if a key's name looks like a secret's: its value is never shown.
///
/// `passport` and `passportUser` are Passport's names of a user.
pub(crate) fn is_secret(key: &str) -> bool {
    let key = key.to_lowercase().replace("passport", "");
    SECRET.iter().any(|word| key.contains(word))
}

/// Returns a value as text, with the secrets in it masked, at any depth.
pub(crate) fn revealed(key: &str, value: &Value) -> String {
    if is_secret(key) {
        return MASK.to_owned();
    }
    let text = match masked(value) {
        Value::String(text) => text,
        value => serde_json::to_string_pretty(&value).unwrap_or_default(),
    };
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST).chain(['…']).collect()
}

fn masked(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| {
                let value = if is_secret(key) {
                    Value::from(MASK)
                } else {
                    masked(value)
                };
                (key.clone(), value)
            });
            Value::Object(members.collect())
        }
        Value::Array(values) => values.iter().map(masked).collect(),
        value => value.clone(),
    }
}

/// Returns the kind and size of a value, for those that are masked: `text, 12 characters`.
pub(crate) fn shape(value: &Value) -> String {
    let count =
        |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "true or false".to_owned(),
        Value::Number(_) => "number".to_owned(),
        Value::String(text) => format!("text, {}", count(text.chars().count(), "character")),
        Value::Array(values) => format!("list of {}", count(values.len(), "item")),
        Value::Object(members) => format!("object of {}", count(members.len(), "member")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{LONGEST, MASK, is_secret, revealed, shape};

    #[test]
    fn names_that_look_like_secrets_are_told() {
        for (key, expected) in [
            ("password", true),
            ("PassPhrase", true),
            ("csrfToken", true),
            ("_csrfSecret", true),
            ("apiKey", true),
            ("creditCard", true),
            ("cardNumber", true),
            ("passportToken", true),
            ("passport", false),
            ("userId", false),
            ("cart", false),
            ("role", false),
        ] {
            assert_eq!(is_secret(key), expected, "{key}");
        }
    }

    #[test]
    fn secrets_stay_masked_at_any_depth() {
        let value =
            json!({"name": "Ada", "cards": ["4111"], "list": [{"token": {"a": 1}, "n": 2}]});
        let text = revealed("profile", &value);
        assert!(text.contains("Ada") && text.contains("\"n\": 2"), "{text}");
        assert!(!text.contains("4111") && !text.contains("\"a\""), "{text}");
        assert_eq!(revealed("password", &json!("hunter2")), MASK);
        assert_eq!(revealed("note", &json!("plain")), "plain");
        assert_eq!(
            revealed("long", &json!("ä".repeat(9_000))).chars().count(),
            LONGEST + 1
        );
    }

    #[test]
    fn a_masked_value_has_a_shape() {
        for (value, expected) in [
            (json!(null), "null"),
            (json!(1), "number"),
            (json!("a"), "text, 1 character"),
            (json!("ab"), "text, 2 characters"),
            (json!([1, 2]), "list of 2 items"),
            (json!({"a": 1}), "object of 1 member"),
        ] {
            assert_eq!(shape(&value), expected);
        }
    }
}
