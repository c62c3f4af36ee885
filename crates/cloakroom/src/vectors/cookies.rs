//! Signatures, the Cookie field, the Set-Cookie field, attributes.

use serde_json::Value;
use serde_json::value::RawValue;

use super::{NOW, SECRET, TEXT, deviates, express, list, members, name, short_keys, text};
use crate::clock::Timestamp;
use crate::cookie::{CookieName, KeyRing, Life, find, serialize, set_cookie, sign, unsign};
use crate::id::{IdGrammar, SessionId};
use crate::policy::{CookieMut, PolicyError, TrustedProxy};
use crate::record::{Attribute, AttributeError, CookieState};

fn ring(secret: &[u8]) -> KeyRing {
    KeyRing::of_any_secret(secret)
}

#[test]
fn values_are_signed_as_cookie_signature_signs_them() {
    for case in list("/signature/sign") {
        let keys = ring(text(case, "secret").as_bytes());
        check_signed(case, &keys);
        assert_eq!(
            unsign(text(case, "signed"), &keys),
            case["unsign"].as_str(),
            "{case}"
        );
    }
    for case in list("/signature/sign_buffer_secret") {
        let hex = text(case, "secret_hex");
        let secret: Vec<u8> = (0..hex.len() / 2)
            .map(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).unwrap())
            .collect();
        check_signed(case, &ring(&secret));
    }
    // A Rust text holds no lone surrogate; Node hashes U+FFFD in its place.
    let lone = &super::VECTORS["signature"]["sign_lone_surrogate"];
    let secrets = [SECRET, "k"];
    if let Some(signature) = lone["signature_only"].as_str() {
        let signed = |secret: &str| sign("a\u{fffd}b", &ring(secret.as_bytes()));
        assert!(
            secrets
                .iter()
                .any(|secret| signed(secret).ends_with(signature))
        );
    }
}

fn check_signed(case: &Value, keys: &KeyRing) {
    let signed = sign(text(case, "val"), keys);
    assert_eq!(signed, text(case, "signed"), "{case}");
    let field = serialize(&name("c"), &["s:", &signed], Life::default(), &bare()).unwrap();
    assert_eq!(field, format!("c={}", text(case, "cookie_value")), "{case}");
    if let Some(header) = case["cookie_header"].as_str() {
        let ticket = find(
            [header.as_bytes()],
            &CookieName::default(),
            keys,
            &IdGrammar::any(),
        );
        let found = ticket.as_ref().map(|ticket| ticket.id.expose());
        assert_eq!(
            found,
            Some(text(case, "val")).filter(|id| !id.is_empty()),
            "{case}"
        );
    }
}

#[test]
fn signatures_are_refused_as_cookie_signature_refuses_them() {
    for case in list("/signature/unsign") {
        let keys = ring(text(case, "secret").as_bytes());
        assert_eq!(
            unsign(text(case, "input"), &keys),
            case["unsign"].as_str(),
            "{case}"
        );
    }
}

#[test]
fn cookie_fields_are_read_as_express_reads_them() {
    for case in list("/cookie_header") {
        let secrets: Vec<&str> = match &case["secrets"] {
            Value::String(secret) => vec![secret],
            secrets => secrets
                .as_array()
                .unwrap()
                .iter()
                .map(|secret| secret.as_str().unwrap())
                .collect(),
        };
        let keys = KeyRing::with_insecure_short_secrets(secrets).unwrap();
        let field = case["cookie"].as_str().map(str::as_bytes);
        let ticket = find(field, &name(text(case, "name")), &keys, &IdGrammar::any());
        let found = ticket.as_ref().map(|ticket| ticket.id.expose());
        if found == case["expect_sid"].as_str() {
            continue;
        }
        let several = text(case, "cookie")
            .matches(&format!("{}=", text(case, "name")))
            .count()
            > 1;
        assert!(
            several && case["expect_sid"].is_null() && found.is_some(),
            "{case}: {found:?}"
        );
        deviates("first_valid");
    }
}

#[test]
fn cookies_are_sent_as_express_sends_them() {
    for case in list("/emitted_set_cookie") {
        let id = SessionId::from_store(text(case, "sid"));
        let field = set_cookie(
            &CookieName::default(),
            &id,
            &short_keys(),
            &CookieState::default(),
        );
        assert_eq!(field.unwrap(), text(case, "set_cookie"), "{case}");
    }
}

