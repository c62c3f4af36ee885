//! connect-mongo itself on our documents. It needs Node 20 and `npm ci` in `interop/`.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use testbed::Mongo;

use super::{clock, connect, database, entry};
use crate::id::SessionId;
use crate::store::mongodb::{Algorithm, Encoding, Hashing, Kruptein, MongoOptions, WebCrypto};
use crate::store::{CasOutcome, Store as _};

fn forms() -> Vec<(&'static str, MongoOptions)> {
    let plain = MongoOptions::new;
    let kruptein = || Kruptein::new("squirrel");
    let webcrypto = || WebCrypto::new("squirrel");
    vec![
        ("text", plain()),
        ("document", plain().stringify(false)),
        ("hashed", plain().hash_ids()),
        ("kruptein", plain().encryption(kruptein())),
        (
            "kruptein-cbc",
            plain().encryption(
                kruptein()
                    .algorithm(Algorithm::AesCbc)
                    .encoding(Encoding::Hex)
                    .hashing(Hashing::Sha256),
            ),
        ),
        (
            "kruptein-gcm-hex",
            plain().encryption(kruptein().encoding(Encoding::Hex).hashing(Hashing::Sha384)),
        ),
        ("webcrypto", plain().encryption(webcrypto())),
        (
            "webcrypto-cbc",
            plain().encryption(
                webcrypto()
                    .algorithm(Algorithm::AesCbc)
                    .encoding(Encoding::Hex)
                    .iterations(1000),
            ),
        ),
        (
            "webcrypto-iv16",
            plain().encryption(
                webcrypto()
                    .iv_length(16)
                    .encoding(Encoding::Base64Url)
                    .salt("pepper")
                    .iterations(1000),
            ),
        ),
    ]
}

/// Returns what connect-mongo read of each case after it saved it with the key `node`.
fn node(cases: &Value) -> Vec<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../interop/mongo.mjs");
    let url = Mongo::shared().url("test");
    let mut node = Command::new("node")
        .args([script, &url])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node is there");
    let mut stdin = node.stdin.take().unwrap();
    stdin.write_all(cases.to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success(), "`npm ci` in interop/ may help");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn connect_mongo_reads_what_we_write_and_we_what_it_writes() {
    let sid = SessionId::from_store("a-session-of-both");
    let first = entry(r#","userId":"ada","n":[1,2.5,1e21,null,{"é":"日本"}],"a.b":"$c","0":true"#);
    let (mut stores, mut cases) = (Vec::new(), Vec::new());
    for (form, options) in forms() {
        let database = database();
        let store = connect(&database, options.clock(clock())).await;
        store.create(&sid, &entry("")).await.unwrap();
        let saved = store.update(&sid, &entry("").text, &first).await.unwrap();
        assert_eq!(saved, CasOutcome::Stored);
        cases.push(json!({ "form": form, "database": database, "sid": sid.expose() }));
        stores.push((form, store));
    }
    let values = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let seen = tokio::task::spawn_blocking(move || node(&Value::Array(cases)));
    for ((form, store), seen) in stores.into_iter().zip(seen.await.unwrap()) {
        let mut seen = values(&seen);
        let cookie = seen["cookie"].as_object_mut().unwrap();
        cookie.retain(|_, value| !value.is_null());
        assert_eq!(seen, values(&first.text), "{form}");
        // And back, whichever wrote last.
        let read = store.get(&sid).await.unwrap().unwrap().text;
        let mut back = values(&read);
        let keys = back.as_object_mut().unwrap();
        assert!(keys.remove("node").is_some(), "{form}");
        // Express counts from now.
        keys["cookie"]["originalMaxAge"] = 60_000.into();
        assert_eq!(back, values(&first.text), "{form}");
        let found = store.list_by_user("ada").await.unwrap();
        assert_eq!(found.len(), 1, "{form}");
        let saved = store.update(&sid, &read, &first).await.unwrap();
        assert_eq!(saved, CasOutcome::Stored, "{form}");
    }
}
