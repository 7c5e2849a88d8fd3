//! Numbers by which a viewer knows a thing again.
//!
//! A viewer compares two snapshots by the ids of their nodes, so an id has to follow from what the thing is, and not from
//! the order in which a report lists it. It has 32 bits, is even (V8 gives odd ones to objects of JavaScript, and viewers
//! take those for points in time), and no two nodes of a snapshot share one.
//!
//! Pinned memory is what is compared, and a slab's number is unique in a report: with eight bits of its generation it is
//! the id, without loss up to 4 million slabs. Everything else is hashed; where two things meet the second one takes the
//! next free number. That happens to few in a thousand nodes, none of which has a size.

use std::collections::HashSet;

/// Half of the ids are for slabs by number, the other half for what is hashed.
const HALF: u32 = 1 << 30;
/// Slabs whose number fits.
const SLABS: u64 = 1 << 22;

/// The ids of one snapshot.
#[derive(Default)]
pub(super) struct Ids {
    used: HashSet<u32>,
}

impl Ids {
    /// The id of the root, as V8 has it.
    pub(super) const ROOT: u32 = 1;

    pub(super) fn for_nodes(count: u64) -> Ids {
        Ids { used: HashSet::with_capacity(count as usize) }
    }

    /// For the memory of the slab with this number.
    pub(super) fn memory(&mut self, slab: u64, generation: u64) -> u32 {
        if slab >= SLABS {
            return self.hashed(Hash::of(b"memory").number(slab).number(generation));
        }
        self.first_free(HALF | (slab as u32) << 8 | (generation & 0xff) as u32)
    }

    /// For whatever hashes to this.
    pub(super) fn hashed(&mut self, hash: Hash) -> u32 {
        self.first_free((hash.finish() as u32) % HALF)
    }

    fn first_free(&mut self, mut half_id: u32) -> u32 {
        // 0 is the root's.
        while half_id == 0 || !self.used.insert(half_id) {
            half_id = (half_id + 1) % (2 * HALF);
        }
        2 * half_id
    }
}

/// The hash FNV-1a with its bits mixed at the end: the same in every process, which the standard library's is not.
/// See <https://datatracker.ietf.org/doc/html/draft-eastlake-fnv>.
#[derive(Clone, Copy)]
pub(super) struct Hash(u64);

impl Hash {
    /// `domain` keeps things of different kinds apart.
    pub(super) fn of(domain: &[u8]) -> Hash {
        Hash(0xcbf2_9ce4_8422_2325).bytes(domain)
    }

    fn bytes(mut self, bytes: &[u8]) -> Hash {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        self
    }

    pub(super) fn text(self, text: &str) -> Hash {
        self.bytes(text.as_bytes()).number(text.len() as u64)
    }

    pub(super) fn number(self, n: u64) -> Hash {
        self.bytes(&n.to_le_bytes())
    }

    fn finish(self) -> u64 {
        let mixed = (self.0 ^ self.0 >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ mixed >> 29
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_id_is_given_twice() {
        let mut ids = Ids::default();
        let mut seen = HashSet::from([Ids::ROOT]);
        for n in 0..2_000_u64 {
            // The same thing many times over, numbers past what fits, and slabs that a report should not list twice.
            assert!(seen.insert(ids.hashed(Hash::of(b"slice").number(n % 10))));
            assert!(seen.insert(ids.memory(n / 2, n % 2 * 256)));
            assert!(seen.insert(ids.memory(u64::MAX - n, 0)));
        }
        assert!(seen.iter().all(|id| id % 2 == 0 || *id == Ids::ROOT));
    }

    #[test]
    fn the_same_slab_has_the_same_id_whatever_else_is_there() {
        let (mut few, mut many) = (Ids::default(), Ids::default());
        for slab in 0..1_000 {
            many.memory(slab, 3);
        }
        for slab in 1_000..2_000 {
            assert_eq!(few.memory(slab, 3), many.memory(slab, 3));
        }
        assert_ne!(Ids::default().memory(7, 1), Ids::default().memory(7, 2));
    }

    #[test]
    fn hashes_spread() {
        let mut buckets = [0; 16];
        for n in 0..16_000_u64 {
            buckets[Hash::of(b"slice").number(n).number(20).finish() as usize % 16] += 1;
        }
        assert!(buckets.iter().all(|n| (800..1_200).contains(n)), "{buckets:?}");
        assert_ne!(Hash::of(b"").text("ab").text("c").finish(), Hash::of(b"").text("a").text("bc").finish());
    }
}
