//! The state of the database, inspected when the store connects.

use tokio_postgres::Row;

use super::connection::error::QueryError;
use super::names::TableNames;
use super::options::PostgresOptions;
use super::session::sid::Sid;
use super::session::sql::{Column, Expire, Layout};
use super::{PostgresInner, ddl};
use crate::clock::Timestamp;
use crate::store::{StoreErrorKind, skew};

/// The oldest server whose SQL has everything that the statements use.
const OLDEST: i32 = 120_000;

const CHECK: &str = r#"
SELECT current_setting('server_version_num')::int4 AS version,
       ($2::text IS NULL OR EXISTS (SELECT FROM pg_namespace WHERE nspname = $2::text)) AS schema,
       c.oid IS NOT NULL AS "table",
       c.relkind IN ('v', 'm') AS view,
       (SELECT typname::text FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
        WHERE attrelid = c.oid AND attname = 'sid' AND NOT attisdropped) AS sid,
       (SELECT typname::text FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
        WHERE attrelid = c.oid AND attname = 'sess' AND NOT attisdropped) AS sess,
       (SELECT typname::text FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
        WHERE attrelid = c.oid AND attname = 'expire' AND NOT attisdropped) AS expire,
       EXISTS (SELECT FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid
               WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate
               AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum AND a.attname = 'sid'
               AND i.indpred IS NULL) AS "unique",
       coalesce(has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT') AND
                has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'), true)
                AS allowed,
       coalesce(has_table_privilege(c.oid, 'SELECT'), true) AS readable,
       to_regclass($3::text) IS NOT NULL AS tombs,
       coalesce(has_table_privilege(to_regclass($4::text), 'SELECT') AND
                has_table_privilege(to_regclass($4::text), 'INSERT') AND
                has_table_privilege(to_regclass($4::text), 'UPDATE') AND
                has_table_privilege(to_regclass($4::text), 'DELETE'), false) AS retires,
       EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND tgname = 'cloakroom_ended') AS ended,
       HAS_NOTIFY AS notify,
       (date_part('epoch', clock_timestamp()) * 1000)::int8 AS clock,
       least((SELECT nullif(rolconnlimit, -1) FROM pg_roles
              WHERE rolname = session_user AND NOT rolsuper),
             (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database()),
             current_setting('max_connections')::int4 -
             current_setting('superuser_reserved_connections')::int4) AS connections
FROM (SELECT to_regclass($1::text) AS oid) AS found LEFT JOIN pg_class AS c ON c.oid = found.oid
"#;

/// The state of the table as it was found.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that may be missing"
)]
pub(super) struct FoundSchema {
    pub(super) version: i32,
    schema: bool,
    pub(super) table: bool,
    /// It is a view, which has neither rows nor a key of its own.
    view: Option<bool>,
    sid: Option<String>,
    sess: Option<String>,
    expire: Option<String>,
    unique: bool,
    pub(super) allowed: bool,
    readable: bool,
    pub(super) tombs: bool,
    retires: bool,
    ended: bool,
    notify: bool,
    pub(super) clock: Timestamp,
    pub(super) connections: i32,
}

/// A table that can be used.
pub(super) struct Ready {
    pub(super) sid: Sid,
    pub(super) column: Column,
    pub(super) expire: Expire,
    /// `true` if it did not exist before.
    pub(super) created: bool,
    /// `true` if the database notifies of changes.
    pub(super) notifies: bool,
    /// `true` if retired ids are remembered for a while.
    pub(super) retires: bool,
    /// Number of connections that the server grants the role, in all processes.
    pub(super) connections: usize,
}

impl Ready {
    /// Returns a layout as it was found.
    pub(super) fn fit(&self, layout: Layout) -> Layout {
        Layout {
            sid: self.sid,
            column: self.column,
            expire: self.expire,
            retires: self.retires,
            ..layout
        }
    }
}

/// Inspects the table, and creates it if that is allowed and needed; likewise that of retired ids, which the
/// store can do without.
pub(super) async fn prepare(
    inner: &PostgresInner,
    options: &PostgresOptions,
) -> Result<Ready, QueryError> {
    let mut ready = prepare_table(inner, options).await?;
    if !ready.retires && options.create_table {
        ready.retires = create_retired(inner).await?;
    }
    if !ready.retires && !options.read_only {
        tracing::warn!(
            table = inner.names.retired(),
            "the table of retired ids is missing, or the role may not use it: late requests of visitors \
             who have just signed in or out may get sessions of their own; run the statements `retired` of \
             PostgresStore::ddl as the owner, GRANT SELECT, INSERT, UPDATE, DELETE on it, and connect \
             again"
        );
    }
    Ok(ready)
}

/// Creates the table of retired ids; `false` if the server refuses, because the role may not have the right
/// to create.
async fn create_retired(inner: &PostgresInner) -> Result<bool, QueryError> {
    match inner.run_batch(&ddl::retired(&inner.names).sql).await {
        Ok(()) => Ok(look(inner).await?.retires),
        Err(fault) if fault.code.is_some() => Ok(false),
        Err(fault) => Err(fault),
    }
}

async fn prepare_table(
    inner: &PostgresInner,
    options: &PostgresOptions,
) -> Result<Ready, QueryError> {
    let names = &inner.names;
    let asked = inner.clock.now();
    let found = look(inner).await?;
    skew::warn("PostgreSQL", &inner.clock, asked, found.clock);
    let missing = found.missing(names, options);
    if missing.is_empty() || !options.create_table {
        return found.check(names, options);
    }
    let created = !found.table;
    inner.run_batch(&missing.concat()).await?;
    let ready = look(inner).await?.check(names, options)?;
    Ok(Ready { created, ..ready })
}

