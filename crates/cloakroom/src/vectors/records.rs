//! What connect-redis and connect-pg-simple stored, read and written again.

use serde_json::Value;

use super::cookies::assign_all;
use super::lifecycle::{Run, wait};
use super::{NOW, deviates, express, list, members, text};
use crate::clock::Timestamp;
use crate::policy::TrustedProxy;
use crate::record::{CookieState, Patch, Record, RecordLimit, UserKeys, is_reserved, object};
use crate::session::SessionError;

#[test]
fn stored_records_are_read_and_written_byte_for_byte() {
    for case in list("/stored_records/records") {
        // Redis deletes a session that is born expired; PostgreSQL keeps it.
        let stored = case["redis"]["value"]
            .as_str()
            .or(case["pg"]["sess_text"].as_str());
        let Some(stored) = stored else { continue };
        let record = Record::parse(stored.into(), RecordLimit::default()).unwrap();
        if record.lost_members() {
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
        let stored = case["redis"]["value"]
            .as_str()
            .or(case["pg"]["sess_text"].as_str())
            .unwrap();
        write_anew(case, sid, stored);
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
    let (sid, proxied) = (sid.to_owned(), case["options"]["proxy"] == true);
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
    let session = run.open_with(None, proxied);
    for (key, value) in members(stored) {
        match key.as_str() {
            "cookie" if label.contains("in handler") => {
                session
                    .cookie_mut(|cookie| cookie.assign_json("expires", "false"))
                    .unwrap();
            }
            "cookie" => {}
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

#[test]
fn records_of_other_writers_are_taken_as_express_takes_them() {
    for (label, case) in super::VECTORS["foreign_records"]["cases"]
        .as_object()
        .unwrap()
    {
        let resaved = text(case, "resaved");
        let resaved_cookie = &members(resaved)[0].1;
        let cookie = CookieState::parse(resaved_cookie.get()).unwrap();
        // The clock was not frozen: it stood where the lifetime began.
        let age = i64::try_from(cookie.max_age().unwrap_or_default().as_millis()).unwrap();
        let now = cookie
            .expires()
            .map_or(NOW, |expires| expires.as_millis() - age);
        let run = Run::new(express().rolling(true).build().unwrap());
        run.clock.set(Timestamp::from_millis(now));
        let stored = format!(r#"{{"cookie":{},"a":1}}"#, case["stored"]);
        run.put("a-foreign-session", &stored);
        let session = run.open("a-foreign-session");
        session.insert("b", 1).unwrap();
        let sent = wait(run.manager.close(&session))
            .unwrap()
            .set_cookie
            .unwrap();
        let attributes = |field: &str| field.split_once("; ").unwrap().1.to_owned();
        assert_eq!(
            attributes(&sent),
            attributes(text(case, "set_cookie")),
            "{label}"
        );
        assert_eq!(
            run.text_of("a-foreign-session").as_deref(),
            Some(resaved),
            "{label}"
        );
    }
}

#[test]
fn poisoned_records_lock_nobody_out() {
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
    for (label, case) in super::VECTORS["poison_records"]["cases"]
        .as_object()
        .unwrap()
    {
        let Some((_, stored)) = poison.iter().find(|(name, _)| name == label) else {
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

/// A record that is written although nothing changed.
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
