//! A command that only looks needs no right to write, waits for no writer, and creates nothing.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use cloakroom::store::Store as _;
use rusqlite::Connection;
use testbed::Postgres;

use crate::{SECRET, Said, Shop, new_file, said};

/// The subcommands that look, on a store of [`Shop::fill`]; `run` is given each.
fn look(run: impl Fn(&[&str]) -> Said, is_exporting: bool) {
    let counted = run(&["count"]);
    assert_eq!(counted.out, "5\n", "{}", counted.error);
    let listed = run(&["list", "--user", "ada"]);
    assert_eq!(listed.lines().len(), 2, "{}", listed.error);
    let handle = listed.lines()[0]["handle"].as_str().unwrap().to_owned();
    let shown = run(&["show", &handle]);
    assert_eq!(shown.code, 0, "{}", shown.error);
    let dry = run(&["end", "--user", "ada"]);
    assert!(
        dry.out.contains("2 sessions would end"),
        "{} {}",
        dry.out,
        dry.error
    );
    let watched = run(&["watch", "--looks", "1"]);
    assert_eq!(watched.code, 0, "{}", watched.error);
    if is_exporting {
        let exported = run(&["export", &new_file("x").display().to_string()]);
        assert_eq!(exported.code, 0, "{}", exported.error);
    }
}

fn doctor(url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloakroom"));
    command
        .args(["doctor", "--only", "S,L06", "--skip", "S06,S08"])
        .env("CLOAKROOM_STORE", url)
        .env("SESSION_SECRET", SECRET)
        .env("RUST_LOG", "off");
    command
}

#[test]
fn sqlite_is_read_beside_a_writer_that_holds_the_lock() {
    let shop = Shop::sqlite();
    shop.fill();
    let writer = Connection::open(shop.url.strip_prefix("sqlite:").unwrap()).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    look(|args| shop.run(args), true);
    let checked = said(doctor(&shop.url).output().unwrap());
    assert_eq!(checked.out, "", "{}", checked.error);
}

/// Runs it as a user who owns nothing here, where the tests run as root.
fn as_a_stranger(mut command: Command) -> Said {
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if is_root {
        command.uid(65_534).gid(65_534);
    }
    said(command.current_dir("/").output().unwrap())
}

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn sqlite_is_read_where_nothing_may_be_written() {
    let shop = Shop::sqlite();
    shop.fill();
    let file = Path::new(shop.url.strip_prefix("sqlite:").unwrap()).to_owned();
    let directory = file.parent().unwrap();
    allow(directory, 0o755);
    for name in ["sessions.db", "sessions.db-wal", "sessions.db-shm"] {
        allow(&directory.join(name), 0o644);
    }
    allow(directory, 0o555);
    // Beside the process that serves, whose log is there.
    look(|args| as_a_stranger(shop.command(args)), false);
    // At rest, as in a backup: no log, and none can be created.
    allow(directory, 0o755);
    let rest = directory.join("rest");
    fs::create_dir(&rest).unwrap();
    let copy = rest.join("what?#.db");
    let writer = Connection::open(&file).unwrap();
    writer.execute("VACUUM INTO ?1", [copy.to_str()]).unwrap();
    let at_rest = Connection::open(&copy).unwrap();
    at_rest.pragma_update(None, "journal_mode", "WAL").unwrap();
    drop(at_rest);
    allow(&copy, 0o444);
    allow(&rest, 0o555);
    let url = format!("sqlite:{}", copy.display());
    let run = |args: &[&str]| {
        let mut command = shop.command(args);
        command.env("CLOAKROOM_STORE", &url);
        as_a_stranger(command)
    };
    look(run, false);
    let checked = as_a_stranger(doctor(&url));
    assert_eq!(checked.out, "", "{}", checked.error);
    assert_eq!(
        fs::read_dir(&rest).unwrap().count(),
        1,
        "nothing was created"
    );
    allow(&rest, 0o755);
}

#[test]
fn another_program_s_file_is_left_as_it_is() {
    let file = new_file("other.db");
    let other = Connection::open(&file).unwrap();
    other.execute_batch("CREATE TABLE coats (n)").unwrap();
    drop(other);
    let before = fs::read(&file).unwrap();
    let shop = Shop::sqlite();
    let mut command = shop.command(&["list"]);
    command.env("CLOAKROOM_STORE", format!("sqlite:{}", file.display()));
    let said = said(command.output().unwrap());
    assert_eq!(
        (said.code, said.error.lines().count()),
        (1, 1),
        "{}",
        said.error
    );
    assert!(said.error.contains("holds no sessions"), "{}", said.error);
    assert!(fs::read(&file).unwrap() == before, "it was changed");
}

#[test]
fn a_user_of_redis_who_may_only_read_is_enough() {
    let mut shop = Shop::redis();
    shop.fill();
    let port = shop.url.rsplit(':').next().unwrap().to_owned();
    let redis = |words: &[&str]| {
        let ran = Command::new("redis-cli")
            .args(["-p", &port])
            .args(words)
            .output();
        String::from_utf8(ran.unwrap().stdout).unwrap()
    };
    let rights = ["~*", "+@read", "+@connection", "+info"];
    redis(&[&["ACL", "SETUSER", "looker", "on", ">pw"], &rights[..]].concat());
    shop.url = shop.url.replace("//", "//looker:pw@");
    look(|args| shop.run(args), true);
    let refused = shop.run(&["end-user", "ada"]);
    assert!(
        refused.code == 1 && refused.error.contains("+@write"),
        "{}",
        refused.error
    );
    // Nothing was even tried that is not allowed, such as mending the index.
    assert_eq!(redis(&["ACL", "LOG"]).matches("user=looker").count(), 1);
}

#[test]
fn a_role_that_may_only_read_is_enough() {
    let server = Postgres::shared();
    let mut shop = Shop::postgres("only_read");
    shop.fill();
    server.query("CREATE ROLE looker LOGIN; GRANT SELECT ON only_read TO looker");
    shop.url = shop.url.replace("//postgres@", "//looker@");
    look(|args| shop.run(args), true);
    let refused = shop.run(&["end-user", "ada"]);
    assert!(
        refused.code == 1 && refused.error.contains("GRANT SELECT, INSERT"),
        "{}",
        refused.error
    );
    let count = shop.runtime.block_on(shop.store.count());
    assert_eq!(count.unwrap(), 5);
}
