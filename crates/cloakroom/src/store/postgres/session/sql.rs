//! The statements, written once for a table.
//!
//! Instants become times through `to_timestamp`, as with connect-pg-simple, so that the connection's
//! `TimeZone` reads and writes `expire` alike on both sides. A row is live by its rule: `expire` is not
//! before the next whole second. `$2` is the process's now throughout, in milliseconds.

use std::time::Duration;

use super::retired::{self, PRUNED_AT_ONCE, RetiredSql};
use super::sid::Sid;
use super::time::ServerTime;
use super::transfer::{TransferSql, is_retired};
use crate::store::postgres::names::TableNames;

/// The mark of a row whose user the index cannot tell.
pub(crate) const UNINDEXABLE: &str = r"E'\x01unindexable'";
/// Time that a tombstone stands: longer than a request of Express's that may resurrect a session.
const TOMBSTONE_GRACE: Duration = Duration::from_mins(15);

/// The type of the column `sess`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    /// Keeps a text as it is.
    Json,
    /// Keeps its values, and serializes them again.
    Jsonb,
}

impl Column {
    pub(crate) fn name(self) -> &'static str {
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

/// The type of the column `expire`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expire {
    /// Without a time zone: the connection's applies.
    Local,
    Zoned,
}

impl Expire {
    fn name(self) -> &'static str {
        match self {
            Self::Local => "timestamp",
            Self::Zoned => "timestamptz",
        }
    }
}

/// The properties of a table and its database, and the settings for their use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, each asked for by name"
)]
pub(crate) struct Layout {
    pub(crate) sid: Sid,
    pub(crate) column: Column,
    pub(crate) expire: Expire,
    pub(crate) mixed_fleet: bool,
    /// `true` if there is a table of retired ids.
    pub(crate) retires: bool,
    /// `true` if the process's clock is one that a test sets.
    pub(crate) is_set: bool,
    /// `true` if statements set their own lock time-out; otherwise the URL sets it.
    pub(crate) is_brief: bool,
}

/// Time that a statement waits for a row that others hold, before it gives its connection back and is sent
/// again later. The setting ends with the statement.
const BRIEFLY: &str = " AND (SELECT set_config('lock_timeout', '100ms', true)) IS NOT NULL";

/// The statements of every operation.
#[derive(Debug)]
pub(crate) struct Sql {
    /// `$1` sid.
    pub(crate) get: String,
    /// `$1` sids; each row ends with its sid's position among them, from 1.
    pub(crate) get_many: String,
    /// `$1` sids; returns those that are live, and until when.
    pub(crate) living: String,
    /// `$1` sid, `$3` text, `$4` expire; no row if the id is taken.
    pub(crate) create: String,
    /// `$1` sid, `$3` text, `$4` expire, `$5` the text that was read; no row if the stored one differs.
    pub(crate) update: String,
    /// `$1` sid, `$3` expire; no row if none is live.
    pub(crate) touch: String,
    /// `$1` sid; returns whether the row was live.
    pub(crate) destroy: String,
    /// `$1` old sid, `$3` new sid, `$4` text, `$5` expire, `$6` the text that was read; where ids are
    /// retired also `$7` the reason.
    pub(crate) replace_read: String,
    /// `replace` without the text that was read, whatever became of the old row. Where ids are retired, `$6`
    /// is the reason.
    pub(crate) replace_any: String,
    /// The statements for retired ids, where there is a table for them.
    pub(crate) retired: Option<RetiredSql>,
    /// `$1` the limit.
    pub(crate) scan_first: String,
    /// `$1` the limit, `$3` the last sid of the page before.
    pub(crate) scan_next: String,
    pub(crate) transfer: TransferSql,
    /// No `$1`.
    pub(crate) count: String,
    /// `$1` now; returns the number of deleted rows.
    pub(crate) prune: String,
    /// `$1` now, `$2` the name of the lock; deletes nothing if another process holds it.
    pub(crate) prune_alone: String,
    /// `$1` now; deletes expired tombstones, and rows that were written under them.
    pub(crate) prune_tombs: Option<String>,
    /// Returns all live rows.
    pub(crate) all: String,
    /// `$1` sids; returns those live rows.
    pub(crate) read_many: String,
    /// `$1` sids, `$3` the texts that were read; returns whether each was live, no row for one that was
    /// changed.
    pub(crate) destroy_read: String,
}

