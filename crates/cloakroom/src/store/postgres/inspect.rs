//! What PostgreSQL says of itself and of the table, for `store::inspect`: statements that read.

use std::sync::Arc;
use std::time::Instant;

use tokio_postgres::Row;

use super::connection::pooler::Pooler;
use super::connection::{connect, url};
use super::names::{TableNames, literal};
use super::options::PostgresOptions;
use super::{PostgresInner, ddl, schema};
use crate::clock::{Clock, Timestamp};
use crate::store::inspect::facts::Facts;
use crate::store::inspect::measure::{skew, time};
use crate::store::inspect::sample::{SAMPLE, Sample, Seen};
use crate::store::{StoreError, StoreOptions, UserKeys};

/// Settings of the server and the session: `(name, fact)`.
const SETTINGS: [(&str, &str); 10] = [
    ("TimeZone", "time_zone"),
    ("synchronous_commit", "synchronous_commit"),
    ("fsync", "fsync"),
    ("full_page_writes", "full_page_writes"),
    ("default_transaction_read_only", "read_only"),
    ("statement_timeout", "statement_timeout_ms"),
    ("log_statement", "log_statement"),
    ("log_parameter_max_length_on_error", "log_parameters"),
    ("autovacuum", "autovacuum"),
    ("server_version", "version"),
];

/// Rows that are counted; a larger table is judged by as many.
const COUNTED: u32 = 200_000;

/// Returns the facts about the server and the table that `url` and `options` name.
///
/// # Errors
///
/// As for [`PostgresStore::connect`](super::PostgresStore::connect), if it cannot be reached.
pub(in crate::store) async fn inspect(
    url: &str,
    options: &StoreOptions,
    keys: &UserKeys,
) -> Result<Facts, StoreError> {
    let options = PostgresOptions::of(options)
        .create_table(false)
        .user_keys(keys.clone());
    let inner = connected(url, &options).await?;
    let mut facts = Facts::new("postgres");
    facts.set("mixed_fleet", options.mixed_fleet);
    facts.set("table.name", inner.names.table());
    facts.set("pool_size", options.pool_size);
    inner.settings(&mut facts).await;
    let (asked, begin) = (Clock::System.now(), Instant::now());
    let found = schema::look(&inner).await?;
    skew(
        &mut facts,
        asked.as_millis(),
        begin.elapsed(),
        found.clock.as_millis(),
    );
    let judged = found.check(&inner.names, &options);
    facts.set(
        "table.fault",
        judged
            .err()
            .map_or(String::new(), |fault| source(&fault.into())),
    );
    facts.set("version.number", i64::from(found.version));
    facts.set("table.there", found.table);
    facts.set("table.allowed", found.allowed);
    facts.set("table.tombs", found.tombs);
    facts.set("connections.granted", i64::from(found.connections));
    facts.set("pooler", inner.pooler.is_there());
    if found.table {
        inner.table(&mut facts, &options).await;
        inner.zones(&mut facts).await;
        inner.rows(&mut facts, keys).await;
    }
    if facts.number("sample.read").is_none_or(|read| read == 0) {
        inner.elsewhere(&mut facts).await;
    }
    time(&mut facts, || async {
        inner.read("SELECT 1", &[]).await.is_ok()
    })
    .await;
    Ok(facts)
}

/// Connects, and creates nothing.
async fn connected(url: &str, options: &PostgresOptions) -> Result<PostgresInner, StoreError> {
    let server = connect::Server::new(url::read(url)?, options)?;
    let pooler = Arc::<Pooler>::default();
    let pool = connect::pool(&server, options, &pooler)?;
    let names = TableNames::new(options.schema.as_deref(), &options.table);
    let inner = PostgresInner::new(pool, pooler, server, names, false, options);
    inner.lease().await?.settle();
    Ok(inner)
}

impl PostgresInner {
    async fn row(&self, sql: &str) -> Option<Row> {
        self.read(sql, &[]).await.ok()?.into_iter().next()
    }

