use super::*;

const KIB: usize = 1 << 10;

/// A pool whose loads are made up: what a thread sees of `openings` slabs, by `how`, opened by requests of `n` bytes.
struct Load {
    adapt: Adapt,
}

impl Load {
    fn new(size: usize, reuse: Reuse) -> Load {
        Load { adapt: Adapt::new(16 * KIB, 1024 * KIB, size, reuse) }
    }

    fn size(&self) -> usize {
        self.adapt.size
    }

    /// Looks until nothing has moved for a while. `see` is asked what a batch shows at a size, and what is pinned then.
    fn settle(&mut self, see: impl Fn(&mut Seen, usize) -> Census) -> Vec<Move> {
        let mut moves = Vec::new();
        for _ in 0..2000 {
            let mut seen = Seen::default();
            let census = see(&mut seen, self.size());
            if self.adapt.take(&mut seen) {
                moves.extend(self.adapt.decide(&census));
            }
        }
        moves
    }
}

fn opened(seen: &mut Seen, size: usize, how: Opening, n: usize, times: usize) {
    (0..times).for_each(|_| seen.opened(size, how, n, size % n));
}

/// Requests of 1,500 bytes, dropped at once: every slab drains.
fn in_place(seen: &mut Seen, size: usize) -> Census {
    opened(seen, size, Opening::InPlace, 1_500, 8);
    Census::default()
}

/// Requests of 200,000 bytes, dropped at once.
fn large(seen: &mut Seen, size: usize) -> Census {
    match size {
        0..200_000 => (0..8).for_each(|_| seen.alone(size, 200_000)),
        _ => opened(seen, size, Opening::InPlace, 200_000, 8),
    }
    Census::default()
}

/// Of 40 slices one stays for long, and the pool waits for whole slabs.
fn pins(seen: &mut Seen, size: usize) -> Census {
    let pins = size as f64 / 60_000.0;
    let drained = (8.0 * (-pins).exp()).round() as usize;
    opened(seen, size, Opening::InPlace, 1_500, drained);
    for _ in drained..8 {
        seen.opened(size, Opening::Fresh, 1_500, 0);
        seen.left(size, pins.ceil() as u64);
    }
    let mut census = Census::default();
    (0..400).for_each(|_| census.count(size, pins.ceil() as u64));
    census
}

#[test]
fn a_load_that_suits_the_size_leaves_it() {
    for size in [32 * KIB, 64 * KIB, 128 * KIB] {
        let mut load = Load::new(size, Reuse::AroundThePin);
        assert_eq!(load.settle(in_place), []);
    }
}

#[test]
fn large_requests_make_it_grow_one_step_at_a_time() {
    let mut load = Load::new(64 * KIB, Reuse::WholeSlab);
    let moves = load.settle(large);
    assert!(load.size() >= 256 * KIB, "{moves:?}");
    assert!(moves.iter().all(|made| made.to == 2 * made.from), "{moves:?}");
    let first = moves[0].to_string();
    assert!(first.starts_with("grew from 64 KiB to 128 KiB: "), "{first}");
    assert!(first.contains("were for one request each that is larger than a slab, of up to 195.3 KiB"), "{first}");
    // And it stays there.
    assert_eq!(load.settle(large), []);
}

#[test]
fn pins_make_it_shrink_where_they_keep_whole_slabs() {
    let mut load = Load::new(256 * KIB, Reuse::WholeSlab);
    let moves = load.settle(pins);
    assert!(load.size() <= 32 * KIB, "{moves:?}");
    assert!(moves[0].to_string().starts_with("shrank from 256 KiB to 128 KiB: "), "{}", moves[0]);
}

#[test]
fn loads_that_alternate_are_followed_ever_more_slowly() {
    let mut load = Load::new(64 * KIB, Reuse::WholeSlab);
    let mut moves = Vec::new();
    for _ in 0..10 {
        moves.push(load.settle(large).len());
        moves.push(load.settle(pins).len());
    }
    let (early, late): (usize, usize) = (moves[..10].iter().sum(), moves[10..].iter().sum());
    assert!(early > 0 && late <= early, "{moves:?}");
    assert!(moves.iter().sum::<usize>() < 100, "{moves:?}");
}

#[test]
fn bounds_hold_whatever_is_seen() {
    for (min, max) in [(64 * KIB, 64 * KIB), (1, 3), (100_000, 300_000), (1, usize::MAX)] {
        let size = (64 * KIB).clamp(min, max);
        for see in [in_place, large, pins] {
            let mut load = Load { adapt: Adapt::new(min, max, size, Reuse::AroundThePin) };
            for made in load.settle(see) {
                assert!((min..=max).contains(&made.to) && made.to != made.from, "{min} {max} {made:?}");
            }
        }
    }
}

#[test]
fn what_was_seen_of_another_size_does_not_count() {
    let mut load = Load::new(64 * KIB, Reuse::AroundThePin);
    let mut seen = Seen::default();
    (0..1000).for_each(|_| seen.alone(32 * KIB, 200_000));
    assert!(!load.adapt.take(&mut seen));
    assert_eq!(seen, Seen::default(), "it is taken all the same");
}