pub(super) async fn look(inner: &PostgresInner) -> Result<FoundSchema, QueryError> {
    let names = &inner.names;
    let (table, tombs, retired) = (names.table(), names.tombs(), names.retired());
    let check = CHECK.replace("HAS_NOTIFY", &ddl::has_notify(names));
    let rows = inner
        .read(&check, &[&table, &names.schema(), &tombs, &retired])
        .await?;
    rows.first()
        .and_then(|row| FoundSchema::read(row).ok())
        .ok_or_else(|| QueryError::new(StoreErrorKind::Unavailable, "the catalog cannot be read"))
}

impl FoundSchema {
    fn read(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            version: row.try_get("version")?,
            schema: row.try_get("schema")?,
            table: row.try_get("table")?,
            view: row.try_get("view")?,
            sid: row.try_get("sid")?,
            sess: row.try_get("sess")?,
            expire: row.try_get("expire")?,
            unique: row.try_get("unique")?,
            allowed: row.try_get("allowed")?,
            readable: row.try_get("readable")?,
            tombs: row.try_get("tombs")?,
            retires: row.try_get("retires")?,
            ended: row.try_get("ended")?,
            notify: row.try_get("notify")?,
            clock: Timestamp::from_millis(row.try_get("clock")?),
            connections: row.try_get("connections")?,
        })
    }

    /// Returns the statements that create missing objects.
    fn missing(&self, names: &TableNames, options: &PostgresOptions) -> Vec<String> {
        let mut missing = Vec::new();
        if self.version < OLDEST || !self.schema || self.view == Some(true) {
            return missing;
        }
        if !self.table {
            missing.push(ddl::table(names).sql);
            missing.push(ddl::user_index(names, &options.user_keys).sql);
        }
        if options.mixed_fleet && !self.tombs {
            missing.push(ddl::tombs(names).sql);
        }
        if options.notify_ends && !self.ended {
            missing.push(ddl::ended(names).sql);
        }
        if options.notify_changes && !self.notify {
            missing.push(ddl::notify(names).sql);
        }
        missing
    }

    pub(super) fn check(
        &self,
        names: &TableNames,
        options: &PostgresOptions,
    ) -> Result<Ready, QueryError> {
        let wrong = |text: String| Err(QueryError::new(StoreErrorKind::Invalid, text));
        let table = names.table();
        if self.version < OLDEST {
            return wrong("the server is older than PostgreSQL 12: update it".to_owned());
        }
        if !self.schema {
            return wrong(format!(
                "there is no schema for the table {table}: create it"
            ));
        }
        if !self.table {
            return wrong(format!(
                "the table {table} is missing: run the statements `table` of PostgresStore::ddl, or \
                 let create_table be true"
            ));
        }
        if self.view == Some(true) {
            return wrong(format!(
                "{table} is a view, which has no unique key: give the name of the table behind it"
            ));
        }
        let sid = self.sid.as_deref().and_then(Sid::named);
        if sid.is_none() {
            has_type(&table, "sid", self.sid.as_deref(), &["varchar"])?;
        }
        has_type(&table, "sess", self.sess.as_deref(), &["json", "jsonb"])?;
        has_type(
            &table,
            "expire",
            self.expire.as_deref(),
            &["timestamp", "timestamptz"],
        )?;
        if !self.unique {
            return wrong(format!(
                "the column sid of {table} is not unique: ALTER TABLE {table} ADD PRIMARY KEY (sid)"
            ));
        }
        if options.read_only && !self.readable {
            return wrong(format!(
                "the role may not read {table}: GRANT SELECT ON {table} to it"
            ));
        }
        if !options.read_only && !self.allowed {
            return wrong(format!(
                "the role may not use {table}: GRANT SELECT, INSERT, UPDATE, DELETE ON {table} to it"
            ));
        }
        if options.mixed_fleet && !self.tombs {
            return wrong(format!(
                "the table {} is missing: run the statements `tombstones` of PostgresStore::ddl, or \
                 let create_table be true",
                names.tombs()
            ));
        }
        if options.notify_ends && !self.ended {
            return wrong(format!(
                "the trigger cloakroom_ended of {table} is missing: run the statements `ended` of \
                 PostgresStore::ddl, or let create_table be true"
            ));
        }
        if options.notify_changes && !self.notify {
            return wrong(format!(
                "the triggers cloakroom_notify… of {table} are missing or do not fire: run the \
                 statements `notify` of PostgresStore::ddl, or let create_table be true"
            ));
        }
        let column = match self.sess.as_deref() {
            Some("jsonb") => Column::Jsonb,
            _ => Column::Json,
        };
        let expire = match self.expire.as_deref() {
            Some("timestamptz") => Expire::Zoned,
            _ => Expire::Local,
        };
        Ok(Ready {
            sid: sid.unwrap_or(Sid::Text),
            column,
            expire,
            created: false,
            notifies: self.notify,
            retires: self.retires,
            connections: usize::try_from(self.connections).unwrap_or(0).max(1),
        })
    }
}

fn has_type(
    table: &str,
    column: &str,
    found: Option<&str>,
    right: &[&str],
) -> Result<(), QueryError> {
    let text = match found {
        Some(kind) if right.contains(&kind) => return Ok(()),
        Some(kind) => format!(
            "the column {column} of {table} has the type {kind}: ALTER TABLE {table} ALTER COLUMN \
             {column} TYPE {0} USING {column}::{0}",
            right[0]
        ),
        None => format!(
            "the table {table} has no column {column}: it is no table of sessions, give another name"
        ),
    };
    Err(QueryError::new(StoreErrorKind::Invalid, text))
}
