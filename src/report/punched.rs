//! What punching did, in a line.

use super::units::{bytes, count};
use crate::raw::Punched;
use core::fmt;

/// `punched 40 of 40 pinned slabs: 399.8 MiB given back, 160 KiB stay resident for 40 slices; 0 slabs moving, 0 not page-backed`,
/// and after that the other reasons why a slab was not punched, where there are any.
impl fmt::Display for Punched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given_back = bytes(self.given_back_bytes);
        write!(f, "punched {} of {}: {given_back} given back", self.punched, count(self.pinned_slabs, "pinned slab"))?;
        if self.punched > 0 {
            let stays = if self.resident_bytes == 1 { "stays" } else { "stay" };
            write!(f, ", {} {stays} resident for {}", bytes(self.resident_bytes), count(self.slices, "slice"))?;
        }
        write!(f, "; {} moving, {} not page-backed", count(self.moving, "slab"), self.not_page_backed)?;
        let others = [
            (self.attached, "attached"),
            (self.dense, "with no dead page"),
            (self.untracked, "with untracked handles"),
            (self.refused, "refused"),
        ];
        for (slabs, why) in others.into_iter().filter(|(slabs, _)| *slabs > 0) {
            write!(f, ", {slabs} {why}")?;
        }
        match &self.refusal {
            Some(refusal) => write!(f, " ({refusal})"),
            None => Ok(()),
        }
    }
}
