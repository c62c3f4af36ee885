//! The user of a session: contradictions, a former user's data, realms, roles, impersonation.

use std::sync::Arc;
use std::time::Duration;

use cloakroom::auth::{Access, Require};
use cloakroom::policy::{AtLimit, PolicyBuilder, RequestInfo};
use cloakroom::store::{NewRecord, Store as _, UserKeys};
use cloakroom::{
    KeyRing, Manager, ManualClock, MemoryStore, Policy, Session, SessionError, SessionId, Timestamp,
};
use serde_json::{Value, json};

use super::policy;
use crate::support::{NOW, SECRET, clock, keys, memory};

/// A store by a clock that is set, and layers over it.
struct Place {
    store: MemoryStore,
    clock: ManualClock,
}

impl Place {
    fn new() -> Self {
        let clock = clock();
        Self {
            store: memory(&clock),
            clock,
        }
    }

    fn layer(&self, policy: PolicyBuilder) -> Manager {
        let store = Arc::new(self.store.clone());
        Manager::with_clock(policy.build().unwrap(), store, self.clock.clone())
    }

    fn advance(&self, duration: Duration) {
        self.clock.advance(duration);
    }

    /// Stores a record as another program would.
    async fn put(&self, data: Value) -> SessionId {
        let mut record = json!({ "cookie": { "originalMaxAge": 1_800_000, "path": "/" } });
        record
            .as_object_mut()
            .unwrap()
            .extend(data.as_object().unwrap().clone());
        let id = SessionId::random();
        self.store.create(&id, &self.entry(&record)).await.unwrap();
        id
    }

    /// Changes a record as another program would.
    async fn rewrite(&self, id: &SessionId, change: impl FnOnce(&mut Value)) {
        let stored = self.store.get(id).await.unwrap().unwrap();
        let mut record: Value = serde_json::from_str(&stored.text).unwrap();
        change(&mut record);
        let entry = self.entry(&record);
        self.store.update(id, &stored.text, &entry).await.unwrap();
    }

    fn entry(&self, record: &Value) -> NewRecord {
        let text = record.to_string();
        NewRecord {
            users: UserKeys::default().users_of(&text),
            text: text.into(),
            expires: self.clock.now().after(Duration::from_mins(30)),
        }
    }

    async fn record(&self, id: &SessionId) -> Value {
        let stored = self.store.get(id).await.unwrap().unwrap();
        serde_json::from_str(&stored.text).unwrap()
    }
}

/// The session that the store has under an id.
async fn open(layer: &Manager, id: &SessionId) -> Session {
    let name = layer.policy().name().as_str();
    let signed = cloakroom::cookie::sign(id.expose(), layer.policy().keys());
    let cookie = format!("{name}=s:{signed}");
    layer
        .open([cookie.as_bytes()], RequestInfo::default())
        .await
        .unwrap()
}

async fn new(layer: &Manager) -> Session {
    layer.open([], RequestInfo::default()).await.unwrap()
}

/// W1: signed out or replaced at Express with `keepSessionInfo`, and the fleet's behaviour after that.
#[tokio::test]
async fn w1_a_session_that_names_two_users_is_anonymous_and_ends_with_either() {
    let place = Place::new();
    let layer = place.layer(policy());
    for (passport, names) in [
        (json!({ "user": "ada" }), &["grace", "ada"][..]),
        (json!({}), &["grace"]),
        (json!({ "user": null }), &["grace"]),
    ] {
        for name in names {
            let data = json!({ "userId": "grace", "roles": ["admin"], "passport": passport });
            let id = place.put(data).await;
            let session = open(&layer, &id).await;
            assert_eq!(session.user(), None, "{passport}");
            let now = session.expires();
            let access = Require::role("admin").check(&session, now);
            assert_eq!(access, Access::LoginRequired);
            assert!(session.devices().await.unwrap().is_empty());
            assert!(layer.devices_of(name, None).await.unwrap().is_empty());
            assert_eq!(
                layer.end_sessions_of(name, None).await.unwrap(),
                1,
                "{name} {passport}"
            );
            assert!(open(&layer, &id).await.is_new());
        }
    }
}

