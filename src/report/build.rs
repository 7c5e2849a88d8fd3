//! From raw views to a report: clip, sort, add up. O(n log n) in the number of slices.

use core::time::Duration;

use super::blame::Tables;
use super::model::{Age, PinReport, PinnedSlab, PinnedSlice, ReportMeta, Totals};
use crate::raw::{SlabView, SliceKind, SlotView};
use crate::track::{self, ScopeName, Site, Tag, TraceId};

impl PinReport {
    /// Computes a report from what was seen of each slab. Views that nothing pins are left out; of a slab that was seen
    /// twice the later life counts.
    pub(crate) fn build(meta: ReportMeta, mut views: Vec<SlabView>) -> PinReport {
        views.sort_unstable_by_key(|view| (view.id, core::cmp::Reverse(view.generation)));
        views.dedup_by_key(|view| view.id);

        let scopes = track::scope_names();
        let slabs = views
            .into_iter()
            .filter(|view| view.handles > 0 || view.untracked > 0 || !view.slots.is_empty())
            .map(|view| pinned_slab(view, meta.now_tick, &scopes));
        let mut clipped = 0;
        let slabs = slabs
            .map(|(slab, over)| {
                clipped += over;
                slab
            })
            .collect();
        PinReport::assemble(meta, slabs, clipped)
    }

    /// The report as if nothing were there but these slices, and the slabs that they pin.
    pub(crate) fn only(&self, keep: impl Fn(&PinnedSlice) -> bool) -> PinReport {
        let slabs = self.slabs.iter().filter_map(|slab| {
            let slices: Vec<PinnedSlice> = slab.slices.iter().copied().filter(&keep).collect();
            let live_bytes = covered(&slices);
            let handles = slices.len();
            let waste_bytes = slab.size - live_bytes;
            let only = PinnedSlab { slices, handles, live_bytes, waste_bytes, untracked: 0, in_motion: 0, ..*slab };
            Some(only).filter(|slab| slab.handles > 0)
        });
        let slabs = slabs.collect();
        let whole = self;
        let meta = ReportMeta {
            pool: whole.pool.clone(),
            slab_size: whole.slab_size,
            level: whole.level,
            retain_policy: whole.retain_policy,
            backing: whole.backing.clone(),
            config: whole.config.clone(),
            config_warnings: whole.config_warnings.clone(),
            slab_size_moves: whole.slab_size_moves.clone(),
            taken_at: whole.taken_at,
            now_tick: (whole.uptime.as_millis() / u128::from(Age::TICK_MS)) as u32,
            memory_bytes: whole.totals.memory_bytes,
            idle_bytes: whole.totals.idle_bytes,
            ledger_bytes: whole.totals.ledger_bytes,
            names_bytes: whole.totals.names_bytes,
        };
        PinReport { traces: whole.traces.clone(), ..PinReport::assemble(meta, slabs, 0) }
    }

    /// Adds slabs up to a report. `clipped` slices passed the end of theirs.
    pub(crate) fn assemble(meta: ReportMeta, mut slabs: Vec<PinnedSlab>, clipped: usize) -> PinReport {
        let mut totals = Totals {
            clipped,
            memory_bytes: meta.memory_bytes,
            idle_bytes: meta.idle_bytes,
            ledger_bytes: meta.ledger_bytes,
            names_bytes: meta.names_bytes,
            ..Totals::default()
        };
        slabs.iter().for_each(|slab| count(slab, &mut totals));
        totals.resident_bytes = match slabs.is_empty() {
            true => meta.backing.page_size.map(|_| 0),
            false => slabs.iter().try_fold(0, |sum: usize, slab| Some(sum.saturating_add(slab.resident_bytes?))),
        };
        // Before they are sorted by age: no figure is to depend on it.
        let tables = Tables::of(&slabs);
        slabs.sort_unstable_by_key(|slab| {
            let oldest_first = core::cmp::Reverse(slab.age.max());
            (core::cmp::Reverse(slab.waste_bytes), oldest_first, slab.id)
        });
        PinReport {
            pool: meta.pool,
            slab_size: meta.slab_size,
            level: meta.level,
            retain_policy: meta.retain_policy,
            backing: meta.backing,
            config: meta.config,
            config_warnings: meta.config_warnings,
            slab_size_moves: meta.slab_size_moves,
            taken_at: meta.taken_at,
            uptime: Duration::from_millis(u64::from(meta.now_tick) * Age::TICK_MS),
            totals,
            advice: tables.advice,
            advice_together: tables.advice_together,
            by_tag: tables.by_tag,
            by_site: tables.by_site,
            by_scope: tables.by_scope,
            by_scope_kind: tables.by_scope_kind,
            by_thread: tables.by_thread,
            slabs,
            traces: Vec::new(),
        }
    }
}

