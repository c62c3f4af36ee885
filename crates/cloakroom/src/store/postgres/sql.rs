//! The statements, written once for a table.
//!
//! Instants go in as seconds through `to_timestamp`, as connect-pg-simple sends them, so that the
//! connection's `TimeZone` reads and writes `expire` alike on both sides. A row is live by its rule:
//! `expire` is not before the next whole second. `$2` is that second throughout.

use super::names::Names;
use super::retired::{self, RetiredSql};
use super::sid::Sid;

/// How a row is known as one whose user the index cannot tell.
pub(super) const UNINDEXABLE: &str = r"E'\x01unindexable'";
/// How many rows one step of pruning deletes: others write between the steps.
pub(super) const PRUNED_AT_ONCE: u64 = 1000;

/// The type of the column `sess`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// Keeps a text as it is.
    Json,
    /// Keeps its values, and writes them out anew.
    Jsonb,
}

impl Column {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Jsonb => "jsonb",
        }
    }

    fn value(self, parameter: &str) -> String {
        format!("{parameter}::text::{}", self.name())
    }

    fn same(self, parameter: &str) -> String {
        match self {
            // `json` has no equality of its own.
            Self::Json => format!("s.sess::text = {parameter}::text"),
            Self::Jsonb => format!("s.sess = {parameter}::text::jsonb"),
        }
    }
}

/// The statements of every operation.
#[derive(Debug)]
pub(super) struct Sql {
    /// `$1` sid.
    pub(super) get: String,
    /// `$1` sids; each row ends with its sid's place among them, from 1.
    pub(super) get_many: String,
    /// `$1` sids: those that live, and until when.
    pub(super) living: String,
    /// `$1` sid, `$3` text, `$4` expire; no row where the id is taken.
    pub(super) create: String,
    /// `$1` sid, `$3` text, `$4` expire, `$5` the text that was read; no row where it is another.
    pub(super) update: String,
    /// `$1` sid, `$3` expire; no row where none is live.
    pub(super) touch: String,
    /// `$1` sid; whether the row was live.
    pub(super) destroy: String,
    /// `$1` old sid, `$3` new sid, `$4` text, `$5` expire, `$6` the text that was read; where ids are
    /// retired also `$7` the reason, `$8` until when.
    pub(super) replace_read: String,
    /// The same without the text that was read: whatever became of the old row. Where ids are retired
    /// `$6` is the reason, `$7` until when, `$8` now.
    pub(super) replace_any: String,
    /// What else is done with retired ids, where there is a table for them.
    pub(super) retired: Option<RetiredSql>,
    /// `$1` how many.
    pub(super) scan_first: String,
    /// `$1` how many, `$3` the last sid of the page before.
    pub(super) scan_next: String,
    /// No `$1`.
    pub(super) count: String,
    /// `$1` now; how many rows went.
    pub(super) prune: String,
    /// `$1` now, `$2` the name of the lock; nothing goes where another holds it.
    pub(super) prune_alone: String,
    /// `$1` now: marks that have stood long enough, and what was written under them.
    pub(super) prune_tombs: Option<String>,
    /// All live rows.
    pub(super) all: String,
    /// `$1` sids: those live rows.
    pub(super) read_many: String,
    /// `$1` sids, `$3` the texts that were read; whether each was live, no row for one that was changed.
    pub(super) destroy_read: String,
}

/// The statements that use the index of users.
#[derive(Debug)]
pub(super) struct UserSql {
    /// `$1` user.
    pub(super) of_user: String,
    /// `$1` user, `$3` the sid to keep: how many live ones went, how many slipped away meanwhile, and
    /// the rows to be looked at.
    pub(super) destroy_of_user: String,
}

const EXPIRES: &str = "date_part('epoch', s.expire::timestamptz)";

