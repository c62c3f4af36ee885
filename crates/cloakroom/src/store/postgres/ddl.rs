//! The objects that can be created in the database: shown first, then run.

use std::fmt::Write as _;

use super::names::{TableNames, hash, literal};
use super::session::sql::UNINDEXABLE;
use crate::record::{DIVIDER, OF_OBJECT};
use crate::store::UserKeys;

/// A set of objects that is created in the database as a whole or not at all.
///
/// Its statements are idempotent and, in one transaction each time, safe to run from any number of processes
/// at once: they run one after the other.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ddl {
    /// The name in messages.
    pub name: &'static str,
    /// The purpose, in messages.
    pub purpose: &'static str,
    /// The statements.
    pub sql: String,
}

impl Ddl {
    fn new(name: &'static str, purpose: &'static str, statements: &str) -> Self {
        let turn = "SELECT pg_advisory_xact_lock(hashtextextended('cloakroom ddl', 0));";
        Self {
            name,
            purpose,
            sql: format!("{turn}\n{statements}"),
        }
    }
}

pub(super) fn all(names: &TableNames, keys: &UserKeys) -> Vec<Ddl> {
    vec![
        table(names),
        user_index(names, keys),
        tombs(names),
        retired(names),
        shield(names),
        notify(names),
        ended(names),
    ]
}

/// Builds the table. Constraint and index have connect-pg-simple's names; for another table, with that
/// table's name in them.
pub(super) fn table(names: &TableNames) -> Ddl {
    let table = names.table();
    let key = super::names::quoted(&names.derived("", "_pkey"));
    let index = super::names::quoted(&names.derived("IDX_", "_expire"));
    Ddl::new(
        "table",
        "the table of sessions, as connect-pg-simple has it",
        &format!(
            "CREATE TABLE IF NOT EXISTS {table} (
    sid varchar NOT NULL COLLATE \"default\",
    sess json NOT NULL,
    expire timestamp(6) NOT NULL,
    CONSTRAINT {key} PRIMARY KEY (sid)
);
CREATE INDEX IF NOT EXISTS {index} ON {table} (expire);
"
        ),
    )
}

pub(super) fn tombs(names: &TableNames) -> Ddl {
    Ddl::new(
        "tombstones",
        "the ids of destroyed sessions that Express may still write; needed for `mixed_fleet`",
        &tomb_table(names),
    )
}

fn tomb_table(names: &TableNames) -> String {
    let tombs = names.tombs();
    format!(
        "CREATE TABLE IF NOT EXISTS {tombs} (
    sid varchar NOT NULL PRIMARY KEY,
    until timestamptz NOT NULL
);
"
    )
}

pub(super) fn retired(names: &TableNames) -> Ddl {
    let table = names.retired();
    Ddl::new(
        "retired",
        "the ids that were replaced or ended within the last minute, so that a late request of whoever \
         has just signed in or out begins no session of its own",
        &format!(
            "CREATE TABLE IF NOT EXISTS {table} (
    sid varchar NOT NULL PRIMARY KEY,
    successor text NOT NULL,
    until timestamptz NOT NULL
);
"
        ),
    )
}

/// Builds a function that names a record's user and never fails, and an index by it.
pub(super) fn user_index(names: &TableNames, keys: &UserKeys) -> Ddl {
    let (table, function) = (names.table(), user_function(names, keys));
    let index = super::names::quoted(&names.derived("", &format!("_{}", mark(keys))));
    let mut sql = String::new();
    for kind in ["json", "jsonb"] {
        let _ = write!(
            sql,
            "CREATE OR REPLACE FUNCTION {function}(record {kind}) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT AS {};
",
            body(&user_body(keys, kind))
        );
    }
    let _ = writeln!(
        sql,
        "CREATE INDEX IF NOT EXISTS {index} ON {table} USING hash ({function}(sess));"
    );
    Ddl::new(
        "user_index",
        "finds the sessions of a user, those that Express wrote as well, without reading \
                  all; while the index is built, the table takes no writes (CONCURRENTLY, by hand, \
                  builds it slower and without that)",
        &sql,
    )
}

/// Returns the function's name, which depends on its body: another body has another name.
pub(super) fn user_function(names: &TableNames, keys: &UserKeys) -> String {
    names.qualified(&user_function_name(keys))
}

