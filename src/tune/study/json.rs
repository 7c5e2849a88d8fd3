//! A study for programs: JSON, described in `docs/tuning.md`.

use super::{Row, Study};
use core::fmt::Write;

impl Study {
    /// The study as JSON: sizes in bytes, times in nanoseconds. The form is versioned
    /// ([`SCHEMA_VERSION`](Study::SCHEMA_VERSION)), its keys are in a fixed order, and [the chapter](crate::docs::tuning) describes it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = format!("{{\n\"schema\":\"bufslab.tune\",\n\"version\":{},\n\"trace\":", Study::SCHEMA_VERSION);
        let mut trace = Object::new();
        trace.text("name", &self.name).number("steps", self.steps).number("allocations", self.allocations);
        trace.number("threads", u64::from(self.threads)).number("millis", self.millis);
        trace.number("one_in", u64::from(self.one_in)).raw("is_cut_short", &self.is_cut_short.to_string());
        trace.number("slab_size", self.recorded_size);
        out += &trace.end();
        out += &format!(",\n\"measured\":{},\n\"setups\":[", self.is_measured());
        for (at, row) in self.rows.iter().enumerate() {
            let is_best = self.recommended == Some(at);
            out += if at == 0 { "\n" } else { ",\n" };
            out += &object(row, is_best);
        }
        out += "\n],\n\"recommended\":";
        match (self.recommended(), self.recommended) {
            (Some(best), Some(at)) => {
                let mut object = Object::new();
                object.number("setup", at as u64).text("reason", &self.reason());
                object.text("env", &best.env_line()).text("builder", &best.builder_line());
                out += &object.end();
            }
            _ => out += "null",
        }
        out += "\n}\n";
        out
    }
}

fn object(row: &Row, is_best: bool) -> String {
    let mut all = Object::new();
    all.number("slab_size", row.slab_size() as u64)
        .text("policy", &row.policy())
        .text("reuse", row.setup.reuse.as_str());
    let tags: Vec<String> = row.setup.retain_tags.iter().map(|tag| string(tag)).collect();
    all.raw("retain_tags", &format!("[{}]", tags.join(",")));
    all.raw("grows", &row.grows.to_string());
    all.raw("is_on_front", &row.is_front.to_string()).raw("is_recommended", &is_best.to_string());
    all.decimal("ns_per_alloc", row.ns_per_alloc()).number("mean_held_bytes", row.mean_held_bytes());

    let run = &row.simulated;
    let mut simulated = Object::new();
    for (key, value) in [
        ("peak_pinned_bytes", run.peak_pinned_bytes),
        ("mean_pinned_bytes", run.mean_pinned_bytes),
        ("end_pinned_bytes", run.end_pinned_bytes),
        ("peak_live_bytes", run.peak_live_bytes),
        ("end_live_bytes", run.end_live_bytes),
        ("peak_memory_bytes", run.peak_memory_bytes),
        ("peak_held_bytes", run.peak_held_bytes),
        ("slabs_taken", run.slabs_taken),
        ("oversize", run.oversize),
        ("slabs_reused", run.slabs_reused),
        ("slabs_reused_in_place", run.slabs_reused_in_place),
        ("slabs_reused_around", run.slabs_reused_around),
        ("copies", run.copies),
        ("copied_bytes", run.copied_bytes),
        ("fresh_bytes", run.fresh_bytes),
        ("cold_bytes", run.cold_bytes),
        ("slab_changes", run.slab_changes),
        ("detaches", run.detaches),
        ("guest_ops", run.guest_ops),
    ] {
        simulated.number(key, value);
    }
    simulated.decimal("modelled_ns_per_alloc", row.modelled_ns_per_alloc());
    all.raw("simulated", &simulated.end());

    let replayed = row.replayed.as_ref().map(|run| {
        let mut replayed = Object::new();
        replayed.number("passes", u64::from(run.passes)).number("rounds", run.rounds);
        replayed.decimal("ns_per_step", run.ns_per_step).decimal("ns_per_alloc", run.ns_per_alloc);
        replayed
            .decimal("gross_ns_per_step", run.gross_ns_per_step)
            .decimal("empty_ns_per_step", run.empty_ns_per_step);
        replayed.decimal("lowest_ns_per_step", run.lowest_ns_per_step);
        replayed.decimal("highest_ns_per_step", run.highest_ns_per_step);
        let resident = run.peak_resident_bytes.map_or("null".to_owned(), |bytes| bytes.to_string());
        replayed.raw("peak_resident_bytes", &resident).number("peak_pinned_bytes", run.peak_pinned_bytes);
        replayed.number("end_pinned_bytes", run.end_pinned_bytes).number("slabs_taken", run.slabs_taken);
        replayed.number("approximated_steps", run.approximated_steps);
        replayed.end()
    });
    all.raw("replayed", replayed.as_deref().unwrap_or("null"));
    all.end()
}

/// A JSON object in the making.
struct Object(String);

impl Object {
    fn new() -> Object {
        Object(String::from("{"))
    }

    fn raw(&mut self, key: &str, value: &str) -> &mut Object {
        let comma = if self.0.len() > 1 { "," } else { "" };
        // A `String` never refuses.
        let _ = write!(self.0, "{comma}{}:{value}", string(key));
        self
    }

    fn number(&mut self, key: &str, value: u64) -> &mut Object {
        self.raw(key, &value.to_string())
    }

    /// With three decimals, for nobody can measure more.
    fn decimal(&mut self, key: &str, value: f64) -> &mut Object {
        let value = if value.is_finite() { format!("{value:.3}") } else { "null".to_owned() };
        self.raw(key, &value)
    }

    fn text(&mut self, key: &str, value: &str) -> &mut Object {
        self.raw(key, &string(value))
    }

    fn end(self) -> String {
        self.0 + "}"
    }
}

fn string(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c < ' ' => _ = write!(out, "\\u{:04x}", c as u32),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
