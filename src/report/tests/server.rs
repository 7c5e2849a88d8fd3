//! Sites for the tests, in a file of its own so that their lines stay where the sample report says.

use core::panic::Location;

#[track_caller]
fn here() -> &'static Location<'static> {
    Location::caller()
}

pub(super) fn read_head() -> &'static Location<'static> {
    here()
}

pub(super) fn read_body() -> &'static Location<'static> {
    here()
}

pub(super) fn write_frame() -> &'static Location<'static> {
    here()
}
