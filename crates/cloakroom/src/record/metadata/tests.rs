use std::time::Duration;

use super::{LifetimeLimits, LoginDevice, Metadata};
use crate::clock::Timestamp;

/// W6: changes that another writer may make (`Object.assign(req.session, req.body)`).
#[test]
fn w6_a_foreign_writer_moves_neither_the_absolute_time_out_nor_the_freshness() {
    let now = 1_000_000_000;
    let json = |json: &str| json.replace("NOW", "1000000000");
    #[rustfmt::skip]
    let table = [
        // absolute, as it is read,                                          clamped, if it is
        (Some(500),  r#"{"created":1000000000,"deadline":1000500000}"#,      None),
        (Some(500),  r#"{"created":1000000000,"deadline":9999999999999}"#,   Some(r#"{"created":NOW,"deadline":1000500000}"#)),
        (Some(500),  r#"{"created":1000000000,"deadline":1000000001}"#,      None),
        (Some(500),  r#"{"created":999000000}"#,                             Some(r#"{"created":999000000,"deadline":999500000}"#)),
        (Some(500),  r#"{"created":9999999999999,"deadline":9999999999999}"#, Some(r#"{"created":NOW,"deadline":1000500000}"#)),
        (Some(500),  r#"{"created":-9223372036854775808,"deadline":9223372036854775807}"#, Some(r#"{"created":NOW,"deadline":1000500000}"#)),
        // Another server's clock may be ahead, or this one's was set back.
        (Some(500),  r#"{"created":1003600000,"deadline":1004100000}"#,      None),
        (Some(500),  r#"{"created":1000030000,"deadline":1000530000}"#,      None),
        (None,       r#"{"created":1000000000,"deadline":9999999999999}"#,   None),
        (None,       r#"{"created":1000000000,"renewed":9999999999999,"login":9999999999999}"#, Some(r#"{"created":NOW}"#)),
        (None,       r#"{"created":1000000000,"login":1000000500}"#,         None),
        // Only its realm can be read.
        (Some(500),  r#"{"created":"x","login":5,"realm":"staff"}"#,         Some(r#"{"created":NOW,"deadline":1000500000,"realm":"staff"}"#)),
    ];
    for (absolute, read, clamped) in table {
        let times = LifetimeLimits {
            absolute: absolute.map(Duration::from_secs),
            remembered: None,
        };
        let metadata = Metadata::parse(read).unwrap();
        let found = metadata.clamped(times, Timestamp::from_millis(now));
        let found = found.as_ref().map(Metadata::to_json);
        assert_eq!(found, clamped.map(json), "{absolute:?} {read}");
    }
}

#[test]
fn a_session_is_remembered_as_long_as_the_policy_allows() {
    #[rustfmt::skip]
    let table = [
        // most, as it is read,                                             clamped, if it is
        (Some(900), r#"{"created":1000,"deadline":901000,"remember":900000}"#,  None),
        (Some(900), r#"{"created":1000,"deadline":9999999,"remember":9999999}"#, Some(r#"{"created":1000,"deadline":901000,"remember":900000}"#)),
        (Some(900), r#"{"created":1000,"deadline":9999999,"remember":20000}"#,  Some(r#"{"created":1000,"deadline":21000,"remember":20000}"#)),
        (Some(900), r#"{"created":1000,"deadline":9999999,"remember":-5}"#,     Some(r#"{"created":1000,"deadline":101000}"#)),
        (Some(900), r#"{"created":1000,"deadline":9999999,"remember":"x"}"#,    Some(r#"{"created":1000,"deadline":101000}"#)),
        (None,      r#"{"created":1000,"deadline":901000,"remember":900000}"#,  Some(r#"{"created":1000,"deadline":101000}"#)),
    ];
    for (most, read, clamped) in table {
        let times = LifetimeLimits {
            absolute: Some(Duration::from_secs(100)),
            remembered: most.map(Duration::from_secs),
        };
        let found = Metadata::parse(read)
            .unwrap()
            .clamped(times, Timestamp::from_millis(2000));
        let found = found.as_ref().map(Metadata::to_json);
        assert_eq!(found.as_deref(), clamped, "{most:?} {read}");
    }
}

#[test]
fn realm_and_users_survive_a_round_trip() {
    let json = r#"{"created":5,"realm":"st\"aff","last":"f","by":"r\u001foot","proof":"p"}"#;
    let metadata = Metadata::parse(json).unwrap();
    assert_eq!(metadata.realm(), Some("st\"aff"));
    assert_eq!(metadata.by(), Some(("r\u{1f}oot", "p")));
    assert_eq!(metadata.to_json(), json);
}

#[test]
fn invalid_metadata_counts_as_missing() {
    #[rustfmt::skip]
    let table = [
        (r#"{"created":5}"#,                                            Some(r#"{"created":5}"#)),
        (r#" { "deadline" : 9 , "created" : 5, "other" : [1] } "#,      Some(r#"{"created":5,"deadline":9}"#)),
        (r#"{"created":-5,"login":null,"renewed":7}"#,                  Some(r#"{"created":-5,"renewed":7}"#)),
        (r#"{"created":5,"device":7}"#,                                 Some(r#"{"created":5,"device":7}"#)),
        (r#"{"created":5,"deadline":"9"}"#,                             None),
        (r#"{"created":5,"deadline":1e400}"#,                           None),
        (r#"{"created":99999999999999999999}"#,                         None),
        (r#"{"deadline":9}"#,                                           None),
        (r#"{"created":null}"#,                                         None),
        ("[]",                                                          None),
        ("null",                                                        None),
        ("",                                                            None),
        (r#"{"created":5"#,                                             None),
    ];
    for (json, read) in table {
        let metadata = Metadata::parse(json);
        assert_eq!(
            metadata.as_ref().map(Metadata::to_json).as_deref(),
            read,
            "{json}"
        );
    }
}

#[test]
fn an_unreadable_device_is_none_and_leaves_the_rest_readable() {
    for device in [
        "7",
        "null",
        "{}",
        r#"{"handle":1}"#,
        r#"{"handle":"x","address":"nowhere"}"#,
        r#"{"handle":""}"#,
        r#"{"handle":"../logout-all"}"#,
    ] {
        let metadata = Metadata::parse(&format!(
            r#"{{"created":5,"deadline":9,"device":{device}}}"#
        ));
        let metadata = metadata.unwrap();
        assert_eq!(
            metadata.deadline(),
            Some(Timestamp::from_millis(9)),
            "{device}"
        );
        assert_eq!(metadata.device(), None, "{device}");
    }
}

#[test]
fn a_device_survives_a_round_trip() {
    let note = LoginDevice {
        handle: "a-handle_0".to_owned(),
        agent: Some("\"quoted\" \\ \u{7f} é".to_owned()),
        address: "2001:db8::1".parse().ok(),
    };
    let mut metadata = Metadata::new(Timestamp::from_millis(5), None, None);
    metadata.note_login(Timestamp::from_millis(7), Some(&note));
    let metadata = Metadata::parse(&metadata.to_json()).unwrap();
    assert_eq!(metadata.device(), Some(note));
    assert_eq!(metadata.login(), Some(Timestamp::from_millis(7)));
}
