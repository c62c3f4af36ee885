//! Encrypted connections, to a server whose certificate only this test trusts.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::RootCertStore;
use testbed::Postgres;
use tokio_postgres::Config;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::super::PostgresStore;
use super::super::connection::connect::tls;
use super::{options, raw_to, reason};
use crate::store::StoreErrorKind;

/// The certificate and its key: self-signed, for `localhost` and 127.0.0.1.
const CERTIFICATE: &[u8] = include_bytes!("tls/cert.pem");
const ANCHOR: &[u8] = include_bytes!("tls/cert.der");
const KEY: &[u8] = include_bytes!("tls/key.pem");

fn encrypting() -> (Postgres, tempfile::TempDir) {
    let directory = tempfile::TempDir::new().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let (certificate, key) = (directory.path().join("cert"), directory.path().join("key"));
    fs::write(&certificate, CERTIFICATE).unwrap();
    fs::write(&key, KEY).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    // The server reads only a key of its own user, and is not root.
    let id = Command::new("id").args(["-u", "postgres"]).output();
    let id = id.ok().and_then(|out| String::from_utf8(out.stdout).ok());
    if let Some(id) = id.and_then(|id| id.trim().parse().ok()) {
        let _ = chown(&key, Some(id), None);
    }
    let settings = [
        "ssl=on".to_owned(),
        format!("ssl_cert_file={}", certificate.display()),
        format!("ssl_key_file={}", key.display()),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    (Postgres::start(&settings), directory)
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_used_where_required_and_checked() {
    let (server, _directory) = encrypting();
    let url = format!("{}?sslmode=require", server.url());
    // The system does not trust the certificate.
    let refused = PostgresStore::connect_options(&url, options("session")).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Unavailable);
    assert!(
        reason(&refused).contains("TLS handshake"),
        "{}",
        reason(&refused)
    );
    let plain = PostgresStore::connect_options(&server.url(), options("session")).await;
    plain.unwrap();

    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates([ANCHOR.to_vec().into()]);
    let config: Config = url.parse().unwrap();
    let trusting = MakeRustlsConnect::new(tls(&config, roots).map_err(|_| ()).unwrap());
    let (client, connection) = config.connect(trusting.clone()).await.unwrap();
    tokio::spawn(connection);
    let row = client
        .query_one(
            "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
            &[],
        )
        .await
        .unwrap();
    assert!(row.get::<_, bool>(0));
    // The server by a name that its certificate does not have.
    let mut elsewhere = Config::new();
    elsewhere
        .user("postgres")
        .host("elsewhere.example")
        .hostaddr([127, 0, 0, 1].into())
        .port(server.port())
        .ssl_mode(config.get_ssl_mode());
    assert!(elsewhere.connect(trusting).await.is_err());
}

/// X11: every mode that asks for TLS gets it, `prefer` as well.
#[tokio::test(flavor = "multi_thread")]
async fn x11_prefer_is_encrypted_and_checked_where_the_server_has_tls() {
    let (server, directory) = encrypting();
    let issuer = directory.path().join("issuer.pem");
    let pem = BASE64_STANDARD.encode(ANCHOR);
    let pem = format!("-----BEGIN CERTIFICATE-----\n{pem}\n-----END CERTIFICATE-----\n");
    fs::write(&issuer, pem).unwrap();
    let plain = raw_to(&server.url()).await;
    for mode in ["prefer", "allow", "require", "verify-ca", "verify-full"] {
        let url = format!("{}?sslmode={mode}&application_name={mode}", server.url());
        // Only this file vouches for the certificate.
        let refused = PostgresStore::connect_options(&url, options("session")).await;
        let refused = reason(&refused.unwrap_err());
        assert!(refused.contains("TLS handshake"), "{mode}: {refused}");

        let url = format!("{url}&sslrootcert={}", issuer.display());
        let store = PostgresStore::connect_options(&url, options("session")).await;
        let store = store.map_err(|error| reason(&error)).expect(mode);
        assert!(
            !store.0.pooler.is_there(),
            "a server was taken for a pooler"
        );
        let asked =
            "SELECT bool_and(s.ssl) FROM pg_stat_ssl AS s JOIN pg_stat_activity AS a USING (pid)
                     WHERE a.application_name = $1";
        let row = plain.query_one(asked, &[&mode]).await.unwrap();
        assert_eq!(row.get::<_, Option<bool>>(0), Some(true), "{mode}");
    }
    let nothing = format!("{}?sslmode=require&sslrootcert=/nowhere", server.url());
    let refused = PostgresStore::connect(&nothing).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Invalid);
}
