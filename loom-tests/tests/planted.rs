//! Each planted bug makes the models that are named for it fail, and no other.
//!
//! A bug may corrupt memory for real, so each model runs in a process of its own. `BUFSLAB_LOOM_FULL=1` runs every model with
//! every bug, which takes long; otherwise only those that have to fail are run.
#![cfg(bufslab_loom)]

use bufslab::model::{Plant, plant};
use loom_tests::{MODELS, model};
use std::collections::VecDeque;
use std::process::{Command, Stdio};
use std::sync::Mutex;

const PLANT: &str = "BUFSLAB_LOOM_PLANT";
const MODEL: &str = "BUFSLAB_LOOM_MODEL";

/// Every bug.
const PLANTS: &[Plant] = &[
    Plant::LastDropRelaxed,
    Plant::RemoteDropRelaxed,
    Plant::DrainedRelaxed,
    Plant::DetachRelaxed,
    Plant::AttachRelaxed,
    Plant::GenerationRelaxed,
    Plant::StateRelaxed,
    Plant::PublishRelaxed,
    Plant::FieldsRelaxed,
    Plant::NotesUnpublished,
    Plant::NotesRelaxed,
    Plant::FreeRelaxed,
    Plant::SweepRelaxed,
    Plant::SegmentListRelaxed,
    Plant::RefundBeforeDisown,
    Plant::RefundForgetsTally,
    Plant::RefBeforeSlot,
    Plant::SnapshotClaimsOnly,
    Plant::SnapshotNoRecheck,
    Plant::ShrinkBeforePublish,
    Plant::PublishBeforeRef,
    Plant::SweepAllocatesLive,
    Plant::RecycleKeepsGeneration,
    Plant::RemotePopsOwnersSlot,
    Plant::AdoptsTheLiving,
    Plant::SpareKeepsAllocator,
    Plant::SettleForgetsTally,
    Plant::ExclusiveUncounted,
    Plant::ExclusiveNoRecheck,
    Plant::NotesReplaced,
    Plant::CloseUnseen,
    Plant::WantUnseen,
    Plant::NotedUnsaid,
    Plant::NotesKept,
    Plant::WipeUnflagged,
    Plant::WipeAfterRelease,
    Plant::WipeFlagTakenDown,
    Plant::LooksBesideEachOther,
    Plant::AroundKeepsPin,
    Plant::HoleFromTheStart,
    Plant::ReclaimsHoles,
    Plant::MoverInexact,
    Plant::MoverUnmarked,
    Plant::MoverClaimsNothing,
    Plant::MovedRelaxed,
    Plant::ReleasedUnderReaders,
    Plant::DroppedUnseen,
    Plant::MovedSlotFreed,
    Plant::LocalReaderUnseen,
    Plant::ReaderLeavesRelaxed,
    Plant::LocalLeavesRelaxed,
    Plant::DropUncompared,
    Plant::MovingUnseen,
    Plant::SlotKeptLate,
    Plant::BerthsUnpublished,
    Plant::OldPlaceForgotten,
    Plant::PunchUnchecked,
    Plant::PunchTouchesSlices,
    Plant::SingleRelaxed,
    Plant::SizeRelaxed,
    Plant::ForeignJoinsDead,
    Plant::ForeignLifeUnchecked,
    Plant::ForeignEndRelaxed,
    Plant::ForeignKeepsFirstOnly,
    Plant::RecordUnseen,
    Plant::EndLoggedLate,
    Plant::SumsBelieveBias,
];

