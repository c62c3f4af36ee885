//! A user's sessions: listed by device, ended one by one, limited in number.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use cloakroom::auth::Device;
use cloakroom::policy::{AtLimit, PolicyBuilder, RequestInfo};
use cloakroom::{Clock, Manager, Policy, Session, SessionError};
use tokio::task::JoinSet;

use crate::support::servers::{connect, on_every_store};
use crate::support::{Cookies, keys};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
const SAFARI: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 \
                      (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1";

/// The sessions of one test, and a user that no other test has.
struct Users {
    manager: Manager,
    user: String,
}

/// A client that keeps its cookie.
#[derive(Clone)]
struct Browser {
    manager: Manager,
    request: RequestInfo,
    cookie: Cookies,
}

impl Users {
    async fn new(url: &str, policy: impl FnOnce(PolicyBuilder) -> PolicyBuilder) -> Self {
        let policy = policy(Policy::builder(keys()).store_timeout(Duration::from_mins(1)));
        let store = connect(url).await;
        Self {
            manager: Manager::with_clock(policy.build().unwrap(), store, Clock::System),
            user: cloakroom::SessionId::random().expose().to_owned(),
        }
    }

    fn browser(&self, agent: &str, address: &str) -> Browser {
        let mut request = RequestInfo::default();
        request.is_secure = true;
        request.address = Some(address.parse().unwrap());
        request.set_user_agent(agent.as_bytes());
        Browser {
            manager: self.manager.clone(),
            request,
            cookie: Cookies::by_system(),
        }
    }

    async fn signed_in(&self, agent: &str, address: &str) -> Browser {
        let mut browser = self.browser(agent, address);
        browser.login(&self.user).await.unwrap();
        browser
    }

    async fn devices(&self, current: &Session) -> Vec<Device> {
        self.manager
            .devices_of(&self.user, Some(current))
            .await
            .unwrap()
    }

    async fn count(&self) -> usize {
        self.manager.sessions_of(&self.user).await.unwrap().len()
    }
}

impl Browser {
    async fn open(&self) -> Session {
        let field = self.cookie.field();
        let cookies = field.iter().map(String::as_bytes);
        self.manager
            .open(cookies, self.request.clone())
            .await
            .unwrap()
    }

    /// Ends a request, and keeps the cookie that it sends.
    async fn close(&mut self, session: &Session) {
        if let Some(field) = self.manager.close(session).await.unwrap().set_cookie {
            self.cookie.keep(&field);
        }
    }

    async fn login(&mut self, user: &str) -> Result<(), SessionError> {
        let session = self.open().await;
        let outcome = session.login(user).await;
        self.close(&session).await;
        outcome
    }

    /// Returns the user of the browser's session.
    async fn user(&self) -> Option<String> {
        self.open().await.user()
    }
}

async fn sessions_are_listed_by_login_device(url: &str) {
    let users = Users::new(url, |policy| policy).await;
    let before = SystemTime::now() - Duration::from_secs(2);
    let desk = users.signed_in(FIREFOX, "192.0.2.7").await;
    let phone = users.signed_in(SAFARI, "2001:db8::7").await;
    // Somebody else's are not among them.
    let mut other = users.browser(FIREFOX, "192.0.2.9");
    other.login(&format!("{} other", users.user)).await.unwrap();
    let session = desk.open().await;
    let devices = session.devices().await.unwrap();
    let handles = |devices: &[Device]| -> BTreeSet<String> {
        devices.iter().map(|device| device.handle.clone()).collect()
    };
    let again = users.devices(&session).await;
    assert_eq!(handles(&devices), handles(&again));
    assert_eq!(devices.len(), 2);
    let current = devices.iter().find(|device| device.is_current).unwrap();
    let rest = devices.iter().find(|device| !device.is_current).unwrap();
    assert_eq!(current.name(), "Firefox on Linux");
    assert_eq!(current.address, "192.0.2.7".parse().ok());
    assert_eq!(rest.name(), "Safari on iPhone");
    assert_eq!(rest.address, "2001:db8::7".parse().ok());
    let now = SystemTime::now() + Duration::from_secs(2);
    for device in &devices {
        for time in [
            device.created.unwrap(),
            device.signed_in.unwrap(),
            device.last_seen,
        ] {
            assert!((before..now).contains(&time), "{device:?}");
        }
        for browser in [&desk, &phone] {
            assert!(
                !browser.cookie["connect.sid"].contains(&device.handle),
                "a handle is no id"
            );
        }
    }
    // Opening the list by another's session marks none.
    let of_other = other.open().await;
    assert!(
        !users
            .devices(&of_other)
            .await
            .iter()
            .any(|device| device.is_current)
    );
}

async fn a_handle_ends_one_session_only(url: &str) {
    let users = Users::new(url, |policy| policy).await;
    let desk = users.signed_in(FIREFOX, "192.0.2.7").await;
    let phone = users.signed_in(SAFARI, "192.0.2.8").await;
    let tablet = users.signed_in(SAFARI, "192.0.2.9").await;
    let mut thief = users.browser(FIREFOX, "192.0.2.66");
    thief.login(&format!("{} thief", users.user)).await.unwrap();
    let session = desk.open().await;
    let devices = users.devices(&session).await;
    let of_phone = devices
        .iter()
        .find(|device| device.address == "192.0.2.8".parse().ok());
    let handle = &of_phone.unwrap().handle;
    assert!(!thief.open().await.end_device(handle).await.unwrap());
    for wrong in [
        "",
        "x",
        &handle[1..],
        &handle.to_lowercase(),
        &format!("{handle}\0"),
    ] {
        assert!(!session.end_device(wrong).await.unwrap(), "{wrong:?}");
    }
    assert_eq!(users.count().await, 3);
    assert!(session.end_device(handle).await.unwrap());
    assert_eq!(phone.user().await, None);
    assert_eq!(tablet.user().await.as_ref(), Some(&users.user));
    assert!(!session.end_device(handle).await.unwrap(), "it is gone");
    // One's own is signed out like any other.
    let own = devices.iter().find(|device| device.is_current).unwrap();
    assert!(session.end_device(&own.handle).await.unwrap());
    assert_eq!(desk.user().await, None);
    assert_eq!(users.count().await, 1);
}

/// Express records no device: such a session is listed without one, and can be ended, too.
async fn a_session_that_another_program_signed_in_is_listed_and_ended(url: &str) {
    let users = Users::new(url, |policy| policy).await;
    let express = Policy::express(keys()).build().unwrap();
    let store = Arc::clone(users.manager.store());
    let mut browser = Browser {
        manager: Manager::with_clock(express, store, Clock::System),
        ..users.browser(FIREFOX, "192.0.2.7")
    };
    let session = browser.open().await;
    session.insert("userId", &users.user).unwrap();
    browser.close(&session).await;
    let devices = users.manager.devices_of(&users.user, None).await.unwrap();
    let [device] = devices.as_slice() else {
        panic!("{devices:?}");
    };
    assert_eq!(device.name(), "an unknown device");
    assert_eq!(
        (device.created, device.signed_in, device.address),
        (None, None, None)
    );
    let ended = users.manager.end_device_of(&users.user, &device.handle);
    assert!(ended.await.unwrap());
    assert_eq!(browser.user().await, None);
}

async fn end_others_keeps_this_session_and_end_all_does_not(url: &str) {
    let users = Users::new(url, |policy| policy).await;
    let desk = users.signed_in(FIREFOX, "192.0.2.7").await;
    let phone = users.signed_in(SAFARI, "192.0.2.8").await;
    let nobody = users.browser(FIREFOX, "192.0.2.9").open().await;
    assert_eq!(
        nobody.end_others().await.unwrap() + nobody.end_all().await.unwrap(),
        0
    );
    assert_eq!(desk.open().await.end_others().await.unwrap(), 1);
    assert_eq!(
        (desk.user().await.is_some(), phone.user().await),
        (true, None)
    );
    users.signed_in(SAFARI, "192.0.2.8").await;
    let session = desk.open().await;
    assert_eq!(session.end_all().await.unwrap(), 2);
    assert!(session.is_ended());
    let sent = desk
        .manager
        .close(&session)
        .await
        .unwrap()
        .set_cookie
        .unwrap();
    assert!(sent.starts_with("connect.sid=;"), "its cookie is cleared");
    assert_eq!(users.count().await, 0);
}

async fn a_password_change_ends_the_others_and_renews_this_one(url: &str) {
    let users = Users::new(url, |policy| policy).await;
    let mut desk = users.signed_in(FIREFOX, "192.0.2.7").await;
    let phone = users.signed_in(SAFARI, "192.0.2.8").await;
    let stolen = desk.clone();
    let session = desk.open().await;
    let token = session.csrf_token().unwrap();
    desk.close(&session).await;
    let before = desk.open().await.devices().await.unwrap();
    let session = desk.open().await;
    session.insert("cart", "a hat").unwrap();
    assert_eq!(session.password_changed().await.unwrap(), 1);
    assert!(!session.accepts_csrf_token(&token));
    desk.close(&session).await;
    assert_eq!(phone.user().await, None);
    assert_eq!(
        stolen.user().await,
        None,
        "a copy of the cookie is worth nothing"
    );
    let session = desk.open().await;
    assert_eq!(session.user().as_ref(), Some(&users.user));
    assert_eq!(
        session.get::<String>("cart").unwrap().as_deref(),
        Some("a hat")
    );
    // A page that lists the devices is not out of date.
    let after = session.devices().await.unwrap();
    let own = before.iter().find(|device| device.is_current).unwrap();
    assert_eq!(after[0].handle, own.handle);
    assert!(after[0].signed_in >= own.signed_in);
}

async fn above_the_limit_the_oldest_session_ends(url: &str) {
    let users = Users::new(url, |policy| policy.max_sessions(2, AtLimit::EndOldest)).await;
    let mut first = users.signed_in(FIREFOX, "192.0.2.1").await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    let second = users.signed_in(FIREFOX, "192.0.2.2").await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    // A login in the same browser is none more.
    first.login(&users.user).await.unwrap();
    assert_eq!(users.count().await, 2);
    let third = users.signed_in(FIREFOX, "192.0.2.3").await;
    assert_eq!(second.user().await, None, "its login is longest ago");
    assert!(first.user().await.is_some() && third.user().await.is_some());
}

async fn above_the_limit_a_login_is_refused(url: &str) {
    let users = Users::new(url, |policy| policy.max_sessions(2, AtLimit::Refuse)).await;
    let mut first = users.signed_in(FIREFOX, "192.0.2.1").await;
    users.signed_in(FIREFOX, "192.0.2.2").await;
    let mut third = users.browser(FIREFOX, "192.0.2.3");
    let session = third.open().await;
    session.insert("cart", "a hat").unwrap();
    third.close(&session).await;
    let refused = third.login(&users.user).await;
    assert!(
        matches!(refused, Err(SessionError::TooManySessions)),
        "{refused:?}"
    );
    // A refused login leaves the session as it was.
    let session = third.open().await;
    assert_eq!(session.user(), None);
    assert_eq!(
        session.get::<String>("cart").unwrap().as_deref(),
        Some("a hat")
    );
    first.login(&users.user).await.unwrap();
    first.open().await.logout().await.unwrap();
    third.login(&users.user).await.unwrap();
    assert_eq!(users.count().await, 2);
}

async fn concurrent_logins_do_not_exceed_the_limit(url: &str) {
    for at_limit in [AtLimit::EndOldest, AtLimit::Refuse] {
        let users = Users::new(url, |policy| policy.max_sessions(3, at_limit)).await;
        let mut logins = JoinSet::new();
        for host in 1..=10 {
            let mut browser = users.browser(FIREFOX, &format!("192.0.2.{host}"));
            let user = users.user.clone();
            logins.spawn(async move { browser.login(&user).await });
        }
        for outcome in logins.join_all().await {
            let refused = matches!(
                outcome,
                Err(SessionError::TooManySessions | SessionError::Gone)
            );
            assert!(outcome.is_ok() || refused, "{outcome:?}");
        }
        let count = users.count().await;
        assert!(count <= 3, "{at_limit:?}: {count}");
    }
}

/// A session that keeps changing its id, as one that signs in again does, does not escape.
async fn a_device_that_moves_is_caught(url: &str) {
    let users = Users::new(url, |policy| policy).await;
    for _ in 0..5 {
        let desk = users.signed_in(FIREFOX, "192.0.2.7").await;
        let mut phone = users.signed_in(SAFARI, "192.0.2.8").await;
        let session = desk.open().await;
        let devices = users.devices(&session).await;
        let handle = devices
            .iter()
            .find(|device| !device.is_current)
            .unwrap()
            .handle
            .clone();
        let stop = Arc::new(AtomicBool::new(false));
        let moving = tokio::spawn({
            let stop = Arc::clone(&stop);
            async move {
                while !stop.load(Ordering::Relaxed) {
                    let session = phone.open().await;
                    if session.user().is_some() {
                        session.regenerate().unwrap();
                    }
                    phone.close(&session).await;
                }
                phone
            }
        });
        tokio::time::sleep(Duration::from_millis(10)).await;
        let ended = session.end_device(&handle).await.unwrap();
        stop.store(true, Ordering::Relaxed);
        let phone = moving.await.unwrap();
        assert!(ended, "it was there all the time");
        assert_eq!(phone.user().await, None);
        session.end_all().await.unwrap();
    }
}

on_every_store! {
    sessions_are_listed_by_login_device
    a_handle_ends_one_session_only
    a_session_that_another_program_signed_in_is_listed_and_ended
    end_others_keeps_this_session_and_end_all_does_not
    a_password_change_ends_the_others_and_renews_this_one
    above_the_limit_the_oldest_session_ends
    above_the_limit_a_login_is_refused
    concurrent_logins_do_not_exceed_the_limit
    a_device_that_moves_is_caught
}
