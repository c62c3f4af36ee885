//! Groups 11, 18, 19, 25 and 26: who is signed in, what services are told, and who is refused how.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

use crate::support::Place;

/// Returns the claims of the token that the upstream got with the last request.
async fn token(place: &Place, target: &str, cookie: &str) -> String {
    let answer = place.get(target, &[("Cookie", cookie)]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    place.upstream.take()[0].all("x-session-jwt")[0].to_owned()
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64.decode(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn g11_a_session_that_ended_elsewhere_opens_nothing() {
    let place = Place::open().await;
    let cookie = place.user("linus", &[]).await;
    assert_eq!(
        place.get("/other", &[("Cookie", &cookie)]).await.status,
        200
    );
    place.upstream.take();
    place.end("linus").await;
    assert_eq!(
        place.get("/other", &[("Cookie", &cookie)]).await.status,
        401
    );
    assert!(place.upstream.take().is_empty());
    // So does one that has expired, and one that was only read: the clock is the store's.
    let cookie = place.user("grace", &[]).await;
    place.sessions.advance(std::time::Duration::from_mins(29));
    assert_eq!(
        place.get("/other", &[("Cookie", &cookie)]).await.status,
        200
    );
    // The gate has counted that as use.
    place.sessions.advance(std::time::Duration::from_mins(29));
    assert_eq!(
        place.get("/other", &[("Cookie", &cookie)]).await.status,
        200
    );
    place.sessions.advance(std::time::Duration::from_mins(31));
    assert_eq!(
        place.get("/other", &[("Cookie", &cookie)]).await.status,
        401
    );
}

#[tokio::test]
async fn g18_a_role_that_is_taken_away_is_gone_at_the_next_request() {
    let place = Place::open().await;
    let cookie = place.user("ada", &["admin", "staff"]).await;
    let old = token(&place, "/admin", &cookie).await;
    assert_eq!(claims(&old)["roles"], serde_json::json!(["admin", "staff"]));
    place
        .elsewhere()
        .set_roles_of("ada", ["staff"])
        .await
        .unwrap();
    let answer = place
        .get("/admin", &[("Cookie", &cookie), ("Accept", "text/html")])
        .await;
    assert_eq!((answer.status, answer.field("location")), (403, None));
    assert!(place.upstream.take().is_empty());
    let new = token(&place, "/other", &cookie).await;
    assert_eq!(claims(&new)["roles"], serde_json::json!(["staff"]));
    // What was given out before is of no use after a minute.
    let life = claims(&old)["exp"].as_u64().unwrap() - claims(&old)["iat"].as_u64().unwrap();
    assert!(life <= 60, "{life}");
}

#[tokio::test]
async fn g18_the_roles_of_a_former_user_are_nobodys() {
    let place = Place::open().await;
    let mut visitor = place.visitor("ada", &["admin"]).await;
    place
        .change(&mut visitor, async |session| {
            session.insert("userId", "linus")
        })
        .await;
    let cookie = visitor.field().unwrap();
    assert_eq!(
        place.get("/admin", &[("Cookie", &cookie)]).await.status,
        403
    );
    let mut visitor = place.visitor("ada", &["admin"]).await;
    let two = async |session: &cloakroom::Session| {
        session.insert("passport", serde_json::json!({"user": "linus"}))
    };
    place.change(&mut visitor, two).await;
    let cookie = visitor.field().unwrap();
    assert_eq!(
        place.get("/other", &[("Cookie", &cookie)]).await.status,
        401,
        "two users are nobody"
    );
    assert!(place.upstream.take().is_empty());
}

#[tokio::test]
async fn g19_a_token_is_for_one_service_and_signed_by_a_published_key() {
    let place = Place::open().await;
    let cookie = place.user("ada", &["admin"]).await;
    let answer = place.get("/.well-known/jwks.json", &[]).await;
    assert_eq!(
        answer.field("content-type"),
        Some("application/jwk-set+json")
    );
    assert_eq!(answer.field("cache-control"), Some("public, max-age=300"));
    assert!(place.upstream.take().is_empty());
    let keys: JwkSet = serde_json::from_str(&answer.body).unwrap();
    assert!(!answer.body.contains("\"d\""), "{}", answer.body);

    let verify = |token: &str, audience: &str, issuer: &str| {
        let kid = decode_header(token).unwrap().kid.unwrap();
        let key = DecodingKey::from_jwk(keys.find(&kid).unwrap()).unwrap();
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_audience(&[audience]);
        rules.set_issuer(&[issuer]);
        decode::<Value>(token, &key, &rules).map(|token| token.claims)
    };
    let (plain, billing) = (
        token(&place, "/other", &cookie).await,
        token(&place, "/billing/1", &cookie).await,
    );
    let of_plain = verify(&plain, "upstream", "cloakroom-gate").unwrap();
    assert_eq!(
        (&of_plain["sub"], &of_plain["roles"]),
        (&"ada".into(), &serde_json::json!(["admin"]))
    );
    verify(&billing, "billing", "cloakroom-gate").unwrap();
    verify(&plain, "billing", "cloakroom-gate").unwrap_err();
    verify(&billing, "upstream", "cloakroom-gate").unwrap_err();
    verify(&plain, "upstream", "another").unwrap_err();
    let head = decode_header(&plain).unwrap();
    assert_eq!(
        (head.alg, head.typ.as_deref()),
        (Algorithm::EdDSA, Some("JWT"))
    );
    assert!(head.jwk.is_none() && head.jku.is_none() && head.x5u.is_none());
    // The id is in neither, and a handle opens nothing.
    let id = cookie
        .split("s%3A")
        .nth(1)
        .unwrap()
        .split('.')
        .next()
        .unwrap();
    let sid = of_plain["sid"].as_str().unwrap();
    assert!(!of_plain.to_string().contains(id) && !sid.is_empty());
}

#[tokio::test]
async fn g19_a_token_from_a_client_is_not_passed_on() {
    let place = Place::open().await;
    let cookie = place.user("ada", &["admin"]).await;
    let stolen = token(&place, "/other", &cookie).await;
    let linus = place.user("linus", &[]).await;
    for name in ["X-Session-Jwt", "x_session_jwt", "X-Session.JWT"] {
        place
            .get("/other", &[("Cookie", &linus), (name, &stolen)])
            .await;
        let seen = place.upstream.take();
        let told = seen[0].all("x-session-jwt");
        assert_eq!((told.len(), &claims(told[0])["sub"]), (1, &"linus".into()));
        place.get("/public/a", &[(name, &stolen)]).await;
        assert!(place.upstream.take()[0].all("x-session-jwt").is_empty());
        assert_eq!(place.get("/other", &[(name, &stolen)]).await.status, 401);
        let bearer = format!("Bearer {stolen}");
        assert_eq!(
            place
                .get("/other", &[("Authorization", &bearer)])
                .await
                .status,
            401
        );
    }
}

#[tokio::test]
async fn g25_a_page_is_sent_to_the_login_and_nothing_else_is() {
    let place = Place::open().await;
    let page = ("Accept", "text/html,*/*;q=0.8");
    #[rustfmt::skip]
    let table: [(&str, &str, &[(&str, &str)], u16, Option<&str>); 12] = [
        ("GET",  "/a?b=1",   &[page],                                             303, Some("/login?next=/a%3Fb%3D1")),
        ("HEAD", "/a",       &[page],                                             303, Some("/login?next=/a")),
        ("GET",  "/a",       &[("Sec-Fetch-Mode", "navigate"), page],             303, Some("/login?next=/a")),
        ("GET",  "/a",       &[("Sec-Fetch-Mode", "cors"), page],                 401, None),
        ("GET",  "/a",       &[("X-Requested-With", "XMLHttpRequest"), page],     401, None),
        ("GET",  "/a",       &[("Accept", "application/json")],                   401, None),
        ("GET",  "/a",       &[],                                                 401, None),
        ("POST", "/a",       &[page],                                             401, None),
        ("GET",  "/api/a",   &[page],                                             401, None),
        ("GET",  "/admin",   &[page],                                             303, Some("/login?next=/admin")),
        ("GET",  "/public/../a", &[page],                                         400, None),
        ("GET",  "/a",       &[page, ("Upgrade", "websocket"), ("Connection", "upgrade"), ("Origin", "https://pay.example")], 401, None),
    ];
    for (method, target, fields, status, location) in table {
        let fields: Vec<_> = fields.to_vec();
        let text = crate::support::head(method, target, place.proxy, &fields);
        let text = text.replace("Connection: upgrade", "Connection: upgrade, close");
        let answer = crate::support::Answer::of(&place.raw(text).await);
        assert_eq!(
            (answer.status, answer.field("location")),
            (status, location),
            "{method} {target} {fields:?}"
        );
        if status == 401 {
            assert_eq!(answer.field("www-authenticate"), Some("Session"));
        }
        assert_eq!(answer.field("cache-control"), Some("no-store"));
        assert_eq!(answer.field("set-cookie"), None);
    }
    assert!(place.upstream.bytes().is_empty());
}

#[tokio::test]
async fn g26_any_name_is_one_field() {
    let place = Place::open().await;
    #[rustfmt::skip]
    let names = ["a,b", "a\r\nX-Admin: 1", "\u{141}ukasz", "%0d%0a", "a b", "\u{202e}", "null", "0", "a\0b", "\u{1f600}"];
    for name in names {
        let cookie = place.user(name, &["a,admin", "x\r\ny"]).await;
        assert_eq!(
            place.get("/other", &[("Cookie", &cookie)]).await.status,
            200,
            "{name:?}"
        );
        let seen = &place.upstream.take()[0];
        let told = seen.all("x-session-user");
        let is_plain = |text: &str| {
            text.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.~%".contains(&b))
        };
        assert!(told.len() == 1 && is_plain(told[0]), "{name:?} {told:?}");
        assert_eq!(seen.all("x-session-roles"), ["a%2Cadmin,x%0D%0Ay"]);
        assert!(seen.all("x-admin").is_empty());
        assert_eq!(claims(seen.all("x-session-jwt")[0])["sub"], name);
    }
    // Cut off it might be another user's: it is refused.
    let cookie = place.user(&"x".repeat(4_096), &[]).await;
    assert_eq!(
        place.get("/other", &[("Cookie", &cookie)]).await.status,
        403
    );
    assert_eq!(
        place.get("/public/a", &[("Cookie", &cookie)]).await.status,
        200
    );
    assert_eq!(place.upstream.take().len(), 1);
}

#[tokio::test]
async fn a_form_of_another_site_is_refused_where_a_login_is_required() {
    let place = Place::open().await;
    let cookie = place.user("ada", &[]).await;
    let cookie = ("Cookie", cookie.as_str());
    #[rustfmt::skip]
    let table: [(&str, &[(&str, &str)], u16); 7] = [
        ("/other", &[cookie],                                        200),
        ("/other", &[cookie, ("Sec-Fetch-Site", "same-origin")],     200),
        ("/other", &[cookie, ("Origin", "https://pay.example")],     200),
        ("/other", &[cookie, ("Origin", "https://evil.example")],    403),
        ("/other", &[cookie, ("Origin", "null")],                    403),
        ("/other", &[cookie, ("Sec-Fetch-Site", "cross-site")],      403),
        ("/login", &[cookie, ("Origin", "https://evil.example")],    200),
    ];
    for (target, fields, status) in table {
        assert_eq!(
            place.send("POST", target, fields).await.status,
            status,
            "{target} {fields:?}"
        );
        assert_eq!(place.upstream.take().len(), usize::from(status == 200));
    }
}

#[tokio::test]
async fn roles_are_those_of_the_keys_that_the_file_names() {
    let rules = "role_keys = [\"roles\", \"role\"]\n[[route]]\npath = \"/admin\"\nrequire = { role = \"admin\" }";
    let place = Place::with(cloakroom::testing::TestSessions::new(), rules).await;
    #[rustfmt::skip]
    let table: [(&str, &str, u16); 11] = [
        ("role",  r#""admin""#,              200),
        ("role",  r#"["staff","admin"]"#,    200),
        ("roles", r#"["admin"]"#,            200),
        ("roles", r#""admin""#,              200),
        ("roles", r#"["Admin"]"#,            403),
        ("roles", r#""administrator""#,      403),
        ("roles", r#"{"admin":true}"#,       403),
        ("roles", r#"["admin",1]"#,          403),
        ("roles", "true",                    403),
        ("roles", "null",                    403),
        ("other", r#"["admin"]"#,            403),
    ];
    for (key, value, status) in table {
        let mut visitor = place.sessions.signed_in("ada").await;
        place
            .change(&mut visitor, async |session| session.insert_raw(key, value))
            .await;
        let cookie = visitor.field().unwrap();
        let answer = place.get("/admin", &[("Cookie", &cookie)]).await;
        assert_eq!(answer.status, status, "{key} {value}");
    }
}