/// Returns that name without its schema.
pub(super) fn user_function_name(keys: &UserKeys) -> String {
    format!("cloakroom_{}", mark(keys))
}

fn mark(keys: &UserKeys) -> String {
    format!("user_{:08x}", hash(&user_body(keys, "json")))
}

/// Builds the function's body, by the rules of [`UserKeys::users_of`]. A record that names several users is
/// set aside, to be read by the store itself, and so is one with `\u0000` or a lone surrogate, which
/// PostgreSQL cannot parse.
fn user_body(keys: &UserKeys, kind: &str) -> String {
    let mut body = format!(
        "DECLARE
    value {kind};
    part {kind};
    named text;
    found text;
    noted {kind};
BEGIN
"
    );
    let inside: Vec<String> = OF_OBJECT.iter().map(|path| steps(path)).collect();
    // No record that PostgreSQL can parse has a key with a NUL.
    for path in keys.paths().filter(|path| !path.contains('\0')) {
        let _ = write!(
            body,
            "    value := record -> {};
    named := NULL;
    IF {kind}_typeof(value) IN ('string', 'number') THEN
        named := nullif(value #>> '{{}}', '');
    ELSIF {kind}_typeof(value) = 'object' THEN
        FOREACH part IN ARRAY ARRAY[{}] LOOP
            IF named IS NULL AND {kind}_typeof(part) IN ('string', 'number') THEN
                named := nullif(part #>> '{{}}', '');
            END IF;
        END LOOP;
    END IF;
    IF named <> found THEN
        RETURN {UNINDEXABLE};
    END IF;
    found := coalesce(found, named);
",
            steps(path),
            inside
                .iter()
                .map(|steps| format!("value -> {steps}"))
                .collect::<Vec<_>>()
                .join(", ")
        );
    }
    // The names of `index_names`: in a realm, and of the user who impersonates.
    let divider = format!("chr({})", u32::from(DIVIDER));
    let _ = write!(
        body,
        "    noted := record -> '_ck';
    IF {kind}_typeof(noted) = 'object' THEN
        IF {kind}_typeof(noted -> 'by') = 'string' THEN
            named := nullif(noted ->> 'by', '');
            IF named <> found THEN
                RETURN {UNINDEXABLE};
            END IF;
            found := coalesce(found, named);
        END IF;
        IF {kind}_typeof(noted -> 'realm') = 'string' THEN
            RETURN {divider} || replace(noted ->> 'realm', {divider}, '') || {divider} || found;
        END IF;
    END IF;
    IF left(found, 1) = {divider} THEN
        RETURN {divider} || {divider} || found;
    END IF;
    RETURN found;
EXCEPTION WHEN OTHERS THEN
    RETURN {UNINDEXABLE};
END
"
    );
    body
}

/// Returns a path of keys, each applied with the operator `->`.
fn steps(path: &str) -> String {
    let steps: Vec<String> = path.split('.').map(literal).collect();
    steps.join(" -> ")
}

/// Builds triggers that fire before a row is written, and after: an upsert that waited for the row to be
/// destroyed passed the first check already.
fn shield(names: &TableNames) -> Ddl {
    let (table, tombs) = (names.table(), names.tombs());
    let function = names.qualified(&names.derived("cloakroom_", "_shield"));
    let body = format!(
        "BEGIN
    IF EXISTS (SELECT FROM {tombs} AS d WHERE d.sid = NEW.sid::text) THEN
        IF TG_WHEN = 'AFTER' THEN
            DELETE FROM {table} AS s WHERE s.sid = NEW.sid;
        END IF;
        RETURN NULL;
    END IF;
    RETURN NEW;
END
"
    );
    let mut sql = tomb_table(names) + &trigger_function(&function, &body);
    sql += &trigger(
        names,
        "cloakroom_shield_before",
        "BEFORE INSERT OR UPDATE",
        &function,
    );
    sql += &trigger(names, "cloakroom_shield_after", "AFTER INSERT", &function);
    Ddl::new(
        "shield",
        "lets nobody, Express neither, write a row of a session that was destroyed here; \
                  for `mixed_fleet`",
        &sql,
    )
}

fn trigger_function(function: &str, statements: &str) -> String {
    format!(
        "CREATE OR REPLACE FUNCTION {function}() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS {};
",
        body(statements)
    )
}

/// The channel of [`notify`].
pub(super) const CHANGED: &str = "cloakroom";
/// The payload of a notification that concerns all rows.
pub(super) const EVERYTHING: &str = "*";
/// The triggers and the events that they fire on. A touch that prolongs changes no record, and is by far the
/// most frequent write.
const NOTIFY: [(&str, &str); 3] = [
    (
        "cloakroom_notify",
        "AFTER INSERT OR DELETE OR UPDATE OF sid, sess",
    ),
    ("cloakroom_notify_expire", "AFTER UPDATE OF expire"),
    ("cloakroom_notify_truncate", "AFTER TRUNCATE"),
];

/// Builds the triggers. Listeners receive a hash: a role that may LISTEN need not be allowed to read the
/// table.
pub(super) fn notify(names: &TableNames) -> Ddl {
    let function = names.qualified(&names.derived("cloakroom_", "_notify"));
    let hash = |sid: &str| {
        format!("pg_notify('{CHANGED}', encode(sha256(convert_to({sid}::text, 'UTF8')), 'hex'))")
    };
    let (old, new) = (hash("OLD.sid"), hash("NEW.sid"));
    let body = format!(
        "BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        PERFORM pg_notify('{CHANGED}', '{EVERYTHING}');
        RETURN NULL;
    END IF;
    IF TG_NAME = 'cloakroom_notify_expire' AND NEW.expire >= OLD.expire THEN
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        PERFORM {old};
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM {new};
    END IF;
    RETURN NULL;
END
"
    );
    let mut sql = trigger_function(&function, &body);
    for (name, when) in NOTIFY {
        sql += &trigger(names, name, when, &function);
    }
    Ddl::new(
        "notify",
        "tells listeners on the channel `cloakroom` the SHA-256 of each id whose record \
                  was written or went, for a near cache; each commit then takes a lock that all \
                  notifying commits share",
        &sql,
    )
}

/// Returns an SQL expression that is true if those triggers exist and fire.
pub(super) fn has_notify(names: &TableNames) -> String {
    let (table, count) = (literal(&names.table()), NOTIFY.len());
    format!(
        "(SELECT count(*) = {count} FROM pg_trigger WHERE tgrelid = to_regclass({table})
          AND tgname IN ('{}') AND tgenabled IN ('O', 'A'))",
        NOTIFY.map(|(name, _)| name).join("', '")
    )
}

/// The channel of [`ended`], and its trigger's name.
pub(super) const ENDED: &str = "cloakroom_ended";

/// Builds a trigger that notifies of ends alone, so that a save costs nothing more; its payload is a hash as
/// above.
pub(super) fn ended(names: &TableNames) -> Ddl {
    let function = names.qualified(&names.derived("cloakroom_", "_ended"));
    let body = format!(
        "BEGIN
    IF TG_OP = 'DELETE' OR OLD.sid <> NEW.sid OR NEW.expire::timestamptz <= now() THEN
        PERFORM pg_notify('{ENDED}', encode(sha256(convert_to(OLD.sid::text, 'UTF8')), 'hex'));
    END IF;
    RETURN NULL;
END
"
    );
    let mut sql = trigger_function(&function, &body);
    sql += &trigger(
        names,
        ENDED,
        "AFTER DELETE OR UPDATE OF sid, expire",
        &function,
    );
    Ddl::new(
        "ended",
        "tells listeners on the channel `cloakroom_ended` the SHA-256 of each id whose session \
                  ended, for `notify_ends`; a commit that ends sessions then takes a lock that all \
                  notifying commits share",
        &sql,
    )
}

fn trigger(names: &TableNames, name: &str, when: &str, function: &str) -> String {
    let table = names.table();
    let relation = literal(&table);
    let each = if when == "AFTER TRUNCATE" {
        "STATEMENT"
    } else {
        "ROW"
    };
    let create = format!(
        "BEGIN
    IF NOT EXISTS (SELECT FROM pg_trigger
                   WHERE tgrelid = to_regclass({relation}) AND tgname = '{name}') THEN
        CREATE TRIGGER {name} {when} ON {table} FOR EACH {each} EXECUTE FUNCTION {function}();
    END IF;
END
"
    );
    format!("DO {};\n", body(&create))
}

/// Returns statements between dollar quotes that do not occur in them.
fn body(statements: &str) -> String {
    let mut quote = "$cloakroom$".to_owned();
    while statements.contains(&quote) {
        quote.insert(1, '_');
    }
    format!("{quote}\n{statements}{quote}")
}
