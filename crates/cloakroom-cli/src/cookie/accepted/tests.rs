use cloakroom::KeyRing;
use cloakroom::cookie::{cookie_value, sign};
use cloakroom::id::{IdGrammar, SessionId};

use super::accepted;
use crate::secret_args::Secrets;

const NEW: &str = "a new secret of thirty-two bytes and more.";
const OLD: &str = "an old secret of thirty-two bytes and more";
const NAME: &str = "connect.sid";

/// A value whose signature has the characters that copies damage.
fn value(secret: &str, wanted: impl Fn(&str) -> bool) -> String {
    let ring = KeyRing::with_insecure_short_secret(secret).unwrap();
    let mut values = std::iter::repeat_with(|| cookie_value(&SessionId::random(), &ring));
    values.find(|value| wanted(value)).unwrap()
}

fn ids(header: &str, secrets: &str) -> (Vec<&'static str>, bool) {
    let secrets = Secrets::of(secrets);
    let (found, id) = accepted(header, NAME, &secrets, &IdGrammar::default());
    for found in &found {
        assert!(
            !found.sentence().contains("missing}"),
            "{}",
            found.sentence()
        );
        assert!(!found.mend().contains("missing}"), "{}", found.mend());
    }
    (
        found.iter().map(|found| found.situation.id).collect(),
        id.is_some(),
    )
}

#[test]
fn each_value_is_accepted_or_not_for_its_reason() {
    let both = format!("{NEW}\n{OLD}");
    let good = value(NEW, |_| true);
    let raw = good
        .replace("%3A", ":")
        .replace("%2F", "/")
        .replace("%2B", "+");
    let with_plus = value(NEW, |value| value.contains("%2B"));
    let ring = KeyRing::new(NEW).unwrap();
    let guessed = format!(
        "s%3A{}",
        sign("ada", &ring).replace('/', "%2F").replace('+', "%2B")
    );
    let url_safe = with_plus.replace("%2B", "-").replace("%2F", "_");
    #[rustfmt::skip]
    let table: Vec<(String, &str, &str)> = vec![
        (good.clone(),                                "newest-key",         &both),
        (raw.clone(),                                 "newest-key",         &both),
        (value(OLD, |_| true),                        "old-key",            &both),
        (value("another secret entirely", |_| true),  "no-key-fits",        &both),
        (value(&format!("{NEW}\n"), |_| true),        "secret-miscopied",   &both),
        (value(&format!("\"{NEW}\""), |_| true),      "secret-miscopied",   &both),
        (good.clone(),                                "not-verified",       ""),
        (good.replace('%', "%25"),                    "encoded-twice",      &both),
        (with_plus.replace("%2B", "%20"),             "plus-became-blank",  &both),
        (format!("%22{good}%22"),                     "quotes-kept",        &both),
        (format!("'{good}'"),                         "quotes-kept",        &both),
        (raw.trim_start_matches("s:").to_owned(),     "unsigned",           &both),
        ("abc".to_owned(),                            "unsigned",           &both),
        ("eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhIn0.c2ln".to_owned(), "is-a-jwt", &both),
        ("j%3A%7B%22a%22%3A1%7D".to_owned(),          "is-a-json-cookie",   &both),
        (raw[..raw.len() - 5].to_owned(),             "cut-off",            &both),
        ("s%3Aabcdefghijklmnopqrstuvwx".to_owned(),   "cut-off",            &both),
        (format!("{raw}="),                           "other-alphabet",     &both),
        (url_safe,                                    "other-alphabet",     &both),
        (guessed,                                     "id-outside-grammar", &both),
        ("s%3Aé.x".to_owned(),                        "not-ascii",          &both),
    ];
    for (value, expected, secrets) in table {
        let (found, has_id) = ids(&format!("lang=en; {NAME}={value}"), secrets);
        assert_eq!(found, [expected], "{expected}");
        let accepted = ["newest-key", "old-key", "not-verified"].contains(&expected);
        assert_eq!(has_id, accepted, "{expected}");
    }
}

#[test]
fn names_are_compared_with_case_and_prefix() {
    let good = value(NEW, |_| true);
    for (header, expected) in [
        (String::new(), "no-cookie"),
        (";;".to_owned(), "no-cookie"),
        (format!("sid={good}"), "other-name"),
        (format!("Connect.SID={good}"), "other-case"),
        (format!("__Host-connect.sid={good}"), "other-prefix"),
    ] {
        assert_eq!(ids(&header, NEW).0, [expected], "{expected}");
    }
}

#[test]
fn several_of_the_name_are_told_apart() {
    let (one, two) = (value(NEW, |_| true), value(NEW, |_| true));
    for (values, expected) in [
        (vec![one.as_str(), "x"], vec!["newest-key"]),
        (
            vec!["x", one.as_str()],
            vec!["duplicate-first-bad", "newest-key"],
        ),
        (
            vec![one.as_str(), two.as_str()],
            vec!["duplicate-valid", "newest-key"],
        ),
        (vec!["x", "y"], vec!["unsigned"]),
    ] {
        let pairs: Vec<String> = values
            .iter()
            .map(|value| format!("{NAME}={value}"))
            .collect();
        assert_eq!(ids(&pairs.join("; "), NEW).0, expected);
    }
}

#[test]
fn a_long_field_is_said() {
    let header = format!("big={}; {NAME}={}", "x".repeat(8200), value(NEW, |_| true));
    assert_eq!(ids(&header, NEW).0, ["header-too-long", "newest-key"]);
}

#[test]
fn neither_values_nor_secrets_are_in_a_sentence() {
    let secrets = Secrets::of(NEW);
    for value in [
        "hunter2",
        "s%3Ahunter2.x",
        "eyJhunter2.a.b",
        "s%253Ahunter2",
    ] {
        let header = format!("{NAME}={value}");
        let (found, _) = accepted(&header, NAME, &secrets, &IdGrammar::default());
        assert!(!format!("{found:?}").contains("hunter2"), "{value}");
    }
}
