//! Records that connect-redis and connect-pg-simple stored, read and written again.

use serde_json::Value;

use super::cookies::assign_all;
use super::lifecycle::{Run, wait};
use super::{NOW, cases, deviates, express, list, members, text};
use crate::clock::Timestamp;
use crate::policy::TrustedProxy;
use crate::record::{CookieState, Patch, Record, RecordLimit, UserKeys, is_reserved, object};
use crate::session::{Session, SessionError};

#[test]
fn stored_records_are_read_and_written_byte_for_byte() {
    for case in list("/stored_records/records") {
        // Redis deletes a session that is born expired; PostgreSQL keeps it.
        let stored = case["redis"]["value"]
            .as_str()
            .or(case["pg"]["sess_text"].as_str());
        let Some(stored) = stored else { continue };
        let record = Record::parse(stored.into(), RecordLimit::default()).unwrap();
        if record.has_reserved_keys() {
            assert!(
                members(stored)
                    .iter()
                    .any(|(key, _)| is_reserved(key) && key != "cookie")
            );
            continue;
        }
        assert_eq!(again(&record), stored, "{}", text(case, "name"));
    }
}

#[test]
fn new_records_are_written_as_express_writes_them() {
    for case in list("/stored_records/records") {
        let (Some(_), Some(sid)) = (case.get("options"), case["sid"].as_str()) else {
            continue;
        };
        // Nothing is stored where the writer threw.
        let stored = case["redis"]["value"].as_str();
        if let Some(stored) = stored.or(case["pg"]["sess_text"].as_str()) {
            write_anew(case, sid, stored);
        }
    }
}

fn write_anew(case: &Value, sid: &str, stored: &str) {
    let label = text(case, "name");
    let options = case["options"]["cookie"].to_string();
    let options = if options == "null" {
        Vec::new()
    } else {
        members(&options)
    };
    let sid = sid.to_owned();
    let proxied = case["options"]["proxy"] == true;
    let is_secure = proxied && forwarded_proto(case) == Some("https");
    let policy = express()
        .trusted_proxy(if proxied {
            TrustedProxy::Any
        } else {
            TrustedProxy::None
        })
        .save_uninitialized(true)
        .id_generator(move |_| sid.clone())
        .cookie_with(move |_, cookie| assign_all(cookie, &options))
        .build()
        .unwrap();
    let run = Run::new(policy);
    let session = run.open_with(None, is_secure);
    for (key, value) in members(stored) {
        match key.as_str() {
            "cookie" => assign_what_the_handler_did(&session, value.get()),
            _ => match session.insert_raw(&key, value.get()) {
                Ok(()) => {}
                Err(SessionError::ReservedKey(_)) => return deviates("reserved_keys"),
                Err(error) => panic!("{label}: {error}"),
            },
        }
    }
    let closing = wait(run.manager.close(&session)).unwrap();
    assert_eq!(
        closing.set_cookie.as_deref(),
        case["set_cookie"].as_str(),
        "{label}"
    );
    let written = run.written.lock().unwrap().last().cloned().unwrap();
    assert_eq!(&*written.text, stored, "{label}");
    if let Some(epoch) = case["pg"]["expire_epoch"].as_i64() {
        let seconds = (written.expires.as_millis() + 999).div_euclid(1000);
        assert_eq!(seconds, epoch, "{label}");
    }
}

/// Returns the scheme that the request's proxy forwarded.
fn forwarded_proto(case: &Value) -> Option<&str> {
    let headers = case["request_headers"].as_object()?;
    let is_proto = |name: &&String| name.eq_ignore_ascii_case("x-forwarded-proto");
    headers[headers.keys().find(is_proto)?].as_str()
}

/// Sets the attributes in which the stored cookie differs from the options: the handler set them.
fn assign_what_the_handler_did(session: &Session, stored: &str) {
    let own = members(&session.cookie());
    let is = |key: &str| own.iter().find(|(own, _)| own == key);
    for (key, value) in members(stored) {
        // Follows from `expires`, and at the end of the request the other way round.
        let same = is(&key).is_some_and(|(_, own)| own.get() == value.get());
        if !same && key != "originalMaxAge" {
            let set = session.cookie_mut(|cookie| cookie.assign_json(&key, value.get()));
            set.unwrap_or_else(|error| panic!("{key}: {error}"));
        }
    }
}

