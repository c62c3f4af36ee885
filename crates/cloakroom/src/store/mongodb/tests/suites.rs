//! Every rule of the contract, in every format of session.

mod text {
    use super::super::{MongoOptions, subject};
    crate::store::conformance::suite!(subject(MongoOptions::new()).await);
}

mod document {
    use super::super::{MongoOptions, subject};
    crate::store::conformance::suite!(
        subject(MongoOptions::new().stringify(false))
            .await
            .rewriting()
    );
}

mod kruptein {
    use super::super::{MongoOptions, subject};
    use crate::store::mongodb::Kruptein;
    crate::store::conformance::suite!(
        subject(MongoOptions::new().encryption(Kruptein::new("squirrel"))).await
    );
}

mod webcrypto {
    use super::super::{MongoOptions, subject};
    use crate::store::mongodb::WebCrypto;
    crate::store::conformance::suite!(
        subject(MongoOptions::new().encryption(WebCrypto::new("squirrel").iterations(1000))).await
    );
}

mod mixed_fleet {
    use super::super::{MongoOptions, subject};
    crate::store::conformance::suite!(subject(MongoOptions::new().mixed_fleet(true)).await);
}

/// Leaves out rules that compare ids returned with ids passed in: with a `transform_id` they differ, and
/// `ids.rs` has tests of its own.
mod hashed_ids {
    use super::super::{MongoOptions, subject};
    crate::conformance_suite!(@tests subject(MongoOptions::new().hash_ids()).await;
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
        strange_ids_are_only_unknown
        prune_lets_go_of_what_expired
        a_foreign_cursor_changes_nothing
        put_if_absent_never_overwrites
        put_undoes_no_ending
        put_over_a_text_compares_and_sets
        put_over_a_touched_record_is_refused
        a_put_in_the_past_leaves_nothing
        a_put_without_end_stays
        of_many_puts_one_wins
        no_put_revives_a_session_that_ends
        retire_as_ends_and_remembers
        count_is_of_live_sessions
        touch_moves_the_expiry_after_a_change_of_another
        ids_that_look_alike_are_others
        destroy_by_user_ends_all_but_one
        a_session_on_the_move_does_not_escape
        of_many_creators_one_wins
        of_many_updates_of_one_text_one_wins
        no_save_revives_a_destroyed_session
        no_save_reaches_a_replaced_session
    );
}