#[test]
fn set_cookie_fields_are_written_as_npm_cookie_writes_them() {
    for case in list("/set_cookie_serialize") {
        let options = &case["options"];
        if !options["maxAge"].is_null() {
            // npm's serializer knows Max-Age; Express never sends it (spec 4.1), and neither do we.
            continue;
        }
        let theirs = case["out"].as_str().map(str::to_owned);
        let theirs = theirs.ok_or_else(|| text(case, "error").to_owned());
        if theirs == Err(EXPIRES.to_owned()) && is_set_to_no_date(options) {
            deviates("expires_is_typed");
            continue;
        }
        assert_eq!(serialized(case, options), theirs, "{case}");
    }
}

/// The error of npm's `cookie` for an `expires` that is no `Date`.
const EXPIRES: &str = "option expires is invalid";

/// Returns `true` if an option `expires` is no `Date` in JavaScript: a text, a number, `true`. The rows of
/// the serializer write their dates as texts.
fn is_set_to_no_date(options: &Value) -> bool {
    let expires = &options["expires"];
    expires.is_string() || expires.is_number() || *expires == true
}

fn serialized(case: &Value, options: &Value) -> Result<String, String> {
    let cookie_name =
        CookieName::parse(text(case, "name")).map_err(|_| "argument name is invalid".to_owned())?;
    let mut cookie = bare();
    let mut invalid = Ok(());
    for (key, value) in options.as_object().into_iter().flatten() {
        let set = assign(&mut cookie, key, &value.to_string());
        invalid = invalid.and(set.map_err(|_| format!("option {key} is invalid")));
    }
    let expires = cookie.expires_attribute();
    let expires = invalid.and(expires.map_err(|()| EXPIRES.to_owned()));
    let life = Life::until(expires?);
    serialize(&cookie_name, &[text(case, "value")], life, &cookie)
        .map_err(|error| error.to_string())
}

/// Returns a cookie without attributes.
fn bare() -> CookieState {
    let mut cookie = CookieState::default();
    *cookie.attribute_mut("path").unwrap() = Attribute::Undefined;
    *cookie.attribute_mut("httpOnly").unwrap() = Attribute::Undefined;
    cookie
}

#[derive(serde::Deserialize)]
struct CookieClass {
    options: Box<RawValue>,
    json: Option<String>,
    set_cookie: Option<String>,
    constructor_error: Option<String>,
    serialize_error: Option<String>,
}

#[derive(serde::Deserialize)]
struct CookieClasses {
    cookie_class: Vec<CookieClass>,
}

#[test]
fn attributes_are_kept_as_the_cookie_class_keeps_them() {
    let cases: CookieClasses = serde_json::from_str(&TEXT).unwrap();
    for case in cases.cookie_class {
        let mut cookie = CookieState::default();
        let options = case.options.get();
        if let Some(name) = edge_of_javascript(options) {
            deviates(name);
            continue;
        }
        let error = members(options)
            .iter()
            .find_map(|(key, value)| assign(&mut cookie, key, value.get()).err());
        if error == Some(AttributeError::TooLong) {
            assert_eq!(case.serialize_error.as_deref(), Some(EXPIRES), "{options}");
            deviates("lifetime_is_checked_when_set");
            continue;
        }
        let error = error.map(|error| error.to_string());
        assert_eq!(error, case.constructor_error, "{options}");
        if error.is_some() {
            continue;
        }
        assert_eq!(Some(cookie.to_json()), case.json, "{options}");
        let id = SessionId::from_store("apple");
        let field = set_cookie(&CookieName::default(), &id, &short_keys(), &cookie);
        assert_eq!(field.as_ref().ok(), case.set_cookie.as_ref(), "{options}");
        assert_eq!(
            field.err().map(|error| error.to_string()),
            case.serialize_error,
            "{options}"
        );
    }
}

