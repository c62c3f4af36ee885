//! Everything that a handler can do to its session, by the names that the rows have for it.

use std::time::Duration;

use super::Row;
use super::recorder::Run;
use crate::session::{Session, SessionError};

#[expect(
    clippy::option_option,
    reason = "whether it was closed, and what was sent then"
)]
pub(super) async fn handle(
    row: &Row<'_>,
    session: &Session,
    run: &Run,
    closing: &mut Option<Option<String>>,
) {
    let existing = row.request == "existing";
    let value = if existing { 2 } else { 1 };
    let change = || session.insert("a", value).unwrap();
    match row.handler {
        "untouched" | "set_undefined" => {}
        "modified" | "bogus_sessionID" | "sessionID_reassigned" => change(),
        "modified_then_reverted" => {
            change();
            session.remove("a").unwrap();
        }
        "maxage_changed_only" => {
            session.cookie_mut(|cookie| cookie.max_age(Some(Duration::from_secs(5))));
        }
        "explicit_save_unmodified" => session.save().await.unwrap(),
        "modified_explicit_save" => {
            change();
            session.save().await.unwrap();
        }
        "explicit_save_then_modified" => {
            session.save().await.unwrap();
            change();
        }
        "explicit_touch" => session.touch(),
        "destroy" => session.destroy().await.unwrap(),
        "null" | "delete_prop" => session.unset(),
        "regenerate" => session.reset().unwrap(),
        "regenerate_modified" | "regenerate_modified_save" => {
            session.reset().unwrap();
            session.insert("a", if existing { 9 } else { 1 }).unwrap();
            if row.handler == "regenerate_modified_save" {
                session.save().await.unwrap();
            }
        }
        "reload" => reload(row, session).await,
        "modified_after_headers" => {
            *closing = Some(run.manager.close(session).await.unwrap().set_cookie);
            // Refused where no session has been stored, and lost without a save elsewhere.
            let changed = session.insert("a", value);
            let is_refused = matches!(changed, Err(SessionError::HeadersSent));
            assert_eq!(is_refused, session.stored_id().is_none(), "{changed:?}");
        }
        "explicit_cookie_secure_plain_http" => {
            change();
            session.cookie_mut(|cookie| cookie.secure(true));
        }
        "same_value" => session.insert("a", 1).unwrap(),
        "key_order_changed" => {
            session.remove("a").unwrap();
            session.insert("a", 1).unwrap();
        }
        "cookie_prop_other" => {
            session
                .cookie_mut(|cookie| cookie.assign_json("sameSite", "\"strict\""))
                .unwrap();
        }
        "nested_cookie_key" => session.insert_raw("n", r#"{"x":1,"cookie":1}"#).unwrap(),
        "modified_reload" => {
            session.insert("a", 5).unwrap();
            session.reload().await.unwrap();
        }
        "reload_save" => {
            session.reload().await.unwrap();
            session.save().await.unwrap();
        }
        handler => panic!("{handler}"),
    }
}

async fn reload(row: &Row<'_>, session: &Session) {
    match (session.reload().await, row.settings["body"].as_str()) {
        (Ok(()), None) => {}
        (Err(error @ SessionError::NotStored), Some(body)) => assert_eq!(error.to_string(), body),
        (outcome, body) => panic!("{outcome:?} {body:?}"),
    }
}
