//! The rules that every store keeps, each a function: run them on a store of your own.
//!
//! ```
//! use cloakroom::store::conformance::{self, Subject};
//! use cloakroom::store::memory::{MemoryLimit, MemoryStore};
//! use cloakroom::{ManualClock, Timestamp};
//!
//! fn subject() -> Subject {
//!     let clock = ManualClock::at(Timestamp::from_millis(1_767_323_045_678));
//!     let store = MemoryStore::with(MemoryLimit::default(), clock.clone());
//!     Subject::with_clock(store, clock)
//! }
//!
//! conformance::suite!(subject());
//! ```

#![expect(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "panicking is how they tell"
)]

mod advice;
mod alike;
mod blind;
mod counts;
mod faulty;
mod life;
mod living;
mod races;
mod retired;
mod touches_back;
mod transfer;
mod users;

use std::sync::Arc;
use std::time::Duration;

pub use advice::Advice;
pub use alike::*;
pub use blind::LastWriteWinsStore;
pub use counts::*;
pub use faulty::FaultInjectingStore;
pub use life::*;
pub use living::*;
pub use races::*;
pub use retired::*;
pub use touches_back::TouchesBack;
pub use transfer::*;
pub use users::*;

use super::{NewRecord, Store, UserKeys};
use crate::clock::{Clock, ManualClock, Timestamp};
use crate::id::SessionId;
use crate::record::{RecordText, renormalize};

/// A store under test, and the way to let time pass for it.
#[derive(Clone)]
pub struct Subject {
    store: Arc<dyn Store>,
    clock: Clock,
    rewrites: bool,
    in_seconds: bool,
}

impl std::fmt::Debug for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subject").finish_non_exhaustive()
    }
}

impl Subject {
    /// Takes a store that goes by the machine's clock, or a server's: tests of expiry wait.
    pub fn new(store: impl Store) -> Self {
        Self {
            store: Arc::new(store),
            clock: Clock::System,
            rewrites: false,
            in_seconds: false,
        }
    }

    /// Takes a store that goes by `clock`: tests of expiry advance it.
    pub fn with_clock(store: impl Store, clock: ManualClock) -> Self {
        Self {
            store: Arc::new(store),
            clock: clock.into(),
            rewrites: false,
            in_seconds: false,
        }
    }

    /// Expects a store that keeps a document and serializes it again (jsonb, BSON): a text comes back with
    /// the same values, and `\u0000` and lone surrogates may not come back at all.
    #[must_use]
    pub fn rewriting(mut self) -> Self {
        self.rewrites = true;
        self
    }