/// W1: a login here resolves the contradiction.
#[tokio::test]
async fn w1_a_login_names_its_user_alone() {
    let place = Place::new();
    let layer = place.layer(policy());
    for left in [
        json!({ "passport": {} }),
        json!({ "userId": "eve", "passport": {}, "cart": "hat" }),
        json!({ "userId": "eve", "passport": { "user": "ada" }, "cart": "hat" }),
        json!({ "passport": { "user": "eve" }, "cart": "hat" }),
    ] {
        let session = open(&layer, &place.put(left.clone()).await).await;
        session.login("ada").await.unwrap();
        assert_eq!(session.user().as_deref(), Some("ada"), "{left}");
        assert_eq!(session.get::<String>("cart").unwrap(), None, "{left}");
    }
}

/// W2: every way in which another program, or a handler, signs a user out and keeps the session.
#[tokio::test]
async fn w2_the_next_user_finds_nothing_of_one_signed_out_by_removing_keys() {
    let place = Place::new();
    for policy in [policy(), Policy::express(keys())] {
        let layer = place.layer(policy);
        for next in ["eve", "ada"] {
            for way in 0..3 {
                let session = new(&layer).await;
                session.login("ada").await.unwrap();
                session.insert("roles", ["admin"]).unwrap();
                session.insert("address", "her street").unwrap();
                session
                    .insert("passport", json!({ "user": "ada" }))
                    .unwrap();
                session.save().await.unwrap();
                place
                    .rewrite(&session.id(), |record| match way {
                        0 => {
                            let record = record.as_object_mut().unwrap();
                            record.remove("userId");
                            record.remove("passport");
                        }
                        1 => {
                            record.as_object_mut().unwrap().remove("userId");
                            record["passport"] = json!({});
                        }
                        _ => {
                            // Passport signs another user in over it.
                            record["userId"] = json!("eve");
                            record["passport"] = json!({ "user": "eve" });
                        }
                    })
                    .await;
                let session = open(&layer, &session.id()).await;
                assert_eq!(session.authenticated_at(), None, "{way}");
                session.login(next).await.unwrap();
                assert_eq!(session.user().as_deref(), Some(next));
                assert_eq!(session.get_raw("address").unwrap(), None, "{next} {way}");
                assert_eq!(session.get_raw("roles").unwrap(), None, "{next} {way}");
                session.save().await.unwrap();
            }
        }
    }
}

/// W2: the user whom Express signed in is recorded when this side writes the session.
#[tokio::test]
async fn w2_the_next_user_finds_nothing_of_one_signed_in_and_out_by_express() {
    let place = Place::new();
    let layer = place.layer(policy());
    let id = place
        .put(json!({ "userId": "ada", "address": "her street" }))
        .await;
    let session = open(&layer, &id).await;
    session.insert("seen", true).unwrap();
    session.save().await.unwrap();
    place
        .rewrite(&id, |record| {
            record.as_object_mut().unwrap().remove("userId");
        })
        .await;
    let session = open(&layer, &id).await;
    session.login("eve").await.unwrap();
    assert_eq!(session.get_raw("address").unwrap(), None);
}

/// W2: a rotation of the key ring loses no cart.
#[tokio::test]
async fn w2_a_rotated_key_still_identifies_the_last_user() {
    let place = Place::new();
    let layer = place.layer(policy());
    let session = new(&layer).await;
    session.login("ada").await.unwrap();
    session.insert("cart", "hat").unwrap();
    session.save().await.unwrap();
    let newer = "another secret of more than thirty-two bytes";
    let ring = KeyRing::from_secrets([newer, SECRET]).unwrap();
    layer.policy().keys().rotate_to(&ring);
    let session = open(&layer, &session.id()).await;
    session.login("ada").await.unwrap();
    assert_eq!(
        session.get::<String>("cart").unwrap().as_deref(),
        Some("hat")
    );
}

