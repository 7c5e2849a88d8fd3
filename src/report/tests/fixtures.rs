//! Views as `raw` hands them over, made by hand.

use core::panic::Location;
use std::time::{Duration, SystemTime};

use super::server;
use crate::config::{Config, Key, Level, SetBy, Setting};
use crate::policy::RetainPolicy;
use crate::raw::{Backing, SlabView, SliceKind, SlotView};
use crate::report::PinReport;
use crate::report::model::ReportMeta;
use crate::track::Tag;

pub(super) const MIB: usize = 1 << 20;

/// The clock of [`meta`]: two minutes.
pub(super) const NOW: u32 = 12_000;

/// Of a pool with this name, and slabs of 10 MiB because the environment said so.
fn config() -> Vec<Setting> {
    let mut config = Config::default();
    config.put(Key::Name, SetBy::Code, |config| config.name = "tls".to_owned());
    config.put(Key::MaxBytes, SetBy::File, |config| config.max_bytes = Some(1 << 30));
    let by = SetBy::Env("SLAB_BUFFER_SIZE".to_owned());
    config.put(Key::SlabSize, by, |config| config.set_slab_size((10 * MIB).into()));
    config.settings()
}

pub(super) fn meta() -> ReportMeta {
    ReportMeta {
        pool: "tls".to_owned(),
        slab_size: 10 * MIB,
        level: Level::Sites,
        retain_policy: RetainPolicy::new(1024, 16),
        backing: Backing::new("heap"),
        config: config(),
        config_warnings: Vec::new(),
        slab_size_moves: Vec::new(),
        taken_at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
        now_tick: NOW,
        memory_bytes: 0,
        idle_bytes: 0,
        ledger_bytes: 0,
        names_bytes: 0,
    }
}

pub(super) fn slab(id: u64, size: usize, slots: Vec<SlotView>) -> SlabView {
    SlabView {
        id,
        generation: 1,
        size,
        attached: false,
        foreign: false,
        suspect: false,
        handles: slots.len() as u64,
        untracked: 0,
        level: Level::Sites,
        attached_tick: NOW - 200,
        retired_tick: Some(NOW - 100),
        resident: None,
        slots,
    }
}

pub(super) fn slot(
    offset: usize,
    len: usize,
    tag: Option<&'static str>,
    site: Option<&'static Location<'static>>,
) -> SlotView {
    SlotView {
        offset,
        len,
        site,
        tag: tag.map_or(0, |name| Tag::new(name).number()),
        kind: SliceKind::Shared,
        thread: 1,
        tick: 0,
        scope: 0,
        first_hint: 0,
        last_hint: 0,
        trace: 0,
    }
}

pub(super) fn build(views: Vec<SlabView>) -> PinReport {
    PinReport::build(meta(), views)
}

/// Twelve slabs that a head of 20 bytes each keeps alive.
pub(super) fn trap() -> Vec<SlabView> {
    (0..12)
        .map(|n| {
            let mut view =
                slab(n, 10 * MIB, vec![slot(1_400 * n as usize, 20, Some("req.head"), Some(server::read_head()))]);
            view.attached_tick = NOW - 300 - 900 * n as u32;
            view.retired_tick = Some(view.attached_tick + 250);
            view
        })
        .collect()
}

/// The trap amid the ordinary life of a server.
pub(super) fn server_under_load() -> Vec<SlabView> {
    let mut views = trap();
    let body = |n: usize| slot(100_000 + n * 16_384, 16_384, Some("body"), Some(server::read_body()));
    // Full of bodies, beside one head.
    let mut full: Vec<_> = (0..600).map(body).collect();
    full.push(slot(20, 20, Some("req.head"), Some(server::read_head())));
    full.last_mut().unwrap().tick = NOW - 42;
    views.push(slab(12, 10 * MIB, full));
    // The slab a thread reads into right now.
    let mut writable = slot(0, 16_384, None, Some(server::read_body()));
    writable.kind = SliceKind::Mut;
    let mut view = slab(13, 10 * MIB, vec![writable, slot(16_384, 900, None, Some(server::write_frame()))]);
    view.attached = true;
    view.retired_tick = None;
    views.push(view);
    views
}

/// Two full lives of a report: with and without room for the rest.
pub(super) fn server_meta() -> ReportMeta {
    ReportMeta { memory_bytes: 160 * MIB, idle_bytes: 20 * MIB, ledger_bytes: 24 * 1024, ..meta() }
}

/// Keeps a name for the life of the process, where a leak checker finds it.
pub(super) fn forever(name: String) -> &'static str {
    static NAMES: std::sync::RwLock<Vec<&'static str>> = std::sync::RwLock::new(Vec::new());
    let name: &'static str = name.leak();
    NAMES.write().unwrap().push(name);
    name
}