/// Turns one view into its part of the report. The number says how many slices had to be clipped.
fn pinned_slab(view: SlabView, now: u32, scopes: &impl Fn(u32) -> Option<ScopeName>) -> (PinnedSlab, usize) {
    let size = view.size;
    let born_last = view.retired_tick.unwrap_or(now);
    let age = Age::from_ticks(ticks_since(now, born_last), ticks_since(now, view.attached_tick));

    let mut clipped = 0;
    let mut slices: Vec<PinnedSlice> = Vec::with_capacity(view.slots.len());
    for slot in view.slots {
        let scope = scopes(slot.scope);
        slices.push(PinnedSlice { scope, ..pinned_slice(slot, size, now, age, &mut clipped) });
    }
    slices.sort_by_key(|slice| (slice.offset, slice.len));

    let live_bytes = covered(&slices);
    let untracked = saturate(view.untracked);
    let handles = saturate(view.handles);
    let in_motion = handles.abs_diff(slices.len().saturating_add(untracked));
    let slab = PinnedSlab {
        id: view.id,
        generation: view.generation,
        size,
        attached: view.attached,
        foreign: view.foreign,
        suspect: view.suspect,
        level: view.level,
        handles,
        untracked,
        in_motion,
        live_bytes,
        waste_bytes: size - live_bytes,
        resident_bytes: view.resident.map(|bytes| bytes.min(size)),
        age,
        slices,
    };
    (slab, clipped)
}

fn count(slab: &PinnedSlab, totals: &mut Totals) {
    totals.slabs += 1;
    totals.slices += slab.slices.len();
    totals.exported += slab.slices.iter().filter(|slice| slice.kind == SliceKind::Exported).count();
    add(&mut totals.untracked, slab.untracked);
    add(&mut totals.in_motion, slab.in_motion);
    add(&mut totals.pinned_bytes, slab.size);
    add(&mut totals.foreign_bytes, if slab.foreign { slab.size } else { 0 });
    add(&mut totals.live_bytes, slab.live_bytes);
    add(&mut totals.waste_bytes, slab.waste_bytes);
    let fate = match slab.fate() {
        Fate::Reclaimable => &mut totals.reclaimable_bytes,
        Fate::Attached => &mut totals.attached_bytes,
        Fate::Unlisted => &mut totals.unlisted_bytes,
        Fate::Writable => &mut totals.writable_bytes,
    };
    add(fate, slab.size);
}

fn pinned_slice(slot: SlotView, slab_size: usize, now: u32, slab_age: Age, clipped: &mut usize) -> PinnedSlice {
    let offset = slot.offset.min(slab_size);
    let len = slot.len.min(slab_size - offset);
    *clipped += usize::from((offset, len) != (slot.offset, slot.len));
    let age = match slot.tick {
        0 => slab_age,
        tick => {
            let ticks = ticks_since(now, tick);
            Age::from_ticks(ticks, ticks)
        }
    };
    PinnedSlice {
        offset,
        len,
        site: slot.site.map(Site::from),
        tag: Tag::from_number(slot.tag),
        scope: None,
        first_hint: Tag::from_number(slot.first_hint),
        last_hint: Tag::from_number(slot.last_hint),
        trace: TraceId::from_number(slot.trace),
        kind: slot.kind,
        thread: slot.thread,
        age,
    }
}

/// Why a slab would be freed by compacting everything, or not.
pub(super) enum Fate {
    Reclaimable,
    Attached,
    Unlisted,
    Writable,
}

impl PinnedSlab {
    pub(super) fn fate(&self) -> Fate {
        if self.attached {
            Fate::Attached
        } else if self.untracked > 0 || self.in_motion > 0 {
            Fate::Unlisted
        } else if self.slices.iter().any(|slice| slice.kind == SliceKind::Mut) {
            Fate::Writable
        } else {
            Fate::Reclaimable
        }
    }

    /// References counted that neither have a slot nor are known to have none.
    pub(super) fn unseen(&self) -> usize {
        self.handles.saturating_sub(self.slices.len().saturating_add(self.untracked))
    }
}

/// Bytes covered by at least one of `slices`, which are sorted by offset.
pub(super) fn covered(slices: &[PinnedSlice]) -> usize {
    let mut bytes = 0;
    let mut end = 0;
    for slice in slices {
        let slice_end = slice.offset + slice.len;
        bytes += slice_end.saturating_sub(slice.offset.max(end));
        end = end.max(slice_end);
    }
    bytes
}

/// Ticks from `then` to `now` on a clock that wraps. Whatever lies up to a minute ahead was stamped after the report
/// read the clock: 0.
fn ticks_since(now: u32, then: u32) -> u32 {
    let ticks = now.wrapping_sub(then);
    if ticks > u32::MAX - 6_000 { 0 } else { ticks }
}

/// Adds; a sum past `usize::MAX` (only views that are nonsense make one) stays there.
pub(super) fn add(sum: &mut usize, n: usize) {
    *sum = sum.saturating_add(n);
}

fn saturate(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