    async fn settings(&self, facts: &mut Facts) {
        let names = SETTINGS
            .map(|(name, _)| format!("'{}'", name.to_lowercase()))
            .join(", ");
        let sql = format!(
            "SELECT lower(name), setting::text, source::text FROM pg_settings WHERE lower(name) IN ({names})"
        );
        for row in self.read(&sql, &[]).await.unwrap_or_default() {
            let (name, value): (String, String) = (row.get(0), row.get(1));
            let fact = SETTINGS
                .iter()
                .find(|(known, _)| known.to_lowercase() == name);
            match fact {
                Some((_, fact)) if fact.ends_with("_ms") => {
                    facts.note(fact, value.parse::<i64>().ok());
                }
                Some((_, fact)) => facts.set(fact, value),
                None => {}
            }
            if name == "timezone" {
                facts.set("time_zone.source", row.get::<_, String>(2));
            }
        }
        if let Some(row) = self.row("SELECT pg_is_in_recovery()").await {
            facts.set("standby", row.get::<_, bool>(0));
        }
    }

    async fn table(&self, facts: &mut Facts, options: &PostgresOptions) {
        let table = literal(&self.names.table());
        let function = literal(&format!(
            "{}(json)",
            ddl::user_function(&self.names, &options.user_keys)
        ));
        let sql = format!(
            "SELECT c.relpersistence::text AS kept,
                    (SELECT typname::text FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
                     WHERE attrelid = c.oid AND attname = 'expire') AS expire,
                    EXISTS (SELECT FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid
                            WHERE i.indrelid = c.oid AND i.indisvalid AND i.indkey[0] = a.attnum
                            AND a.attname = 'expire') AS by_expiry,
                    to_regprocedure({function}) IS NOT NULL AS user_function,
                    EXISTS (SELECT FROM pg_index AS i JOIN pg_depend AS d ON d.objid = i.indexrelid
                            WHERE i.indrelid = c.oid AND i.indisvalid
                            AND d.refclassid = 'pg_proc'::regclass
                            AND d.refobjid IN (SELECT oid FROM pg_proc WHERE proname = {name}))
                            AS by_user,
                    EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.oid AND NOT i.indisvalid)
                            AS broken,
                    EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND tgenabled IN ('O', 'A')
                            AND tgname = 'cloakroom_shield_before') AS shield,
                    coalesce(s.n_dead_tup, 0)::int8 AS dead, coalesce(s.n_live_tup, 0)::int8 AS live
             FROM pg_class AS c LEFT JOIN pg_stat_user_tables AS s ON s.relid = c.oid
             WHERE c.oid = to_regclass({table})",
            name = literal(&ddl::user_function_name(&options.user_keys)),
        );
        let Some(row) = self.row(&sql).await else {
            return;
        };
        facts.note("table.kept", row.try_get::<_, String>("kept").ok());
        facts.note("table.expire", row.try_get::<_, String>("expire").ok());
        for (column, fact) in [
            ("by_expiry", "index.expire"),
            ("user_function", "index.user_function"),
            ("by_user", "index.user"),
            ("broken", "index.broken"),
            ("shield", "shield"),
        ] {
            facts.note(fact, row.try_get::<_, bool>(column).ok());
        }
        facts.note("rows.dead", row.try_get::<_, i64>("dead").ok());
        facts.note("rows.live", row.try_get::<_, i64>("live").ok());
    }

    /// Notes the time zones of other roles that write to the table: they decide what `expire` means for them.
    async fn zones(&self, facts: &mut Facts) {
        let table = literal(&self.names.table());
        let sql = format!(
            "WITH named AS (
                 SELECT coalesce(r.rolname, 'every role of the database')::text AS role,
                        substr(c, position('=' in c) + 1) AS zone
                 FROM pg_db_role_setting AS s CROSS JOIN unnest(s.setconfig) AS c
                 LEFT JOIN pg_roles AS r ON r.oid = s.setrole
                 WHERE c ILIKE 'timezone=%' AND s.setdatabase IN
                       (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
                 AND (s.setrole = 0 OR (r.rolcanlogin AND
                      has_table_privilege(s.setrole, to_regclass({table}), 'INSERT')))
             )
             SELECT coalesce(string_agg(role || ' has ' || zone, ', ' ORDER BY role), '') FROM named
             WHERE timestamptz '2026-01-15 12:00+00' AT TIME ZONE zone <>
                   timestamptz '2026-01-15 12:00+00' AT TIME ZONE current_setting('TimeZone')
             OR timestamptz '2026-07-15 12:00+00' AT TIME ZONE zone <>
                timestamptz '2026-07-15 12:00+00' AT TIME ZONE current_setting('TimeZone')"
        );
        let others = self.row(&sql).await;
        facts.note(
            "time_zone.others",
            others.and_then(|row| row.try_get::<_, String>(0).ok()),
        );
        // A zone of the role's own, while another role has that of the server.
        let sql = format!(
            "SELECT coalesce(string_agg(rolname::text, ', '), '') FROM pg_roles AS r
             WHERE rolcanlogin AND NOT rolsuper AND rolname <> session_user
             AND has_table_privilege(r.oid, to_regclass({table}), 'INSERT')
             AND NOT EXISTS (SELECT FROM pg_db_role_setting AS s CROSS JOIN unnest(s.setconfig) AS c
                             WHERE s.setrole = r.oid AND c ILIKE 'timezone=%')"
        );
        let roles = self.row(&sql).await;
        facts.note(
            "time_zone.plain_roles",
            roles.and_then(|row| row.try_get::<_, String>(0).ok()),
        );
    }

    async fn rows(&self, facts: &mut Facts, keys: &UserKeys) {
        let table = self.names.table();
        let sql = format!(
            "SELECT count(*), count(*) FILTER (WHERE expire::timestamptz <= now()),
                    coalesce(max(extract(epoch FROM now() - expire::timestamptz))
                             FILTER (WHERE isfinite(expire)), 0)::int8,
                    count(*) FILTER (WHERE expire IS NULL OR NOT isfinite(expire))
             FROM (SELECT expire FROM {table} LIMIT {COUNTED}) AS counted"
        );
        if let Some(row) = self.row(&sql).await {
            let names = [
                "rows.counted",
                "rows.expired",
                "rows.oldest_s",
                "rows.endless",
            ];
            for (at, name) in names.into_iter().enumerate() {
                facts.note(name, row.try_get::<_, i64>(at).ok());
            }
        }
        let now = Clock::System.now();
        let sql = format!(
            "SELECT sess::text, (extract(epoch FROM expire::timestamptz - now()) * 1000)::int8
             FROM {table} WHERE isfinite(expire) AND expire::timestamptz > now() LIMIT {SAMPLE}"
        );
        let Ok(rows) = self.read(&sql, &[]).await else {
            return;
        };
        let seen: Vec<Seen> = rows.iter().map(|row| seen(row, now)).collect();
        Sample::of(&seen, now, keys).note(facts);
    }

    /// Looks for tables like connect-pg-simple's.
    async fn elsewhere(&self, facts: &mut Facts) {
        let table = literal(&self.names.table());
        let sql = format!(
            "SELECT coalesce(string_agg('the table ' || c.oid::regclass::text, ', '), '')
             FROM pg_class AS c WHERE relkind IN ('r', 'p') AND c.oid IS DISTINCT FROM to_regclass({table})
             AND (SELECT count(*) FROM pg_attribute WHERE attrelid = c.oid AND NOT attisdropped
                  AND attname IN ('sid', 'sess', 'expire')) = 3
             AND c.reltuples <> 0"
        );
        let others = self.row(&sql).await;
        facts.note(
            "elsewhere",
            others.and_then(|row| row.try_get::<_, String>(0).ok()),
        );
    }
}

fn seen(row: &Row, now: Timestamp) -> Seen {
    let left: i64 = row.try_get(1).unwrap_or(0);
    Seen {
        text: row.try_get(0).ok(),
        expires: Some(Timestamp::from_millis(now.as_millis() + left)),
    }
}

fn source(error: &StoreError) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}