/// The models that have to fail, the one that was made for it first. No wildcard: a new bug does not compile before it has a line here.
fn caught_by(bug: Plant) -> &'static [&'static str] {
    match bug {
        Plant::LastDropRelaxed => &[
            "clone_and_drop_on_two_threads",
            "detach_against_the_last_remote_drop",
            "detach_with_a_slice_in_hand",
            "untracked_handles",
            "drops_are_over_before_the_next_life",
            "snapshot_against_the_last_drop",
            "overlapping_secrets_dropped_on_two_threads",
            "a_secret_is_overwritten_before_its_slab_is_reused",
            "punch_against_the_last_drop",
            "foreign_dropped_after_the_last_read",
            "joining_against_the_last_drop",
            "joining_against_the_next_life",
            "moving_against_a_drop",
            "moving_two_against_a_drop",
            "moving_against_a_reader",
            "moving_against_two_readers",
            "moving_against_attaching_around",
            "a_late_drop_against_the_slabs_next_life",
        ],
        Plant::RemoteDropRelaxed => &[
            "clone_and_drop_on_two_threads",
            "detach_against_the_last_remote_drop",
            "detach_with_a_slice_in_hand",
            "reuse_in_place_against_the_last_remote_drop",
            "untracked_handles",
            "owner_dies_with_a_slab_in_hand",
            "a_slice_outlives_the_pool",
            "drops_are_over_before_the_next_life",
            "snapshot_against_slots_changing_hands",
            "snapshot_against_split_to",
            "snapshot_against_the_last_drop",
            "exclusive_against_slots_changing_hands",
            "exclusive_after_the_last_remote_drop",
            "overlapping_secrets_dropped_on_two_threads",
            "owner_and_guest_drop_overlapping_secrets",
            "a_secret_is_overwritten_before_its_slab_is_reused",
            "punch_against_attaching_around",
            "punch_against_slice_and_split_to",
            "punch_against_the_last_drop",
            "two_threads_punch",
            "foreign_dropped_after_the_last_read",
            "joining_against_the_last_drop",
            "joining_against_the_next_life",
            "moving_against_a_drop",
            "moving_two_against_a_drop",
            "moving_against_a_reader",
            "moving_against_two_readers",
            "moving_against_attaching_around",
            "a_late_drop_against_the_slabs_next_life",
        ],
        Plant::DrainedRelaxed => {
            &["reuse_in_place_against_the_last_remote_drop", "owner_and_guest_drop_overlapping_secrets"]
        }
        Plant::DetachRelaxed => &["detach_against_the_last_remote_drop", "moving_against_attaching_around"],
        Plant::AttachRelaxed => &["counts_against_recycling", "a_late_drop_against_the_slabs_next_life"],
        Plant::GenerationRelaxed => &[
            "report_against_reuse_in_place",
            "report_against_recycling",
            "report_against_segments_moving_on",
            "report_against_a_foreign_slab_that_ends",
        ],
        Plant::StateRelaxed => &[
            "exclusive_after_the_last_remote_drop",
            "counts_against_recycling",
            "snapshot_against_slots_changing_hands",
            "snapshot_against_split_to",
            "exclusive_against_slots_changing_hands",
            "punch_against_slice_and_split_to",
            "two_threads_punch",
            "report_against_a_foreign_slab_that_ends",
            "moving_against_a_drop",
            "moving_two_against_a_drop",
            "moving_against_a_clone",
            "moving_against_attaching_around",
            "a_late_drop_against_the_slabs_next_life",
        ],
        Plant::PublishRelaxed => &[
            "report_against_slots_changing_hands",
            "report_against_recycling",
            "report_against_reuse_in_place",
            "report_against_segments_moving_on",
            "snapshot_against_slots_changing_hands",
            "snapshot_against_a_clone_and_a_split",
            "punch_against_slice_and_split_to",
            "report_against_a_foreign_slab_that_ends",
        ],
        Plant::FieldsRelaxed => &["report_against_slots_changing_hands", "report_against_reuse_in_place"],
        Plant::FreeRelaxed => &[
            "owner_sweeps_what_guests_free",
            "clone_and_drop_on_two_threads",
            "guest_takes_over_from_the_dead",
            "foreign_dropped_after_the_last_read",
            "a_late_drop_against_the_slabs_next_life",
        ],
        Plant::SweepRelaxed => &[
            "owner_sweeps_what_guests_free",
            "clone_and_drop_on_two_threads",
            "guest_takes_over_from_the_dead",
            "foreign_dropped_after_the_last_read",
            "a_late_drop_against_the_slabs_next_life",
        ],
        Plant::SegmentListRelaxed => &[
            "snapshot_against_split_to",
            "report_against_segments_moving_on",
            "snapshot_against_a_clone_that_moves",
            "snapshot_against_a_clone_and_a_split",
            "exclusive_against_a_clone_that_moves",
            "a_secret_beside_a_slice_that_moves",
            "punch_against_attaching_around",
            "punch_against_a_clone_that_moves",
            "punch_against_slice_and_split_to",
            "moving_against_a_clone",
            "moving_against_attaching_around",
        ],
        Plant::RefundBeforeDisown => &["detach_against_the_last_remote_drop"],
        Plant::RefundForgetsTally => &[
            "detach_with_a_slice_in_hand",
            "clone_and_drop_on_two_threads",
            "owner_and_guest",
            "owner_settles_what_guests_drop",
            "owner_settles_what_guests_made",
            "detach_against_the_last_remote_drop",
            "reuse_in_place_against_the_last_remote_drop",
            "untracked_handles",
            "owner_dies_with_a_slab_in_hand",
            "a_slice_outlives_the_pool",
            "guests_take_distinct_slots",
            "owner_sweeps_what_guests_free",
            "guest_takes_over_from_the_dead",
            "dying_threads_share_a_segment",
            "segments_that_moved_on_are_forgotten",
            "report_against_recycling",
            "report_against_segments_moving_on",
            "counts_against_recycling",
            "counts_against_detaching",
            "drops_are_over_before_the_next_life",
            "snapshot_against_a_clone_that_moves",
            "snapshot_against_slots_changing_hands",
            "snapshot_against_split_to",
            "snapshot_against_a_clone_and_a_split",
            "snapshot_against_the_last_drop",
            "exclusive_against_slots_changing_hands",
            "exclusive_after_the_last_remote_drop",
            "overlapping_secrets_dropped_on_two_threads",
            "owner_and_guest_drop_overlapping_secrets",
            "a_secret_is_overwritten_before_its_slab_is_reused",
            "a_secret_beside_a_slice_that_moves",
            "punch_against_attaching_around",
            "punch_against_a_clone_that_moves",
            "punch_against_slice_and_split_to",
            "punch_against_a_drop",
            "punch_against_the_last_drop",
            "two_threads_punch",
            "a_secret_goes_while_its_slab_is_attached_around",
            "moving_against_a_drop",
            "moving_two_against_a_drop",
            "moving_against_a_reader",
            "moving_against_a_reader_that_leaves",
            "moving_against_two_readers",
            "moving_against_a_reader_that_owned_the_slab",
            "moving_against_a_clone",
            "moving_against_attaching_around",
            "a_late_drop_against_the_slabs_next_life",
            "two_threads_park_in_one_segment",
            "the_last_drops_against_the_end_of_the_ledger",
            "moving_against_a_reader_that_is_forgotten",
        ],
        Plant::RefBeforeSlot => {
            &["drops_are_over_before_the_next_life", "snapshot_against_split_to", "joining_against_the_next_life"]
        }
        Plant::SnapshotClaimsOnly => &[
            "snapshot_against_a_clone_that_moves",
            "snapshot_against_slots_changing_hands",
            "snapshot_against_split_to",
            "snapshot_against_a_clone_and_a_split",
            "punch_against_attaching_around",
            "punch_against_slice_and_split_to",
            "two_threads_punch",
            "moving_against_attaching_around",
        ],
        Plant::SnapshotNoRecheck => &[
            "snapshot_against_slots_changing_hands",
            "snapshot_against_split_to",
            "snapshot_against_a_clone_and_a_split",
            "punch_against_slice_and_split_to",
        ],
        Plant::ShrinkBeforePublish => {
            &["snapshot_against_split_to", "snapshot_against_a_clone_and_a_split", "punch_against_slice_and_split_to"]
        }
        Plant::PublishBeforeRef => &["snapshot_against_a_clone_and_a_split", "punch_against_slice_and_split_to"],
        Plant::SweepAllocatesLive => &[
            "owner_sweeps_what_guests_free",
            "clone_and_drop_on_two_threads",
            "owner_and_guest",
            "owner_settles_what_guests_made",
            "guests_take_distinct_slots",
            "guest_takes_over_from_the_dead",
            "dying_threads_share_a_segment",
            "a_secret_beside_a_slice_that_moves",
            "foreign_dropped_after_the_last_read",
            "moving_against_a_drop",
            "moving_against_a_reader",
            "moving_against_a_reader_that_leaves",
            "a_late_drop_against_the_slabs_next_life",
            "moving_against_a_reader_that_is_forgotten",
        ],
        Plant::RecycleKeepsGeneration => &[
            "report_against_reuse_in_place",
            "report_against_recycling",
            "report_against_segments_moving_on",
            "report_against_a_foreign_slab_that_ends",
        ],
        Plant::RemotePopsOwnersSlot => &[
            "owner_and_guest",
            "clone_and_drop_on_two_threads",
            "owner_dies_with_a_slab_in_hand",
            "guests_take_distinct_slots",
            "guest_takes_over_from_the_dead",
            "dying_threads_share_a_segment",
            "snapshot_against_split_to",
            "snapshot_against_a_clone_and_a_split",
            "a_secret_beside_a_slice_that_moves",
            "punch_against_slice_and_split_to",
            "joining_against_the_last_drop",
        ],
        Plant::AdoptsTheLiving => &[
            "guest_takes_over_from_the_dead",
            "clone_and_drop_on_two_threads",
            "owner_and_guest",
            "owner_dies_with_a_slab_in_hand",
            "a_secret_beside_a_slice_that_moves",
            "foreign_dropped_after_the_last_read",
        ],
        Plant::SpareKeepsAllocator => &["segments_that_moved_on_are_forgotten"],
        Plant::SettleForgetsTally => &["owner_settles_what_guests_drop", "owner_settles_what_guests_made"],
        Plant::ExclusiveUncounted => &[
            "exclusive_against_a_clone_that_moves",
            "exclusive_against_slots_changing_hands",
            "exclusive_after_the_last_remote_drop",
        ],
        Plant::ExclusiveNoRecheck => &["exclusive_against_slots_changing_hands"],
        Plant::NotesUnpublished => &["two_threads_note_in_one_segment"],
        Plant::NotesRelaxed => &["report_against_notes_changing_hands"],
        Plant::NotesReplaced => &["two_threads_note_in_one_segment"],
        Plant::WantUnseen => &["waiting_against_attaching", "waiting_against_giving_back"],
        Plant::LooksBesideEachOther => &[
            "two_threads_attach_around",
            "punch_against_attaching_around",
            "two_threads_punch",
            "punch_against_slice_and_split_to",
            "moving_against_attaching_around",
        ],
        Plant::PunchUnchecked => {
            &["punch_against_attaching_around", "punch_against_slice_and_split_to", "two_threads_punch"]
        }
        Plant::PunchTouchesSlices => {
            &["punch_against_attaching_around", "punch_against_a_clone_that_moves", "punch_against_slice_and_split_to"]
        }
        Plant::AroundKeepsPin => &[
            "around_against_the_last_drop",
            "punch_against_attaching_around",
            "a_secret_goes_while_its_slab_is_attached_around",
            "moving_against_attaching_around",
        ],
        Plant::HoleFromTheStart => &["around_against_a_clone_that_moves", "punch_against_attaching_around"],
        Plant::ReclaimsHoles => &["holes_are_not_reclaimed"],
        Plant::CloseUnseen => &["closing_against_attaching"],
        Plant::NotedUnsaid => &["report_against_notes_changing_hands", "guest_takes_over_a_noted_slot"],
        Plant::NotesKept => &["report_against_notes_changing_hands", "guest_takes_over_a_noted_slot"],
        Plant::WipeUnflagged => &[
            "overlapping_secrets_dropped_on_two_threads",
            "owner_and_guest_drop_overlapping_secrets",
            "a_secret_beside_a_slice_that_moves",
            "a_secret_goes_while_its_slab_is_attached_around",
        ],
        Plant::WipeFlagTakenDown => &["a_secret_goes_while_its_slab_is_attached_around"],
        Plant::WipeAfterRelease => {
            &["a_secret_is_overwritten_before_its_slab_is_reused", "overlapping_secrets_dropped_on_two_threads"]
        }
        Plant::MoverInexact => &["moving_against_attaching_around"],
        Plant::MoverUnmarked => &[
            "moving_against_a_drop",
            "moving_two_against_a_drop",
            "moving_against_a_clone",
            "a_late_drop_against_the_slabs_next_life",
        ],
        Plant::MoverClaimsNothing => &[
            "moving_against_a_drop",
            "moving_two_against_a_drop",
            "moving_against_a_clone",
            "a_late_drop_against_the_slabs_next_life",
        ],
        Plant::MovedRelaxed => &[
            "moving_against_a_reader",
            "moving_against_two_readers",
            "moving_against_a_drop",
            "moving_two_against_a_drop",
            "moving_against_a_clone",
            "a_late_drop_against_the_slabs_next_life",
            "moving_against_a_reader_that_is_forgotten",
        ],
        Plant::ReleasedUnderReaders => &[
            "moving_against_a_reader",
            "moving_against_two_readers",
            "moving_against_a_clone",
            "moving_against_a_reader_that_is_forgotten",
        ],
        Plant::DroppedUnseen => &["moving_against_a_drop", "moving_two_against_a_drop"],
        Plant::MovedSlotFreed => &["a_late_drop_against_the_slabs_next_life"],
        Plant::LocalReaderUnseen => {
            &["moving_against_a_reader_that_owned_the_slab", "moving_against_a_reader_that_leaves"]
        }
        Plant::ReaderLeavesRelaxed => {
            &["moving_against_a_reader", "moving_against_a_reader_that_leaves", "moving_against_two_readers"]
        }
        Plant::LocalLeavesRelaxed => &["moving_against_a_reader_that_owned_the_slab"],
        Plant::DropUncompared => &[
            "moving_against_a_drop",
            "moving_two_against_a_drop",
            "moving_against_a_clone",
            "a_late_drop_against_the_slabs_next_life",
        ],
        Plant::MovingUnseen => &[
            "moving_against_a_drop",
            "moving_two_against_a_drop",
            "moving_against_a_clone",
            "a_late_drop_against_the_slabs_next_life",
        ],
        Plant::SlotKeptLate => &[
            "moving_against_a_drop",
            "moving_two_against_a_drop",
            "moving_against_a_clone",
            "a_late_drop_against_the_slabs_next_life",
        ],
        Plant::OldPlaceForgotten => &["moving_against_a_reader_that_is_forgotten"],
        Plant::BerthsUnpublished => &["two_threads_park_in_one_segment"],
        Plant::SingleRelaxed => &["report_against_a_foreign_slab_that_ends"],
        Plant::SizeRelaxed => &["report_against_a_foreign_slab_that_ends"],
        Plant::ForeignJoinsDead => &["joining_against_the_last_drop", "joining_against_the_next_life"],
        Plant::ForeignLifeUnchecked => &["joining_against_the_next_life"],
        Plant::ForeignEndRelaxed => &["report_against_a_foreign_slab_that_ends"],
        Plant::ForeignKeepsFirstOnly => &["joining_against_the_last_drop"],
        Plant::RecordUnseen => &["recording_against_attaching"],
        Plant::EndLoggedLate => &["recording_against_slots_changing_hands"],
        Plant::SumsBelieveBias => &["counts_against_detaching"],
    }
}