impl Sql {
    pub(super) fn new(
        names: &Names,
        sid: Sid,
        column: Column,
        mixed_fleet: bool,
        retires: bool,
    ) -> Self {
        let table = names.table();
        let shape = Shape::new(names, sid, mixed_fleet);
        let (one, each) = (sid.value("$1"), sid.values("$1"));
        let live = shape.live("$2");
        let same = column.same("$6");
        let destroy = |condition: &str| {
            let gone = shape.gone(condition, "$2");
            format!("WITH {gone} SELECT live FROM gone")
        };
        let notes = retires.then(|| names.retired());
        let replace = |condition: &str, only: &str, noted: String| {
            let gone = shape.gone(condition, "$2");
            let put = shape.put_or_fail(&column.value("$4"), only);
            format!("WITH {gone}{noted}, new AS ({put}) SELECT true FROM new")
        };
        let note_read = notes.as_deref().map(retired::note_of_gone);
        let note_any = notes.as_deref().map(retired::note_unless_retired);
        let only_noted = match &notes {
            // An id that no table holds is replaced every time.
            Some(_) => " WHERE $1::text IS NULL OR EXISTS (SELECT FROM noted)",
            None => "",
        };
        let scan = |after: &str| {
            format!(
                "SELECT s.sid::text FROM {table} AS s WHERE {live}{after} ORDER BY s.sid LIMIT $1::int8"
            )
        };
        let get = |sid: &str| {
            format!(
                "SELECT s.sess::text, {EXPIRES} FROM {table} AS s WHERE s.sid = {sid} AND {live}"
            )
        };
        Self {
            get: get(&one),
            // As if one were asked for after the other: a look into the index for each, however small
            // the table. The inner SELECT keeps the planner from planning anew by their number, LIMIT
            // from joining them all.
            get_many: format!(
                "SELECT s.*, k.place FROM unnest((SELECT $1::text[])) WITH ORDINALITY AS k (sid, place),
                 LATERAL ({} LIMIT 1) AS s",
                get(&sid.value("k.sid"))
            ),
            living: format!(
                "SELECT s.sid::text, {EXPIRES} FROM {table} AS s
                 WHERE s.sid = ANY({each}) AND {live}"
            ),
            create: shape.create(&column.value("$3")),
            update: format!(
                "UPDATE {table} AS s SET sess = {}, expire = to_timestamp($4::float8)
                 WHERE s.sid = {one} AND {live} AND {} RETURNING true",
                column.value("$3"),
                column.same("$5"),
            ),
            // A touch that a crash loses is no loss; the setting ends with the statement.
            touch: format!(
                "WITH lazily AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
                 UPDATE {table} AS s SET expire = to_timestamp($3::float8) FROM lazily
                 WHERE s.sid = {one} AND {live} RETURNING true"
            ),
            destroy: destroy(&format!("s.sid = {one}")),
            replace_read: replace(
                &format!("s.sid = {one} AND {live} AND {same}"),
                " FROM gone",
                note_read.unwrap_or_default(),
            ),
            replace_any: replace(
                &format!("s.sid = {one}"),
                only_noted,
                note_any.unwrap_or_default(),
            ),
            retired: notes.map(|notes| {
                RetiredSql::new(&notes, &shape.gone(&format!("s.sid = {one}"), "$2"))
            }),
            scan_first: scan(""),
            scan_next: scan(&format!(" AND s.sid > {}", sid.value("$3"))),
            count: format!(
                "SELECT count(*) FROM {table} AS s WHERE {}",
                shape.live("$1")
            ),
            prune: shape.prune("", "true"),
            prune_alone: shape.prune(
                "lock AS MATERIALIZED
                 (SELECT pg_try_advisory_xact_lock(hashtextextended($2::text, 0)) AS held), ",
                "(SELECT held FROM lock)",
            ),
            prune_tombs: shape.tombs.as_ref().map(|tombs| prune_tombs(&table, sid, tombs)),
            all: format!(
                "SELECT s.sid::text, s.sess::text FROM {table} AS s WHERE {}",
                shape.live("$1")
            ),
            read_many: format!(
                "SELECT s.sid::text, s.sess::text FROM {table} AS s
                 WHERE s.sid = ANY({each}) AND {live} "
            ),
            destroy_read: destroy(&format!(
                "s.sid = ANY({each}) AND EXISTS
                 (SELECT FROM unnest($1::text[], $3::text[]) AS k (sid, text)
                  WHERE k.sid = s.sid::text AND k.text = s.sess::text)"
            )),
        }
    }
}

impl UserSql {
    pub(super) fn new(names: &Names, sid: Sid, mixed_fleet: bool, function: &str) -> Self {
        let table = names.table();
        let shape = Shape::new(names, sid, mixed_fleet);
        let live = shape.live("$2");
        let of = |value: &str| {
            format!(
                "SELECT s.sid::text, s.sess::text FROM {table} AS s WHERE {function}(s.sess) = {value} AND {live}"
            )
        };
        let kept = sid.value("$3");
        let theirs = format!("{function}(s.sess) = $1::text AND s.sid IS DISTINCT FROM {kept}");
        let gone = shape.gone(&theirs, "$2");
        Self {
            of_user: format!("{} UNION ALL {}", of("$1::text"), of(UNINDEXABLE)),
            // All parts see the table at one instant. What is counted but not deleted was changed by
            // others while this waited for them.
            destroy_of_user: format!(
                "WITH {gone}
                 SELECT NULL::text, NULL::text, (SELECT count(*) FROM gone WHERE live),
                        (SELECT count(*) FROM {table} AS s WHERE {theirs}) - (SELECT count(*) FROM gone)
                 UNION ALL SELECT sid, sess, 0, 0 FROM ({}) AS odd",
                of(UNINDEXABLE),
            ),
        }
    }
}