/// The statements that use the index of users.
#[derive(Debug)]
pub(crate) struct UserSql {
    /// `$1` user.
    pub(crate) of_user: String,
    /// `$1` user, `$3` the sid to keep; returns how many live ones were deleted, how many slipped away
    /// meanwhile, and the rows that must be read.
    pub(crate) destroy_by_user: String,
}

impl Sql {
    pub(crate) fn new(names: &TableNames, layout: Layout) -> Self {
        let Layout { sid, column, .. } = layout;
        let table = names.table();
        let shape = Shape::new(names, layout);
        let (one, each) = (sid.value("$1"), sid.values("$1"));
        let time = ServerTime::told("$2", layout.is_set);
        let first = ServerTime::told("$1", layout.is_set);
        let (live, expires) = (shape.live(&time), time.expires());
        let same = column.same("$6");
        let destroy = |condition: &str| {
            let gone = shape.gone(condition, &time);
            format!("WITH {gone} SELECT live FROM gone")
        };
        let notes = layout.retires.then(|| names.retired());
        let replace = |condition: &str, only: &str, noted: String| {
            let gone = shape.gone(condition, &time);
            let put = shape.put_or_fail(&column.value("$4"), only, &time);
            format!("WITH {gone}{noted}, new AS ({put}) SELECT true FROM new")
        };
        let note_read = notes
            .as_deref()
            .map(|notes| retired::note_of_gone(notes, &time));
        let note_any = notes
            .as_deref()
            .map(|notes| retired::note_unless_retired(notes, &time));
        let only_noted = match &notes {
            // An id that no table can hold is replaced every time.
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
                "SELECT s.sess::text, {expires} FROM {table} AS s WHERE s.sid = {sid} AND {live}"
            )
        };
        Self {
            get: get(&one),
            // As if one were asked for after the other: an index scan for each, however small the table. The
            // inner SELECT keeps the planner from replanning by their number, LIMIT from joining them all.
            get_many: format!(
                "SELECT s.*, k.place FROM unnest((SELECT $1::text[])) WITH ORDINALITY AS k (sid, place),
                 LATERAL ({} LIMIT 1) AS s",
                get(&sid.value("k.sid"))
            ),
            living: format!(
                "SELECT s.sid::text, {expires} FROM {table} AS s
                 WHERE s.sid = ANY({each}) AND {live}"
            ),
            create: shape.create(&column.value("$3"), "", &time),
            update: shape.update(column, "", &time),
            touch: shape.touch(layout.expire, &time),
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
            retired: notes.as_deref().map(|notes| {
                RetiredSql::new(notes, &shape.gone(&format!("s.sid = {one}"), &time), layout.is_set)
            }),
            scan_first: scan(""),
            scan_next: scan(&format!(" AND s.sid > {}", sid.value("$3"))),
            transfer: shape.transfer(layout, notes.as_deref(), &time),
            count: format!(
                "SELECT count(*) FROM {table} AS s WHERE {}",
                shape.live(&first)
            ),
            prune: shape.prune("", "true", &first),
            prune_alone: shape.prune(
                "lock AS MATERIALIZED
                 (SELECT pg_try_advisory_xact_lock(hashtextextended($2::text, 0)) AS held), ",
                "(SELECT held FROM lock)",
                &first,
            ),
            prune_tombs: (shape.tombs.as_ref()).map(|tombs| shape.prune_tombs(tombs, &first)),
            all: format!(
                "SELECT s.sid::text, s.sess::text FROM {table} AS s WHERE {}",
                shape.live(&first)
            ),
            read_many: format!(
                "SELECT s.sid::text, s.sess::text FROM {table} AS s
                 WHERE s.sid = ANY({each}) AND {live}"
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
    pub(crate) fn new(names: &TableNames, layout: Layout, function: &str) -> Self {
        let table = names.table();
        let shape = Shape::new(names, layout);
        let time = ServerTime::told("$2", layout.is_set);
        let live = shape.live(&time);
        let of = |value: &str| {
            format!(
                "SELECT s.sid::text, s.sess::text FROM {table} AS s WHERE {function}(s.sess) = {value} AND {live}"
            )
        };
        let kept = layout.sid.value("$3");
        let theirs = format!("{function}(s.sess) = $1::text AND s.sid IS DISTINCT FROM {kept}");
        let gone = shape.gone(&theirs, &time);
        Self {
            of_user: format!("{} UNION ALL {}", of("$1::text"), of(UNINDEXABLE)),
            // All parts see the table at one instant. A row that is counted but not deleted was changed by
            // others while this waited for them.
            destroy_by_user: format!(
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
    /// Part of a condition: the statement waits for no row for long.
    briefly: &'static str,
}

impl Shape {
    fn new(names: &TableNames, layout: Layout) -> Self {
        Self {
            table: names.table(),
            sid: layout.sid,
            tombs: layout.mixed_fleet.then(|| names.tombs()),
            briefly: if layout.is_brief { BRIEFLY } else { "" },
        }
    }

    fn live(&self, time: &ServerTime) -> String {
        let unexpired = format!("s.expire >= {}", time.second());
        match &self.tombs {
            Some(tombs) => {
                format!(
                    "{unexpired} AND NOT EXISTS (SELECT FROM {tombs} AS d WHERE d.sid = s.sid::text)"
                )
            }
            None => unexpired,
        }
    }

    /// Deletes rows as the table `gone`, and sets tombstones for the ids of those that were live.
    fn gone(&self, condition: &str, time: &ServerTime) -> String {
        let Self { table, briefly, .. } = self;
        let live = self.live(time);
        let gone = format!(
            "gone AS (DELETE FROM {table} AS s WHERE {condition}{briefly}
             RETURNING s.sid::text, ({live}) AS live)"
        );
        let Some(tombs) = &self.tombs else {
            return gone;
        };
        format!(
            "{gone}, tomb AS (INSERT INTO {tombs} (sid, until)
             SELECT sid, {} FROM gone WHERE live
             ON CONFLICT (sid) DO UPDATE SET until = excluded.until)",
            time.after(TOMBSTONE_GRACE.as_millis())
        )
    }

    /// Inserts a row, `unless` more conditions do not hold.
    fn create(&self, text: &str, unless: &str, time: &ServerTime) -> String {
        let Self { table, briefly, .. } = self;
        let sid = self.sid.value("$1");
        let unmarked = self.tombs.as_ref().map_or(String::new(), |tombs| {
            format!(" AND NOT EXISTS (SELECT FROM {tombs} AS d WHERE d.sid = $1::text)")
        });
        format!(
            "INSERT INTO {table} AS s (sid, sess, expire)
             SELECT {sid}, {text}, to_timestamp({}) WHERE true{unmarked}{unless}{briefly}
             ON CONFLICT (sid) DO UPDATE SET sess = excluded.sess, expire = excluded.expire
             WHERE s.expire < {} RETURNING true",
            time.seconds_of("$4"),
            time.second()
        )
    }

    /// Updates a row that has the text that was read, and meets more conditions.
    fn update(&self, column: Column, only: &str, time: &ServerTime) -> String {
        let Self { table, briefly, .. } = self;
        format!(
            "UPDATE {table} AS s SET sess = {}, expire = to_timestamp({})
             WHERE s.sid = {} AND {} AND {}{only}{briefly} RETURNING true",
            column.value("$3"),
            time.seconds_of("$4"),
            self.sid.value("$1"),
            self.live(time),
            column.same("$5"),
        )
    }

    /// Touches a row. A touch that a crash loses is no loss; the setting ends with the statement. It never
    /// shortens a life.
    fn touch(&self, expire: Expire, time: &ServerTime) -> String {
        let Self { table, briefly, .. } = self;
        format!(
            "WITH lazily AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
             UPDATE {table} AS s SET expire = greatest(s.expire, to_timestamp({})::{}) FROM lazily
             WHERE s.sid = {} AND {}{briefly} RETURNING true",
            time.seconds_of("$3"),
            expire.name(),
            self.sid.value("$1"),
            self.live(time),
        )
    }

    /// Stores `$3`, or fails by a division by zero if that id is taken: the statement's deletion is then
    /// rolled back.
    fn put_or_fail(&self, text: &str, only: &str, time: &ServerTime) -> String {
        let (table, sid) = (&self.table, self.sid.value("$3"));
        let (expire, second) = (time.seconds_of("$5"), time.second());
        let unmarked = self.tombs.as_ref().map_or(String::new(), |tombs| {
            format!(" / (NOT EXISTS (SELECT FROM {tombs} AS d WHERE d.sid = $3::text))::int")
        });
        format!(
            "INSERT INTO {table} AS s (sid, sess, expire)
             SELECT {sid}, {text}, to_timestamp({expire}{unmarked}){only}
             ON CONFLICT (sid) DO UPDATE SET sess = excluded.sess,
             expire = to_timestamp({expire} / (s.expire < {second})::int)
             RETURNING true"
        )
    }

    /// Writes the statements about records in bulk; `notes` is the table of retired ids.
    fn transfer(&self, layout: Layout, notes: Option<&str>, time: &ServerTime) -> TransferSql {
        let Layout { sid, column, .. } = layout;
        let (table, live, expires) = (&self.table, self.live(time), time.expires());
        let scan = |after: &str| {
            format!(
                "SELECT s.sess::text, {expires}, s.sid::text FROM {table} AS s WHERE {live}{after}
                 ORDER BY s.sid LIMIT $1::int8"
            )
        };
        let retired = notes.map(|notes| is_retired(notes, time));
        let unless = retired.as_ref();
        let unless = unless.map_or(String::new(), |retired| format!(" AND NOT {retired}"));
        let latest = format!(" AND s.expire <= to_timestamp({})", time.seconds_of("$6"));
        TransferSql {
            scan_first: scan(""),
            scan_next: scan(&format!(" AND s.sid > {}", sid.value("$3"))),
            put_absent: self.create(&column.value("$3"), &unless, time),
            put_unchanged: self.update(column, &latest, time),
            delete_retired: retired.map(|retired| {
                let condition = format!("s.sid = {} AND {retired}", sid.value("$1"));
                format!("WITH {} SELECT live FROM gone", self.gone(&condition, time))
            }),
        }
    }

    fn prune(&self, lock: &str, held: &str, time: &ServerTime) -> String {
        let (table, second) = (&self.table, time.second());
        format!(
            "WITH {lock}old AS MATERIALIZED
             (SELECT s.sid FROM {table} AS s WHERE s.expire < {second} AND {held}
              LIMIT {PRUNED_AT_ONCE} FOR UPDATE OF s SKIP LOCKED),
             gone AS (DELETE FROM {table} AS s USING old WHERE s.sid = old.sid RETURNING true)
             SELECT count(*) FROM gone"
        )
    }

    fn prune_tombs(&self, tombs: &str, time: &ServerTime) -> String {
        let Self { table, briefly, .. } = self;
        // A tombstone may be older than the column's type, and hold an id that the type does not allow.
        let marked = match self.sid {
            Sid::Uuid => "CASE WHEN due.sid ~ '^[0-9a-f-]{36}$' THEN due.sid::uuid END".to_owned(),
            sid @ (Sid::Text | Sid::Char) => sid.value("due.sid"),
        };
        format!(
            "WITH due AS (DELETE FROM {tombs} WHERE until <= {}{briefly} RETURNING sid)
             DELETE FROM {table} AS s USING due WHERE s.sid = {marked}",
            time.second()
        )
    }
}