/// Not a test of its own: what the processes below run.
#[test]
#[ignore = "run by the others with a bug and a model named in the environment"]
fn one() {
    let name = std::env::var(PLANT).expect("a bug");
    let bug = PLANTS.iter().find(|bug| format!("{bug:?}") == name).expect("a bug");
    plant(Some(*bug));
    model(&std::env::var(MODEL).expect("a model")).explore();
}

/// What became of a model with a bug planted: `None` if it passed, or what it failed with.
fn outcome(bug: Plant, model: &str) -> Option<String> {
    let output = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "one", "--ignored", "--nocapture"])
        .envs([(PLANT, format!("{bug:?}")), (MODEL, model.to_owned())])
        .stdin(Stdio::null())
        .output()
        .expect("this test runs itself");
    if output.status.success() {
        return None;
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let mut lines = text.lines().skip_while(|line| !line.contains("panicked at"));
    let what = lines.nth(1).or(text.lines().next()).unwrap_or_default().to_owned();
    assert!(!what.contains("exceeded maximum"), "{bug:?} in {model}: loom gave up: {what}");
    assert!(
        !what.contains("explored only") && !what.contains("never reached"),
        "{bug:?} in {model}: it failed for being empty: {what}"
    );
    Some(what)
}

#[test]
fn each_bug_fails_its_models() {
    let full = std::env::var_os("BUFSLAB_LOOM_FULL").is_some();
    let everything = || MODELS.iter().copied().flatten().map(|model| model.name);
    let jobs = PLANTS.iter().flat_map(|&bug| {
        let wanted = move |name: &&str| full || caught_by(bug).contains(name);
        everything().filter(wanted).map(move |name| (bug, name))
    });
    let (jobs, wrong) = (Mutex::new(jobs.collect::<VecDeque<_>>()), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let Some((bug, name)) = jobs.lock().unwrap().pop_front() else { break };
            let (found, expected) = (outcome(bug, name), caught_by(bug).contains(&name));
            match &found {
                Some(what) => println!("{bug:?} fails {name}: {what}"),
                None if expected => println!("{bug:?} PASSES {name}"),
                None => {}
            }
            if found.is_some() != expected {
                wrong.lock().unwrap().push(format!("{bug:?} in {name}: expected to fail: {expected}, did: {found:?}"));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, |n| n.get()) {
            scope.spawn(work);
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} bugs did not do as they should:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_table_names_every_bug_once_and_models_that_exist() {
    for (at, &bug) in PLANTS.iter().enumerate() {
        assert!(!PLANTS[..at].contains(&bug), "{bug:?} twice");
        assert!(!caught_by(bug).is_empty(), "{bug:?} is caught by nothing");
        for name in caught_by(bug) {
            assert_eq!(model(name).name, *name);
        }
    }
    assert_eq!(
        PLANTS.len(),
        Plant::SumsBelieveBias as usize + 1,
        "a bug is missing from the list, or is not last in `Plant`"
    );
}
