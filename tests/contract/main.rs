//! The store's contract: one suite on memory, SQLite and PostgreSQL, and a random run against the
//! memory model. What only one of them can show has a file of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fixture;
mod postgres;
mod postgres_fixture;
mod promise;
mod random;
mod rig;
mod say;
mod sqlite_file;
mod sqlite_image;
mod sqlite_log;

/// Each promise becomes one test per store.
macro_rules! promises {
    ($($file:ident: $($name:ident),+;)+) => {
        promises!(@store on_memory memory, $($file: $($name),+;)+);
        promises!(@store on_sqlite sqlite, $($file: $($name),+;)+);
        promises!(@store on_postgres postgres, $($file: $($name),+;)+);
    };
    (@store $module:ident $store:ident, $($file:ident: $($name:ident),+;)+) => {
        mod $module {
            $($(
                #[tokio::test]
                async fn $name() {
                    if let Some(rig) = crate::rig::$store().await {
                        crate::promise::$file::$name(rig).await;
                    }
                }
            )+)+
        }
    };
}

promises! {
    append: seq_is_dense_and_survives_a_crash,
        seq_is_never_given_twice_whatever_was_deleted,
        a_record_comes_back_whole,
        one_message_for_many_has_one_seq_each,
        no_addressee_writes_only_the_step,
        the_oldest_records_go_beyond_the_count_limit;
    dedupe: a_known_key_stores_nothing_and_names_the_message,
        a_key_given_twice_in_one_batch_is_a_duplicate,
        a_key_belongs_to_its_uid,
        a_key_is_forgotten_after_its_time;
    state: steps_of_a_batch_add_up_and_survive_a_crash,
        a_step_shares_the_fate_of_its_message,
        a_duplicate_still_takes_its_step,
        an_empty_state_is_not_kept,
        the_sweep_forgets_states_not_touched_for_long;
    share: what_is_shared_outlives_its_session,
        what_was_sent_with_qos_2_ends_with_its_session,
        what_comes_after_the_end_is_left_too,
        a_legacy_goes_with_the_append_of_its_heir;
    session: a_session_is_kept_only_if_asked,
        a_kept_session_comes_back_with_all_it_had,
        sessions_are_told_by_who_was_away_for_longest,
        a_clean_start_forgets_subscriptions_queue_and_steps_but_not_the_inbox,
        a_session_whose_time_is_over_is_absent,
        an_ended_session_without_expiry_is_gone_at_once,
        a_connected_session_expires_from_the_next_start_on,
        a_start_with_a_clock_far_behind_ends_no_session,
        a_start_with_a_clock_far_ahead_ends_no_session,
        subscriptions_are_replaced_and_removed,
        all_subscriptions_come_page_by_page,
        an_open_sees_every_earlier_write_of_its_batch;
    device: a_first_device_starts_before_the_oldest_message,
        a_further_device_starts_at_the_most_advanced_one,
        knowing_a_device_again_changes_nothing,
        the_device_not_seen_for_longest_goes_beyond_the_limit,
        a_device_and_its_message_in_one_batch_see_each_other,
        a_cursor_never_goes_back_and_survives_a_crash,
        two_users_with_the_same_client_id_never_meet,
        a_device_tells_when_it_was_last_seen,
        a_forgotten_device_leaves_nothing_and_the_others_stay,
        forgetting_what_is_not_there_is_nothing,
        a_forgotten_inbox_is_empty_and_goes_on_counting;
    read: a_read_is_bounded_in_count_and_bytes_but_gives_one,
        a_read_skips_what_was_removed,
        the_newest_message_tells_its_time;
    retained: the_last_one_of_a_topic_is_kept_whole_and_an_empty_one_removes_it,
        a_filter_gets_its_topics_in_order_page_by_page,
        a_filter_that_matches_little_of_much_finds_all_of_it,
        a_page_is_bounded_in_bytes_but_gives_one,
        who_keeps_too_much_keeps_no_more_and_may_replace_and_remove,
        what_is_over_quota_does_nothing_else_of_its_append,
        an_expired_one_goes_with_the_sweep,
        what_nobody_in_particular_keeps_is_not_counted;
    due: what_waits_is_claimed_whole_when_it_is_due,
        a_claim_is_bounded_in_count_and_bytes_but_gives_one,
        what_has_a_name_is_replaced_and_taken_back,
        no_change_reaches_what_is_claimed,
        what_is_due_goes_out_once_whenever_the_process_dies,
        what_is_claimed_waits_again_when_the_store_is_opened_again,
        what_does_not_go_out_is_dropped,
        who_leaves_too_much_leaves_no_more_and_may_replace_and_take_back,
        a_will_beyond_the_quota_is_due_at_once,
        a_refused_change_does_nothing_else_and_a_duplicate_takes_its_step,
        a_will_is_taken_back_when_its_session_goes_on_and_due_when_it_ends,
        a_will_that_is_due_is_neither_replaced_nor_taken_back,
        a_forgotten_user_has_left_nothing_for_later;
    sweep: what_every_device_acknowledged_goes,
        what_expired_in_between_is_not_counted_twice,
        without_a_device_nothing_counts_as_acknowledged,
        expired_messages_go_and_are_counted,
        an_expired_message_that_was_sent_is_owed,
        old_messages_go_and_are_counted,
        the_count_limit_holds_in_the_sweep,
        a_device_not_seen_for_long_goes_and_holds_nothing_back,
        an_expired_session_goes_with_its_queue,
        a_queue_without_a_session_goes,
        what_waits_and_who_is_away_is_counted_on_the_way,
        a_sweep_in_small_steps_does_the_same_as_in_one,
        what_is_stamped_in_the_future_counts_from_now_on;
    batch: a_failed_batch_leaves_nothing,
        an_empty_batch_is_nothing,
        accounts_are_put_listed_and_deleted,
        bans_are_put_replaced_and_deleted_and_go_when_they_are_over,
        the_identity_stays,
        names_with_any_letters_come_back;
}