    /// A store that counts in whole seconds, as connect-pg-simple does: a session lives until the end of the
    /// second in which it expires.
    #[must_use]
    pub fn counting_in_seconds(mut self) -> Self {
        self.in_seconds = true;
        self
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn wait(&self, duration: Duration) {
        match &self.clock {
            Clock::Manual(clock) => clock.advance(duration),
            Clock::System | Clock::Skewed(_) => tokio::time::sleep(duration).await,
        }
    }

    /// Returns a record that lives for a minute, with `data` behind its cookie.
    fn entry(&self, data: &str) -> NewRecord {
        self.entry_for(data, Duration::from_mins(1))
    }

    fn entry_for(&self, data: &str, lifetime: Duration) -> NewRecord {
        NewRecord {
            text: text(data),
            expires: self.now().after(lifetime),
            users: Vec::new(),
        }
    }

    fn entry_of(&self, user: &str) -> NewRecord {
        let data = format!(r#","userId":"{user}""#);
        NewRecord {
            users: vec![user.to_owned()],
            ..self.entry(&data)
        }
    }

    /// Returns a record with these data, with the users that an index by the default keys has.
    fn entry_naming(&self, data: &str) -> NewRecord {
        let entry = self.entry(data);
        NewRecord {
            users: UserKeys::default().users_of(&entry.text),
            ..entry
        }
    }

    /// Stores a record under a new id.
    async fn stored(&self, entry: &NewRecord) -> SessionId {
        let id = SessionId::random();
        self.store
            .create(&id, entry)
            .await
            .expect("a new id can be stored");
        id
    }

    /// Fails unless the store holds the record with that text.
    async fn holds(&self, id: &SessionId, text: &RecordText) {
        let found = self.text_of(id).await.expect("the session is there");
        self.same(&found, text);
    }

    /// Fails unless a stored text equals the expected one.
    fn same(&self, stored: &RecordText, meant: &RecordText) {
        if self.rewrites {
            assert_eq!(values(stored), values(meant));
        } else {
            assert_eq!(&**stored, &**meant);
        }
    }

    async fn text_of(&self, id: &SessionId) -> Option<RecordText> {
        self.store
            .get(id)
            .await
            .expect("the store can be read")
            .map(|stored| stored.text)
    }
}

/// The shortest life that a store with a resolution of seconds can give.
const SHORT: Duration = Duration::from_secs(2);
/// A time longer than [`SHORT`], whichever way a store rounds.
const LONGER: Duration = Duration::from_millis(3_100);

/// Parses a record's text into values, so that two spellings compare equal.
fn values(text: &str) -> serde_json::Value {
    let as_javascript = renormalize(text).expect("a record is JSON");
    serde_json::from_str(&as_javascript).expect("a record is JSON")
}

fn text(data: &str) -> RecordText {
    let cookie = r#""cookie":{"originalMaxAge":60000,"expires":"2026-01-02T03:05:05.678Z","httpOnly":true,"path":"/"}"#;
    format!("{{{cookie}{data}}}").into()
}

/// Makes a test of each rule, for the store that the expression gives.
#[macro_export]
#[doc(hidden)]
macro_rules! conformance_suite {
    ($subject:expr) => {
        $crate::conformance_suite!(@tests $subject;
            absent_until_created
            a_taken_id_is_refused
            bytes_come_back_as_they_went_in
            expired_is_absent
            an_entry_in_the_past_is_never_seen
            update_replaces_what_was_read
            update_refuses_what_changed
            update_never_creates
            touch_moves_the_expiry
            touch_never_creates_and_never_loses_a_change
            a_touch_never_moves_an_expiry_back
            an_update_may_shorten_a_life
            destroy_is_idempotent
            replace_moves_a_session
            replace_refuses_what_changed_or_went
            replace_refuses_a_taken_id
            a_replaced_id_is_known_as_retired
            a_refused_replacement_retires_nothing
            retire_ends_a_session_and_knows_its_id
            destroy_retires_no_id
            a_retired_id_is_not_replaced_again
            of_many_replacements_of_an_unknown_id_one_wins
            nobody_finds_a_replaced_id_neither_live_nor_retired
            a_retired_id_is_no_session_and_is_forgotten
            strange_ids_are_only_unknown
            living_tells_which_sessions_live_and_until_when
            living_leaves_out_what_expired
            living_tells_of_thousands
            prune_lets_go_of_what_expired
            scan_finds_every_live_session
            scan_keeps_to_its_limit_and_repeats_no_page
            a_foreign_cursor_changes_nothing
            scan_records_gives_each_live_record
            scan_records_changes_nothing
            put_if_absent_never_overwrites
            put_undoes_no_ending
            put_over_a_text_compares_and_sets
            put_over_a_touched_record_is_refused
            a_put_in_the_past_leaves_nothing
            a_put_without_end_stays
            put_keeps_the_index_of_users
            of_many_puts_one_wins
            no_put_revives_a_session_that_ends
            retire_as_ends_and_remembers
            prune_tells_how_many_went
            count_is_of_live_sessions
            a_session_is_over_at_the_instant_of_its_expiry
            touch_moves_the_expiry_after_a_change_of_another
            users_who_look_alike_are_others
            ids_that_look_alike_are_others
            sessions_of_a_user_are_found
            sessions_follow_their_user
            a_session_that_names_two_users_is_found_for_both
            realms_keep_their_users_apart
            destroy_by_user_ends_all_but_one
            a_session_on_the_move_does_not_escape
            of_many_creators_one_wins
            of_many_updates_of_one_text_one_wins
            no_save_revives_a_destroyed_session
            no_save_reaches_a_replaced_session
            logins_racing_a_logout_everywhere_stay_in_the_index
        );
    };
    (@tests $subject:expr; $($rule:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $rule() {
                let _advice = $crate::store::conformance::Advice::of(stringify!($rule));
                $crate::store::conformance::$rule(&$subject).await;
            }
        )*
    };
}

pub use crate::conformance_suite as suite;