/// The parts that statements share.
struct Shape {
    table: String,
    sid: Sid,
    tombs: Option<String>,
}

impl Shape {
    fn new(names: &Names, sid: Sid, mixed_fleet: bool) -> Self {
        Self {
            table: names.table(),
            sid,
            tombs: mixed_fleet.then(|| names.tombs()),
        }
    }

    fn live(&self, now: &str) -> String {
        let unexpired = format!("s.expire >= to_timestamp({now}::float8)");
        match &self.tombs {
            Some(tombs) => {
                format!(
                    "{unexpired} AND NOT EXISTS (SELECT FROM {tombs} AS d WHERE d.sid = s.sid::text)"
                )
            }
            None => unexpired,
        }
    }

    /// Deletes rows as the table `gone`, and marks the ids of those that were live.
    fn gone(&self, condition: &str, now: &str) -> String {
        let (table, live) = (&self.table, self.live(now));
        let gone = format!(
            "gone AS (DELETE FROM {table} AS s WHERE {condition} RETURNING s.sid::text, ({live}) AS live)"
        );
        let Some(tombs) = &self.tombs else {
            return gone;
        };
        format!(
            "{gone}, tomb AS (INSERT INTO {tombs} (sid, until)
             SELECT sid, to_timestamp({now}::float8) + interval '15 minutes' FROM gone WHERE live
             ON CONFLICT (sid) DO UPDATE SET until = excluded.until)"
        )
    }

    fn create(&self, text: &str) -> String {
        let (table, sid) = (&self.table, self.sid.value("$1"));
        let unmarked = self.tombs.as_ref().map_or(String::new(), |tombs| {
            format!(" WHERE NOT EXISTS (SELECT FROM {tombs} AS d WHERE d.sid = $1::text)")
        });
        format!(
            "INSERT INTO {table} AS s (sid, sess, expire)
             SELECT {sid}, {text}, to_timestamp($4::float8){unmarked}
             ON CONFLICT (sid) DO UPDATE SET sess = excluded.sess, expire = excluded.expire
             WHERE s.expire < to_timestamp($2::float8) RETURNING true"
        )
    }

    /// Stores `$3`, or fails by a division by zero where that id is taken: what the statement
    /// deleted has to be as if it had not been.
    fn put_or_fail(&self, text: &str, only: &str) -> String {
        let (table, sid) = (&self.table, self.sid.value("$3"));
        let expire = self.tombs.as_ref().map_or_else(
            || "$5::float8".to_owned(),
            |tombs| {
                format!(
                    "$5::float8 / (NOT EXISTS (SELECT FROM {tombs} AS d WHERE d.sid = $3::text))::int"
                )
            },
        );
        format!(
            "INSERT INTO {table} AS s (sid, sess, expire)
             SELECT {sid}, {text}, to_timestamp({expire}){only}
             ON CONFLICT (sid) DO UPDATE SET sess = excluded.sess,
             expire = to_timestamp($5::float8 / (s.expire < to_timestamp($2::float8))::int)
             RETURNING true"
        )
    }

    fn prune(&self, lock: &str, held: &str) -> String {
        let table = &self.table;
        format!(
            "WITH {lock}old AS MATERIALIZED
             (SELECT s.sid FROM {table} AS s WHERE s.expire < to_timestamp($1::float8) AND {held}
              LIMIT {PRUNED_AT_ONCE} FOR UPDATE OF s SKIP LOCKED),
             gone AS (DELETE FROM {table} AS s USING old WHERE s.sid = old.sid RETURNING true)
             SELECT count(*) FROM gone"
        )
    }
}

fn prune_tombs(table: &str, sid: Sid, tombs: &str) -> String {
    // A mark may be older than the column's type, and name what that does not hold.
    let marked = match sid {
        Sid::Uuid => "CASE WHEN due.sid ~ '^[0-9a-f-]{36}$' THEN due.sid::uuid END".to_owned(),
        Sid::Text | Sid::Char => sid.value("due.sid"),
    };
    format!(
        "WITH due AS (DELETE FROM {tombs} WHERE until <= to_timestamp($1::float8) RETURNING sid)
         DELETE FROM {table} AS s USING due WHERE s.sid = {marked}"
    )
}