/// W2: a revoked role does not outlive a new login of the same user.
#[tokio::test]
async fn w2_a_login_drops_roles_that_the_handler_does_not_set_after_it() {
    let place = Place::new();
    let layer = place.layer(policy());
    let session = new(&layer).await;
    session.login("ada").await.unwrap();
    session.insert("roles", ["admin"]).unwrap();
    session.insert("cart", "hat").unwrap();
    session.save().await.unwrap();
    session.login("ada").await.unwrap();
    session.save().await.unwrap();
    let session = open(&layer, &session.id()).await;
    assert_eq!(session.get_raw("roles").unwrap(), None);
    assert_eq!(
        session.get::<String>("cart").unwrap().as_deref(),
        Some("hat")
    );
}

/// W4: NIST SP 800-63B-4 §5.2.
#[tokio::test]
async fn w4_a_login_restarts_the_absolute_timeout_and_regenerate_does_not() {
    let place = Place::new();
    let layer = place.layer(policy());
    let session = new(&layer).await;
    session.insert("cart", "hat").unwrap();
    session.save().await.unwrap();
    let began = session.deadline().unwrap();
    let hour = Duration::from_hours(1);
    for _ in 0..3 {
        place.advance(Duration::from_mins(20));
        let session = open(&layer, &session.id()).await;
        session.touch();
        layer.close(&session).await.unwrap();
    }
    session.regenerate().unwrap();
    assert_eq!(session.deadline().unwrap(), began);
    session.login("ada").await.unwrap();
    assert_eq!(session.deadline().unwrap(), began + hour);
    session.save().await.unwrap();
    let handle = session.devices().await.unwrap()[0].handle.clone();
    place.advance(Duration::from_mins(20));
    session.login("ada").await.unwrap();
    session.save().await.unwrap();
    assert_eq!(session.deadline().unwrap(), began + hour + hour / 3);
    assert_eq!(session.devices().await.unwrap()[0].handle, handle);
    place.advance(Duration::from_mins(20));
    session.password_changed().await.unwrap();
    assert_eq!(session.deadline().unwrap(), began + hour + 2 * hour / 3);
}

/// W6: `Object.assign(req.session, req.body)` at Express.
#[tokio::test]
async fn w6_what_another_writer_does_to_the_metadata_moves_no_timeout() {
    let place = Place::new();
    let layer = place.layer(policy());
    for stamp in [
        json!({ "created": NOW, "deadline": 9_999_999_999_999_i64 }),
        json!({ "created": 9_999_999_999_999_i64, "deadline": 9_999_999_999_999_i64, "login": NOW }),
        json!({ "created": NOW, "login": 9_999_999_999_999_i64 }),
    ] {
        let id = place.put(json!({ "userId": "ada", "_ck": stamp })).await;
        let session = open(&layer, &id).await;
        let bound = Timestamp::from_millis(NOW).after(Duration::from_hours(24));
        assert_eq!(session.deadline(), Some(bound.into()), "{stamp}");
        assert_eq!(session.authenticated_at(), None, "{stamp}");
        // It is mended in the store by the next response, so that it counts from there.
        layer.close(&session).await.unwrap();
        let record = place.record(&id).await;
        assert_eq!(record["_ck"]["deadline"], bound.as_millis(), "{record}");
        assert!(record["_ck"]["created"].as_i64().unwrap() <= NOW);
    }
    // One that was dropped begins at first sight, and is not fresh.
    let session = open(&layer, &place.put(json!({ "userId": "ada" })).await).await;
    let fresh = Require::login().fresh(Duration::from_hours(1));
    assert_eq!(
        fresh.check(&session, session.expires()),
        Access::StepUpRequired
    );
}