/// Returns the deviation for options whose types a JavaScript object accepts and this library does not.
fn edge_of_javascript(options: &str) -> Option<&'static str> {
    let options = members(options);
    let at = |key: &str| options.iter().position(|(own, _)| own == key);
    let is_typed = |json: &str| matches!(json, "null" | "false" | "\"$undefined\"");
    if let Some(at) = at("expires")
        && !is_typed(options[at].1.get())
    {
        return Some("expires_is_typed");
    }
    let lifetime = ["maxAge", "expires", "$expires", "$maxAgeDate"];
    let lifetime = lifetime.iter().filter_map(|key| at(key)).max();
    let is_last = at("originalMaxAge").is_some_and(|at| lifetime < Some(at));
    is_last.then_some("original_max_age_is_derived")
}

/// Sets an option of `new Cookie(…)`, by the vectors' own spelling of values that JSON cannot express.
fn assign(cookie: &mut CookieState, key: &str, json: &str) -> Result<(), AttributeError> {
    let now = Timestamp::from_millis(NOW);
    let key = match key {
        "$expires" | "$maxAgeDate" => "expires",
        // Overwritten by the constructor, which computes it.
        "originalMaxAge" => return Ok(()),
        key => key,
    };
    if json == "\"$undefined\"" {
        if let Some(attribute) = cookie.attribute_mut(key) {
            *attribute = Attribute::Undefined;
        }
        return Ok(());
    }
    cookie.set(key, json, now)
}

#[derive(serde::Deserialize)]
struct SetCookieHttp {
    cookie: Box<RawValue>,
    name: Option<String>,
    set_cookie: Option<String>,
}

#[derive(serde::Deserialize)]
struct SetCookiesHttp {
    set_cookie_http: Vec<SetCookieHttp>,
}

#[test]
fn options_reach_the_wire_as_in_express() {
    let cases: SetCookiesHttp = serde_json::from_str(&TEXT).unwrap();
    for case in cases.set_cookie_http {
        if let Some(name) = edge_of_javascript(case.cookie.get()) {
            deviates(name);
            continue;
        }
        let options = members(case.cookie.get());
        let mut cookie = CookieState::default();
        let mut set = options
            .iter()
            .map(|(key, value)| assign(&mut cookie, key, value.get()));
        if set.any(|set| set.is_err()) {
            assert_eq!(case.set_cookie, None, "{}", case.cookie);
            deviates("lifetime_is_checked_when_set");
            continue;
        }
        let builder = express().cookie_with(move |_, cookie| assign_all(cookie, &options));
        let mut builder = builder.id_generator(|_| "apple".into());
        if let Some(name) = case.name {
            builder = builder.name(&name);
            if CookieName::parse(&name).is_err() {
                assert_eq!(builder.build().unwrap_err(), PolicyError::Name);
                deviates("bad_settings_do_not_build");
                continue;
            }
        }
        let session = super::lifecycle::Run::new(builder.build().unwrap());
        let field = session.one_change();
        assert_eq!(field, case.set_cookie, "{}", case.cookie);
    }
}

/// Sets a whole `cookie` option.
pub(super) fn assign_all(cookie: &mut CookieMut<'_>, options: &[(String, Box<RawValue>)]) {
    for (key, value) in options {
        cookie.assign_json(key, value.get()).unwrap();
    }
}

#[test]
fn a_request_is_secure_where_express_says_so() {
    for case in list("/is_secure/cases") {
        let proxy = match case["proxy"].as_bool() {
            Some(true) => TrustedProxy::Any,
            _ => TrustedProxy::None,
        };
        // Without `proxy`, Express uses its framework's answer; here that is the connection.
        let tls = case["proxy"].is_null() && case["req_secure"] == true;
        let is_secure = proxy.is_secure(tls, None, case["x_forwarded_proto"].as_str());
        assert_eq!(is_secure, case["secure"] == true, "{case}");
    }
}

#[test]
fn paths_are_matched_as_in_express() {
    for case in list("/path_match") {
        let (url, path) = (text(case, "url"), text(case, "cookie_path"));
        let url = url.split('?').next().unwrap();
        let covered = crate::policy::path_matches(url, path);
        if covered == case["session"].as_bool().unwrap() {
            continue;
        }
        let rest = url.strip_prefix(path).unwrap();
        assert!(!covered && !rest.starts_with('/'), "{case}");
        deviates("segment_boundary");
    }
}
