//! Every model passes.
#![cfg(bufslab_loom)]

use loom_tests::model;

macro_rules! models {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            model(stringify!($name)).check();
        })*

        #[test]
        fn every_model_is_run() {
            let run = [$(stringify!($name)),*];
            for model in loom_tests::MODELS.iter().copied().flatten() {
                assert!(run.contains(&model.name), "{} is not run", model.name);
            }
        }
    };
}

models! {
    clone_and_drop_on_two_threads
    owner_and_guest
    owner_settles_what_guests_drop
    owner_settles_what_guests_made
    detach_against_the_last_remote_drop
    detach_with_a_slice_in_hand
    reuse_in_place_against_the_last_remote_drop
    untracked_handles
    owner_dies_with_a_slab_in_hand
    a_slice_outlives_the_pool

    guests_take_distinct_slots
    owner_sweeps_what_guests_free
    guest_takes_over_from_the_dead
    dying_threads_share_a_segment
    segments_that_moved_on_are_forgotten
    closing_against_attaching
    waiting_against_attaching
    waiting_against_giving_back

    report_against_recycling
    report_against_reuse_in_place
    report_against_segments_moving_on
    report_against_slots_changing_hands
    counts_against_recycling
    counts_against_detaching
    drops_are_over_before_the_next_life

    report_against_notes_changing_hands
    two_threads_note_in_one_segment
    guest_takes_over_a_noted_slot

    snapshot_against_a_clone_that_moves
    snapshot_against_slots_changing_hands
    snapshot_against_split_to
    snapshot_against_a_clone_and_a_split
    snapshot_against_the_last_drop
    exclusive_against_a_clone_that_moves
    exclusive_against_slots_changing_hands
    exclusive_after_the_last_remote_drop

    overlapping_secrets_dropped_on_two_threads
    owner_and_guest_drop_overlapping_secrets
    a_secret_is_overwritten_before_its_slab_is_reused
    a_secret_beside_a_slice_that_moves
    a_secret_goes_while_its_slab_is_attached_around
    around_against_a_clone_that_moves
    around_against_slice_and_split_to
    around_against_slots_changing_hands
    around_against_the_last_drop
    two_threads_attach_around
    report_against_attaching_around
    guest_and_new_owner_take_slots
    closing_against_attaching_around
    closing_against_the_next_hole
    going_back_against_the_last_remote_drop
    going_back_against_a_clone_that_moves
    closing_against_the_next_stretch
    closing_against_going_back
    beginning_anew_against_the_last_remote_drop
    closing_against_beginning_anew
    beginning_anew_against_a_view
    holes_are_not_reclaimed

    moving_against_a_drop
    moving_two_against_a_drop
    moving_against_a_reader
    moving_against_a_reader_that_leaves
    moving_against_a_reader_that_is_forgotten
    moving_against_two_readers
    moving_against_a_reader_that_owned_the_slab
    moving_against_a_clone
    moving_against_attaching_around
    a_late_drop_against_the_slabs_next_life
    two_threads_park_in_one_segment
    the_last_drops_against_the_end_of_the_ledger

    punch_against_attaching_around
    punch_against_a_clone_that_moves
    punch_against_slice_and_split_to
    punch_against_a_drop
    punch_against_the_last_drop
    two_threads_punch
    foreign_dropped_after_the_last_read
    joining_against_the_last_drop
    joining_against_the_next_life
    report_against_a_foreign_slab_that_ends

    recording_against_attaching
    recording_against_slots_changing_hands
    ending_against_a_drop
}