/// W3: two layers over one store and one secret are two namespaces.
#[tokio::test]
async fn w3_the_cookie_of_one_layer_opens_nothing_in_another() {
    let place = Place::new();
    let shop = place.layer(policy().name("shop.sid"));
    let staff = place.layer(policy().name("staff.sid"));
    let express = place.layer(Policy::express(keys()));
    let own = place.layer(policy());
    let mut sessions = Vec::new();
    for layer in [&shop, &staff, &express, &own] {
        let session = new(layer).await;
        session.login("7").await.unwrap();
        layer.close(&session).await.unwrap();
        sessions.push(session.id());
    }
    let opens = async |layer: &Manager| {
        let mut opened = Vec::new();
        for id in &sessions {
            let session = open(layer, id).await;
            opened.push(session.user().is_some());
            layer.close(&session).await.unwrap();
        }
        opened
    };
    assert_eq!(opens(&shop).await, [true, false, false, false]);
    assert_eq!(opens(&staff).await, [false, true, false, false]);
    // Without a realm there is one namespace, Express's.
    assert_eq!(opens(&express).await, [false, false, true, true]);
    assert_eq!(opens(&own).await, [false, false, true, true]);
    assert_eq!(staff.sessions_of("7").await.unwrap(), [sessions[1].clone()]);
    assert_eq!(staff.devices_of("7", None).await.unwrap().len(), 1);
    assert_eq!(staff.end_sessions_of("7", None).await.unwrap(), 1);
    assert_eq!(opens(&shop).await, [true, false, false, false]);
    assert_eq!(opens(&staff).await, [false; 4]);
    assert_eq!(own.end_sessions_of("7", None).await.unwrap(), 2);
    assert_eq!(shop.sessions_of("7").await.unwrap(), [sessions[0].clone()]);
    // And a name that looks like a realm's.
    assert!(
        own.sessions_of("\u{1f}shop.sid\u{1f}7")
            .await
            .unwrap()
            .is_empty()
    );
}

#[test]
fn w3_which_policies_have_a_realm() {
    let realm = |policy: PolicyBuilder| policy.build().unwrap().realm().map(str::to_owned);
    assert_eq!(realm(policy()), None);
    assert_eq!(realm(policy().name("connect.sid")), None);
    assert_eq!(
        realm(policy().name("shop.sid")).as_deref(),
        Some("shop.sid")
    );
    assert_eq!(
        realm(policy().name("shop.sid").realm("x")).as_deref(),
        Some("x")
    );
    assert_eq!(realm(policy().name("shop.sid").no_realm()), None);
    assert_eq!(realm(Policy::express(keys()).name("shop.sid")), None);
    assert_eq!(
        realm(Policy::express(keys()).realm("x")).as_deref(),
        Some("x")
    );
    for bad in ["", "a\u{1f}b", "\n"] {
        assert!(policy().realm(bad).build().is_err(), "{bad:?}");
    }
}

/// W5: a role that is revoked is gone in every session, and no session ends.
#[tokio::test]
async fn w5_roles_change_in_all_sessions_of_a_user_at_once() {
    for hashed in [false, true] {
        let place = Place::new();
        let layer = place.layer(policy().hash_ids_at_rest(hashed));
        let mut ids = Vec::new();
        for user in ["ada", "ada", "eve"] {
            let session = new(&layer).await;
            session.login(user).await.unwrap();
            session.insert("roles", ["admin"]).unwrap();
            session.insert("cart", "hat").unwrap();
            layer.close(&session).await.unwrap();
            ids.push(session.id());
        }
        place.advance(Duration::from_mins(10));
        let running = open(&layer, &ids[0]).await;
        running.insert("cart", "coat").unwrap();
        let before = open(&layer, &ids[1]).await;
        assert_eq!(layer.set_roles_of("ada", ["reader"]).await.unwrap(), 2);
        assert_eq!(layer.set_roles_of("nobody", ["reader"]).await.unwrap(), 0);
        layer.close(&running).await.unwrap();
        let roles = [["reader"], ["reader"], ["admin"]];
        let carts = ["coat", "hat", "hat"];
        for ((id, roles), cart) in ids.iter().zip(roles).zip(carts) {
            let session = open(&layer, id).await;
            assert_eq!(session.get::<Vec<String>>("roles").unwrap().unwrap(), roles);
            assert_eq!(session.get::<String>("cart").unwrap().unwrap(), cart);
            assert!(session.user().is_some());
        }
        // An unused session is not prolonged.
        place.advance(Duration::from_mins(20) + Duration::from_secs(1));
        drop(before);
        assert!(open(&layer, &ids[1]).await.is_new());
    }
}

