//! Advice for the author of a store, by the rule that failed.

/// Says, while a rule's test panics, what the rule is about and where to look.
#[derive(Debug)]
pub struct Advice(&'static str);

/// Of each rule that is easily broken: what it is for, and what breaks it most often.
#[rustfmt::skip]
const ADVICE: [(&str, &str); 45] = [
    ("a_taken_id_is_refused", "`create` inserts, and fails with IdTaken where a live record is there: INSERT without ON CONFLICT UPDATE, SET NX."),
    ("expired_is_absent", "compare the expiry in every read and write, not only when pruning: a record whose time is up is not there."),
    ("an_entry_in_the_past_is_never_seen", "an entry that has expired when it comes is no error, and leaves nothing."),
    ("a_session_is_over_at_the_instant_of_its_expiry", "live is `expires > now`, everywhere: not `>=`."),
    ("update_refuses_what_changed", "`update` compares the stored text with `read` and writes in one step; on a mismatch it returns what stands as CasOutcome::Conflict."),
    ("update_never_creates", "`update` of what is not there is CasOutcome::NotFound: an UPSERT brings sessions back that were ended."),
    ("touch_never_creates_and_never_loses_a_change", "`touch` writes the expiry; the text only where the store still holds `read`."),
    ("a_touch_never_moves_an_expiry_back", "the later expiry wins: `max(stored, entry.expires)`."),
    ("touch_moves_the_expiry_after_a_change_of_another", "the expiry moves whether or not the text is still `read`."),
    ("an_update_may_shorten_a_life", "`update` sets the expiry of its entry, sooner or later."),
    ("replace_refuses_what_changed_or_went", "with `read`, `replace` compares as `update` does, and leaves both ids as they were."),
    ("replace_refuses_a_taken_id", "the new id is created, never overwritten; the old one stays where that fails."),
    ("a_retired_id_is_not_replaced_again", "without `read`, an old id that is retired is CasOutcome::NotFound."),
    ("retire_ends_a_session_and_knows_its_id", "`retire` notes the id as closed for RETIRED_FOR, whether or not there was a session."),
    ("users_who_look_alike_are_others", "compare users byte by byte: no LIKE, no prefix scan without an end, no collation that ignores case, accents or blanks."),
    ("ids_that_look_alike_are_others", "compare ids byte by byte: mind collations that ignore case, and columns that cut blanks or length."),
    ("destroy_by_user_ends_all_but_one", "it counts what it ended, and nothing but `keep` stays."),
    ("a_session_on_the_move_does_not_escape", "list again until a listing holds nothing new: a session may change its id meanwhile."),
    ("prune_tells_how_many_went", "`prune` returns the number of records that it deleted."),
    ("count_is_of_live_sessions", "`count` leaves out what has expired, although it may still be stored."),
    ("scan_keeps_to_its_limit_and_repeats_no_page", "a page has about `limit` ids, and the next begins after it: the cursor is the last id, or the database's own."),
    ("absent_until_created", "`get` of an id that nobody stored is None."),
    ("bytes_come_back_as_they_went_in", "keep the text as text: JSON that is parsed and written again loses number text, key order and lone surrogates. A store of documents says `Subject::rewriting`."),
    ("destroy_is_idempotent", "`destroy` ends the session, and says whether there was one: false the second time."),
    ("replace_moves_a_session", "after `replace` the new id has the record, and the old one nothing."),
    ("a_replaced_id_is_known_as_retired", "`replace` notes what became of the old id, for RETIRED_FOR; `retired` gives it back."),
    ("destroy_retires_no_id", "`destroy` leaves no note: only `retire` and `replace` do."),
    ("living_tells_which_sessions_live_and_until_when", "`living` answers for each id at its place, with the store's expiry."),
    ("living_leaves_out_what_expired", "`living` says None for what is absent or over."),
    ("sessions_follow_their_user", "`update` and `replace` move the index as well: out of the users who are named no more, into those who are."),
    ("prune_lets_go_of_what_expired", "`prune` takes what has expired, and nothing that lives."),
    ("scan_finds_every_live_session", "over all its pages a scan gives each session that lived all the time."),
    ("a_foreign_cursor_changes_nothing", "a cursor that cannot be read is StoreErrorKind::Invalid; it is data, never a part of a statement."),
    ("scan_records_gives_each_live_record", "a page has the records of the ids that `scan` would give, each with its stored text and expiry."),
    ("scan_records_changes_nothing", "reading a page moves no expiry and removes nothing."),
    ("put_if_absent_never_overwrites", "on `PutIf::Absent` a live record is PutOutcome::Conflict with what stands; one that expired is no record."),
    ("put_undoes_no_ending", "on `PutIf::Absent` an id for which `retired` knows a reason is PutOutcome::Retired."),
    ("put_over_a_text_compares_and_sets", "on `PutIf::Text` compare and write in one step, and set the expiry as it comes: an update, never an upsert, never `max`."),
    ("put_over_a_touched_record_is_refused", "on `PutIf::Unchanged` a stored expiry that is later than the one that was read is PutOutcome::Conflict."),
    ("a_put_in_the_past_leaves_nothing", "a record that has expired when it is put is PutOutcome::Stored, and absent."),
    ("a_put_without_end_stays", "an expiry from ENDLESS on is one without end: mind calendars that end earlier, and sums that overflow."),
    ("put_keeps_the_index_of_users", "`put` enters the users of its entry into the index, as `create` and `update` do."),
    ("of_many_puts_one_wins", "the condition is checked and the record written in one step."),
    ("no_put_revives_a_session_that_ends", "check the note of the retired id in the same step, or again after the write."),
    ("retire_as_ends_and_remembers", "`retire_as` notes the reason that it is given, or that the id is closed, and does not replace a note."),
];

impl Advice {
    /// Of the rule of this name.
    pub fn of(rule: &'static str) -> Self {
        let found = ADVICE.iter().find(|(name, _)| *name == rule);
        Self(found.map_or("", |(_, advice)| advice))
    }

    /// Its text; empty where the rule's own message says all.
    pub fn text(&self) -> &'static str {
        self.0
    }
}

impl Drop for Advice {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.0.is_empty() {
            eprintln!("what the rule asks for: {}", self.0);
        }
    }
}
