//! PostgreSQL.

use testbed::Postgres;

use crate::{doctor, record, serve_once};

/// A server as an operator would have it, in a zone of its own: that alone is no fault.
fn server() -> Postgres {
    Postgres::start(&[
        "TimeZone=Asia/Kolkata",
        "fsync=on",
        "full_page_writes=on",
        "autovacuum=on",
    ])
}

fn insert(postgres: &Postgres, sid: &str, text: &str, expire: &str) {
    let text = text.replace('\'', "''");
    postgres.query(&format!(
        "INSERT INTO session VALUES ('{sid}', '{text}', {expire})"
    ));
}

#[test]
fn a_healthy_server_gets_no_finding() {
    let postgres = server();
    serve_once(&postgres.url());
    doctor(&postgres.url(), &[]).is_healthy();
    insert(
        &postgres,
        "a",
        &record(3_600_000, r#","userId":"7""#),
        "now() + interval '1 hour'",
    );
    doctor(&postgres.url(), &[]).is_healthy();
}

/// The servers of other tests are tuned for speed, as no production may be.
#[test]
fn a_server_that_risks_its_data_is_found() {
    let url = Postgres::shared().create_database("doctored");
    serve_once(&url);
    let said = doctor(&url, &[]);
    assert_eq!(said.found, ["P05", "P07"], "{}", said.text);
    let text = &said.text;
    assert!(
        text.contains("fsync, full_page_writes off") && text.contains("autovacuum is off"),
        "{text}"
    );
}

#[test]
fn planted_faults_are_found() {
    let postgres = server();
    serve_once(&postgres.url());
    postgres.query("CREATE ROLE node LOGIN");
    postgres.query("GRANT SELECT, INSERT, UPDATE, DELETE ON session TO node");
    #[rustfmt::skip]
    let table = [ // check, fault, mended by
        ("P01", "ALTER ROLE node SET timezone = 'UTC'", "ALTER ROLE node RESET timezone"),
        ("P01", "ALTER ROLE postgres SET timezone = 'UTC'", "ALTER ROLE postgres RESET timezone"),
        ("P02", "ALTER TABLE session DROP CONSTRAINT session_pkey", "ALTER TABLE session ADD PRIMARY KEY (sid)"),
        ("P03", "DROP INDEX \"IDX_session_expire\"", "CREATE INDEX \"IDX_session_expire\" ON session (expire)"),
        ("P04", "ALTER TABLE session SET UNLOGGED", "ALTER TABLE session SET LOGGED"),
        ("P05", "ALTER ROLE postgres SET synchronous_commit = off", "ALTER ROLE postgres RESET synchronous_commit"),
        ("P06", "INSERT INTO session VALUES ('old', '{\"cookie\":{}}', now() - interval '2 hours')", "DELETE FROM session"),
        ("P09", "ALTER ROLE postgres SET statement_timeout = '500ms'", "ALTER ROLE postgres RESET statement_timeout"),
        ("P11", "ALTER ROLE postgres SET log_statement = 'all'", "ALTER ROLE postgres RESET log_statement"),
        ("S05", "ALTER ROLE postgres SET default_transaction_read_only = on", "BEGIN READ WRITE; ALTER ROLE postgres RESET default_transaction_read_only; COMMIT"),
        ("S06", "INSERT INTO session VALUES ('odd', '[]', now() + interval '1 hour')", "DELETE FROM session"),
        ("S07", "INSERT INTO session VALUES ('odd', '{\"cookie\":{}}', 'infinity')", "DELETE FROM session"),
    ];
    for (id, fault, mend) in table {
        run(&postgres, fault);
        doctor(&postgres.url(), &[]).finds_only(id);
        run(&postgres, mend);
        doctor(&postgres.url(), &[]).is_healthy();
    }
    // 0.0.0.0 leads to this machine, and is no name of it.
    let far = postgres.url().replace("127.0.0.1", "0.0.0.0");
    doctor(&far, &[]).finds_only("S12");
    doctor(&postgres.url(), &["--processes", "40"]).finds_only("P08");
    doctor(&postgres.url(), &["--mixed-fleet"]).finds("P10");
    doctor(&postgres.url(), &["--user-keys", "account"]).finds_only("P03");
}

/// Runs statements one by one: some refuse to run in a transaction with others.
fn run(postgres: &Postgres, statements: &str) {
    if statements.starts_with("BEGIN") {
        postgres.query(statements);
        return;
    }
    statements
        .split("; ")
        .for_each(|statement| drop(postgres.query(statement)));
}

#[test]
fn faults_of_rights_and_of_records_are_found() {
    let postgres = server();
    let role = format!("postgres://app@127.0.0.1:{}/postgres", postgres.port());
    postgres.query("CREATE ROLE app LOGIN");
    // Nothing is created, and no table is no healthy one.
    let said = doctor(&postgres.url(), &[]);
    said.finds_only("P02");
    assert_eq!(
        postgres.query("SELECT to_regclass('session') IS NULL"),
        "t\n"
    );
    assert!(said.unchecked.contains(&"P03".to_owned()), "{}", said.text);
    serve_once(&postgres.url());
    doctor(&role, &[]).finds("P09");
    postgres.query("GRANT SELECT, INSERT, UPDATE, DELETE ON session TO app");
    postgres.query("ALTER ROLE app CONNECTION LIMIT 3");
    doctor(&role, &[]).finds_only("P08");
    // The row of a writer in another zone.
    insert(
        &postgres,
        "shifted",
        &record(3_600_000, ""),
        "now() AT TIME ZONE 'UTC' + interval '8 hours'",
    );
    doctor(&postgres.url(), &[]).finds_only("S08");
    postgres.query("DELETE FROM session");
    for at in 0..10 {
        let own = if at % 2 == 0 {
            r#","_ck":{"created":0}"#
        } else {
            ""
        };
        insert(
            &postgres,
            &format!("s{at}"),
            &record(3_600_000, own),
            "now() + interval '1 hour'",
        );
    }
    doctor(&postgres.url(), &[]).finds_only("P10");
    postgres.query("ALTER TABLE session RENAME TO sessions_old");
    postgres.query("CREATE TABLE session (LIKE sessions_old INCLUDING ALL)");
    postgres.query("ANALYZE sessions_old");
    doctor(&postgres.url(), &[]).finds("S09");
}