/// A job changes a session outside every request: no concurrent change is lost, no session prolonged.
#[tokio::test]
async fn a_job_changes_a_session_by_id_without_prolonging_it() {
    let raw = |json: Value| serde_json::value::to_raw_value(&json).unwrap();
    for hashed in [false, true] {
        let place = Place::new();
        let layer = place.layer(policy().hash_ids_at_rest(hashed));
        let session = new(&layer).await;
        session.insert("cart", ["hat"]).unwrap();
        session.insert("views", 1).unwrap();
        layer.close(&session).await.unwrap();
        let id = session.id();
        place.advance(Duration::from_mins(10));
        let running = open(&layer, &id).await;
        running.insert("views", 2).unwrap();
        let mut tries = 0;
        let changed = layer
            .change(&id, |session| {
                tries += 1;
                assert_eq!(session.get_raw("cart"), Some(r#"["hat"]"#));
                assert_eq!(session.get_raw("cookie"), None);
                session.insert_raw("cart", &raw(json!(["hat", "coat"])))?;
                assert_eq!(session.get_raw("cart"), Some(r#"["hat","coat"]"#));
                session.insert_raw("gone", &raw(json!(1)))?;
                session.remove("gone");
                Ok(())
            })
            .await;
        assert!(changed.unwrap());
        assert_eq!(tries, 1);
        let refused = layer.change(&id, |session| session.insert_raw("save", &raw(json!(1))));
        assert!(matches!(refused.await, Err(SessionError::ReservedKey(_))));
        let other = SessionId::random();
        let nothing = layer.change(&other, |_| unreachable!("it is not there"));
        assert!(!nothing.await.unwrap());
        place.advance(Duration::from_mins(20) + Duration::from_secs(1));
        let late = layer.change(&id, |_| unreachable!("its time is up"));
        assert!(!late.await.unwrap(), "hashed: {hashed}");
        drop(running);
    }
}

/// W5: a guard that asks the application.
#[tokio::test]
async fn w5_a_guard_may_ask_for_the_roles() {
    let layer = Place::new().layer(policy());
    let session = new(&layer).await;
    session.login("ada").await.unwrap();
    session.insert("roles", ["admin"]).unwrap();
    let now = session.expires();
    let require = |roles: &'static [&'static str]| {
        Require::role("admin").roles_from(async move |user: String| {
            assert_eq!(user, "ada");
            Ok::<_, std::io::Error>(roles.iter().map(|&role| role.to_owned()).collect())
        })
    };
    assert_eq!(
        require(&["admin"]).check_now(&session, now).await.unwrap(),
        Access::Granted
    );
    assert_eq!(
        require(&[]).check_now(&session, now).await.unwrap(),
        Access::Forbidden
    );
    // Nobody passes by what the session says once another is to be asked.
    assert_eq!(require(&["admin"]).check(&session, now), Access::Forbidden);
    let broken = Require::role("admin")
        .roles_from(async |_| Err::<Vec<String>, _>(std::io::Error::other("down")));
    assert!(broken.check_now(&session, now).await.is_err());
    let nobody = new(&layer).await;
    assert_eq!(
        broken.check_now(&nobody, now).await.unwrap(),
        Access::LoginRequired
    );
}

/// W8: support staff in a user's place.
#[tokio::test]
async fn w8_an_impersonator_does_not_count_as_the_user_nor_outlive_their_own_logout() {
    let place = Place::new();
    let layer = place.layer(policy().max_sessions(1, AtLimit::EndOldest));
    let hers = new(&layer).await;
    hers.login("ada").await.unwrap();
    layer.close(&hers).await.unwrap();
    let session = new(&layer).await;
    assert!(session.impersonate("ada").is_err(), "nobody is signed in");
    session.login("root").await.unwrap();
    session.insert("roles", ["admin"]).unwrap();
    session.insert("notes", "of root").unwrap();
    layer.close(&session).await.unwrap();
    let before = session.id();
    let session = open(&layer, &before).await;
    session.impersonate("ada").unwrap();
    layer.close(&session).await.unwrap();
    assert_ne!(session.id(), before);
    assert!(open(&layer, &before).await.is_new(), "the old id is over");
    let session = open(&layer, &session.id()).await;
    assert_eq!(session.user().as_deref(), Some("ada"));
    assert_eq!(session.impersonator().as_deref(), Some("root"));
    assert_eq!(session.get_raw("roles").unwrap(), None);
    assert_eq!(session.get_raw("notes").unwrap(), None);
    let fresh = Require::login().fresh(Duration::from_hours(1));
    let now = std::time::SystemTime::from(Timestamp::from_millis(NOW));
    assert_eq!(fresh.check(&session, now), Access::StepUpRequired);
    assert_eq!(layer.devices_of("ada", None).await.unwrap().len(), 1);
    // She signs in elsewhere: her older session ends, not the one that acts for her.
    let again = new(&layer).await;
    again.login("ada").await.unwrap();
    layer.close(&again).await.unwrap();
    assert!(open(&layer, &hers.id()).await.is_new());
    let session = open(&layer, &session.id()).await;
    assert_eq!(session.impersonator().as_deref(), Some("root"));
    // Back, and there again.
    assert!(session.stop_impersonating().unwrap());
    assert_eq!(
        (session.user().as_deref(), session.impersonator()),
        (Some("root"), None)
    );
    assert!(!session.stop_impersonating().unwrap());
    assert_eq!(
        fresh.check(&session, now),
        Access::Granted,
        "root's own login"
    );
    session.impersonate("ada").unwrap();
    layer.close(&session).await.unwrap();
    // The end of root's sessions is the end of it; hers goes on.
    assert_eq!(layer.end_sessions_of("root", None).await.unwrap(), 1);
    assert!(open(&layer, &session.id()).await.is_new());
    assert!(open(&layer, &again.id()).await.user().is_some());
}

/// W8: no value of a foreign writer in the record makes a session another user's.
#[tokio::test]
async fn w8_an_impersonator_has_to_be_proven() {
    let place = Place::new();
    let layer = place.layer(policy());
    let stamp = json!({ "created": NOW, "by": "root", "proof": "made up" });
    let id = place.put(json!({ "userId": "ada", "_ck": stamp })).await;
    let session = open(&layer, &id).await;
    assert_eq!(session.impersonator(), None);
    assert!(!session.stop_impersonating().unwrap());
    assert_eq!(session.user().as_deref(), Some("ada"));
    // One that is proven holds for one user only, and ends with a login.
    let session = new(&layer).await;
    session.login("root").await.unwrap();
    session.impersonate("ada").unwrap();
    session.insert("userId", "eve").unwrap();
    assert_eq!(session.impersonator(), None);
    session.login("eve").await.unwrap();
    session.save().await.unwrap();
    assert_eq!(place.record(&session.id()).await["_ck"].get("by"), None);
}
