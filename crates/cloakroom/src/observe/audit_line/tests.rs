use std::time::Duration;

use serde_json::{Value, json};

use super::{AuditEvent, Happened, line};
use crate::clock::Timestamp;
use crate::observe::{AuditFormat, EndCause, EventSubject, RefusalCause};

const AT: Timestamp = Timestamp::from_millis(1_767_323_045_678);

fn ada() -> EventSubject {
    EventSubject {
        handle: Some("h4ndle".into()),
        user: Some("ada".into()),
        address: Some("192.0.2.7".parse().unwrap()),
        user_agent: Some("Firefox".into()),
    }
}

fn written(format: AuditFormat, happened: Happened<'_>, subject: &EventSubject) -> Value {
    let event = AuditEvent {
        at: AT,
        application: "shop",
        happened,
        subject,
    };
    let line = line(format, &event);
    assert!(!line.contains('\n'), "{line}");
    serde_json::from_str(&line).unwrap()
}

#[test]
fn owasp_events_have_their_words_and_levels() {
    let ended = |cause| Happened::Ended { cause, sessions: 1 };
    let acted = Happened::OperatorActed {
        operator: "root",
        act: "sessions_end",
        filter: "--older 3d",
        sessions: 7,
    };
    #[rustfmt::skip]
    let table = [ // event,                              the vocabulary's,                       level
        (Happened::Created,                              "session_created:ada",                  "INFO"),
        (Happened::SignedIn,                             "authn_login_success:ada",              "INFO"),
        (Happened::Renewed,                              "session_renewed:ada",                  "INFO"),
        (ended(EndCause::Logout),                        "session_expired:ada,logout",           "INFO"),
        (ended(EndCause::Absolute),                      "session_expired:ada,absolute",         "INFO"),
        (Happened::Refused(RefusalCause::Retired),       "session_use_after_expire:ada",         "CRITICAL"),
        (Happened::Refused(RefusalCause::Signature),     "input_validation_fail:cookie_signature,ada", "WARN"),
        (Happened::CsrfRefused,                          "malicious_cors:ada",                   "WARN"),
        (Happened::Throttled(Duration::from_secs(3)),    "excess_rate_limit_exceeded:ada",       "WARN"),
        (acted,                                          "authz_admin:root,sessions_end",        "WARN"),
    ];
    for (happened, event, level) in table {
        let line = written(AuditFormat::Owasp, happened, &ada());
        assert_eq!(
            (&line["event"], &line["level"]),
            (&json!(event), &json!(level))
        );
        for name in ["datetime", "schema", "appid", "description"] {
            assert!(!line[name].is_null(), "{name} of {event}");
        }
    }
}

#[test]
fn owasp_lines_have_all_their_fields() {
    let happened = Happened::Ended {
        cause: EndCause::Everywhere,
        sessions: 3,
    };
    let line = written(AuditFormat::Owasp, happened, &ada());
    let expected = json!({
        "datetime": "2026-01-02T03:04:05.678Z", "schema": 1, "appid": "shop",
        "event": "session_expired:ada,everywhere", "level": "INFO",
        "description": "3 sessions have ended", "user": "ada", "handle": "h4ndle",
        "source_ip": "192.0.2.7", "useragent": "Firefox", "reason": "everywhere", "count": 3,
    });
    assert_eq!(line, expected);
    let line = written(
        AuditFormat::Owasp,
        Happened::CsrfRefused,
        &EventSubject::unknown(),
    );
    assert_eq!(line["event"], "malicious_cors:anonymous");
    assert!(line.get("user").is_none() && line.get("source_ip").is_none());
}

#[test]
fn ecs_lines_have_all_their_fields() {
    let line = written(AuditFormat::Ecs, Happened::SignedIn, &ada());
    let expected = json!({
        "@timestamp": "2026-01-02T03:04:05.678Z", "ecs.version": "8.11.0", "log.level": "info",
        "service.name": "shop", "message": "a user has signed in", "event.kind": "event",
        "event.category": ["authentication", "session"], "event.type": ["start"],
        "event.action": "login", "event.outcome": "success", "user.id": "ada",
        "source.ip": "192.0.2.7", "user_agent.original": "Firefox",
        "cloakroom.session.handle": "h4ndle",
    });
    assert_eq!(line, expected);
    let refused = Happened::Refused(RefusalCause::Signature);
    let line = written(AuditFormat::Ecs, refused, &ada());
    assert_eq!(line["event.type"], json!(["denied"]));
    assert_eq!(
        (&line["event.outcome"], &line["event.reason"]),
        (&json!("failure"), &json!("signature"))
    );
}

#[test]
fn ocsf_lines_have_all_their_fields() {
    let line = written(AuditFormat::Ocsf, Happened::SignedIn, &ada());
    let product = json!({ "name": "shop", "vendor_name": "cloakroom" });
    let expected = json!({
        "time": 1_767_323_045_678_i64, "category_uid": 3, "class_uid": 3002, "activity_id": 1,
        "type_uid": 300_201, "activity_name": "login", "severity_id": 1, "status_id": 1,
        "message": "a user has signed in", "user": { "name": "ada" },
        "metadata": { "version": "1.3.0", "product": product },
        "src_endpoint": { "ip": "192.0.2.7" }, "http_request": { "user_agent": "Firefox" },
        "session": { "uid_alt": "h4ndle" },
    });
    assert_eq!(line, expected);
    let ended = Happened::Ended {
        cause: EndCause::Logout,
        sessions: 1,
    };
    let line = written(AuditFormat::Ocsf, ended, &EventSubject::unknown());
    assert_eq!(
        (&line["type_uid"], &line["user"]["name"]),
        (&json!(300_202), &json!("unknown"))
    );
}

/// A user's name is data: it breaks no line and adds no field.
#[test]
fn a_name_with_quotes_and_line_feeds_is_one_field() {
    let name = "a\"},\n{\"level\":\"INFO";
    let subject = EventSubject::unknown().with_user(name);
    for format in [AuditFormat::Owasp, AuditFormat::Ecs, AuditFormat::Ocsf] {
        let line = written(format, Happened::SignedIn, &subject);
        let user = match format {
            AuditFormat::Owasp => &line["user"],
            AuditFormat::Ecs => &line["user.id"],
            AuditFormat::Ocsf => &line["user"]["name"],
        };
        assert_eq!(user, name);
    }
}