#[test]
fn records_of_other_writers_are_read_as_express_reads_them() {
    for (label, case) in cases("/foreign_records/cases") {
        let stored = format!(r#"{{"cookie":{},"a":1}}"#, case["stored"]);
        let Some(resaved) = case["resaved"].as_str() else {
            throws_there_and_not_here(label, case, &stored);
            continue;
        };
        let resaved_members = members(resaved);
        let is_cookie = |(key, _): &&(String, _)| key == "cookie";
        let (_, resaved_cookie) = resaved_members.iter().find(is_cookie).unwrap();
        let cookie = CookieState::parse(resaved_cookie.get()).unwrap();
        // The clock was not frozen: it stood at the beginning of the lifetime.
        let age = i64::try_from(cookie.max_age().unwrap_or_default().as_millis()).unwrap();
        let now = cookie
            .expires()
            .map_or(NOW, |expires| expires.as_millis() - age);
        let run = Run::new(express().rolling(true).build().unwrap());
        run.clock.set(Timestamp::from_millis(now));
        run.put("a-foreign-session", &stored);
        let session = run.open("a-foreign-session");
        session.insert("b", 1).unwrap();
        let sent = wait(run.manager.close(&session)).unwrap().set_cookie;
        let attributes = |field: &str| {
            let attributes = field.split_once("; ");
            attributes
                .map_or("", |(_, attributes)| attributes)
                .to_owned()
        };
        assert_eq!(
            sent.as_deref().map(attributes),
            case["set_cookie"].as_str().map(attributes),
            "{label}"
        );
        assert_eq!(
            run.text_of("a-foreign-session").as_deref(),
            Some(resaved),
            "{label}"
        );
    }
}

/// Checks a record with which Express answers 500, or never: the client has a session here.
fn throws_there_and_not_here(label: &str, case: &Value, stored: &str) {
    let errors = case["errors"].as_array();
    let threw = case["status"] != 200 || errors.is_some_and(|errors| !errors.is_empty());
    assert!(
        threw,
        "{label}: nothing was saved again, and nothing failed"
    );
    let run = Run::new(express().build().unwrap());
    run.put("a-foreign-session", stored);
    let session = run.open("a-foreign-session");
    session.insert("b", 1).unwrap();
    wait(run.manager.close(&session)).unwrap();
    deviates("unreadable_is_fresh");
}

#[test]
fn poisoned_records_lock_no_client_out() {
    let poison = [
        ("json_null", "null"),
        ("json_number", "42"),
        ("json_string", "\"text\""),
        ("json_array", "[1]"),
        ("cookie_null", r#"{"cookie":null}"#),
        ("cookie_string", r#"{"cookie":"x"}"#),
        (
            "proto",
            r#"{"cookie":{"httpOnly":true,"path":"/"},"__proto__":{"admin":true}}"#,
        ),
        (
            "badmaxage",
            r#"{"cookie":{"originalMaxAge":"x","maxAge":"x"},"a":1}"#,
        ),
    ];
    for (label, case) in cases("/poison_records/cases") {
        let known = poison.iter().find(|(name, _)| *name == label);
        let Some(stored) = case["stored"].as_str().or(known.map(|(_, stored)| *stored)) else {
            continue;
        };
        let run = Run::new(express().build().unwrap());
        run.put("a-poisoned-session", stored);
        let session = run.open("a-poisoned-session");
        assert_eq!(session.get::<Value>("admin").unwrap(), None, "{label}");
        session.insert("b", 1).unwrap();
        wait(run.manager.close(&session)).unwrap();
        if case["status"] == 500 {
            deviates("unreadable_is_fresh");
        }
    }
}

/// Returns a record written again although nothing changed.
fn again(record: &Record) -> String {
    let cookie = record.cookie().to_json();
    object(&Patch::default().lay(Some(record), &cookie, None))
}

#[test]
fn passport_records_name_their_user() {
    let logins = list("/stored_records/records")
        .iter()
        .filter_map(|case| case["redis_after_login"].as_object());
    for (_, stored) in logins.flatten() {
        let stored = stored.as_str().unwrap();
        let record = Record::parse(stored.into(), RecordLimit::default()).unwrap();
        assert_eq!(again(&record), stored);
        assert_eq!(UserKeys::default().user_of(stored).as_deref(), Some("42"));
    }
}
