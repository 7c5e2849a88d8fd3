//! One run: a fresh server, and what drives it, through all stages of a load.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::child::Server;
use crate::plan::{Kind, Load};
use crate::strace::Strace;
use crate::tools::{Amount, KEYS, Tools};

/// Figures by name. What this system cannot tell is left out.
pub type Figures = BTreeMap<String, f64>;

/// By then the server knows that its clients have gone.
const SETTLE: Duration = Duration::from_millis(200);
/// Traced runs are this long: a tenth of the speed gives enough calls to count.
const TRACED: Amount = Amount { seconds: 0.3, requests: 3_000 };
/// So many go before, for tools that count: nearly all keys have been set then, and most of them more than once.
const FILL: u64 = 3 * KEYS as u64;
/// What calibration sends.
const FIRST: u64 = 5_000;

/// How each run is made.
pub struct Runs<'a> {
    pub tools: &'a Tools,
    pub out: &'a Path,
    pub seconds: f64,
    /// Whether something goes before what is measured.
    pub warm: bool,
}

impl Runs<'_> {
    /// How much each stage of `load` is to do, the same for all kinds. Tools that count are asked how many requests take so long.
    pub fn amounts(&self, load: Load) -> Result<Vec<Amount>> {
        let stages = load.stages().len();
        let Load::Resp { pipeline, .. } = load else {
            return Ok(vec![Amount { seconds: self.seconds, requests: 0 }; stages]);
        };
        let server = Server::start(load.protocol(), Kind::Vec)?;
        let first = Amount { seconds: 0.0, requests: if pipeline > 1 { 4 * FIRST } else { FIRST } };
        let amount = |stage| {
            let seen = self.tools.drive(load, stage, &server.address, first)?;
            let requests = (seen["requests_per_s"] * self.seconds).round().max(1000.0) as u64;
            Ok(Amount { requests, ..first })
        };
        (0..stages).map(amount).collect()
    }

    /// Runs a server of `kind` through the stages of `load`; `amounts` is for each. Returns the figures of each.
    pub fn run(&self, load: Load, kind: Kind, amounts: &[Amount], is_traced: bool) -> Result<Vec<Figures>> {
        let mut server = Server::start(load.protocol(), kind)?;
        let mut all = Vec::new();
        for (stage, &amount) in amounts.iter().enumerate() {
            let what = || format!("{}, {kind}", load.stages()[stage]);
            all.push(self.stage(&mut server, load, stage, amount).with_context(what)?);
        }
        // At the end, so that no stage begins with what the slow one left.
        for (stage, figures) in all.iter_mut().enumerate().filter(|_| is_traced) {
            figures.extend(self.traced(&mut server, load, stage)?);
        }
        Ok(all)
    }

    fn stage(&self, server: &mut Server, load: Load, stage: usize, amount: Amount) -> Result<Figures> {
        if self.warm {
            let less = Amount { seconds: amount.seconds / 4.0, requests: (amount.requests / 4).max(FILL) };
            self.tools.drive(load, stage, &server.address, less)?;
        }
        let before = server.ask()?;
        let (mut figures, resident) = server.watched(|| self.tools.drive(load, stage, &server.address, amount))?;
        let after = server.ask()?;
        thread::sleep(SETTLE);
        let memory = server.memory();
        figures.insert("resident_load_bytes".to_owned(), resident as f64);
        figures.insert("resident_after_bytes".to_owned(), memory.resident as f64);
        figures.insert("resident_peak_bytes".to_owned(), memory.peak as f64);
        figures.extend(used(&before, &after));
        Ok(figures)
    }

    /// The system calls of a short run.
    fn traced(&self, server: &mut Server, load: Load, stage: usize) -> Result<Figures> {
        let amount = match load {
            Load::Resp { pipeline, .. } if pipeline > 1 => Amount { requests: 4 * TRACED.requests, ..TRACED },
            _ => TRACED,
        };
        let file = self.out.join("strace.txt");
        let before = server.ask()?;
        let strace = Strace::attach(server.pid, &file)?;
        self.tools.drive(load, stage, &server.address, amount)?;
        let calls = strace.detach(&file)?;
        let after = server.ask()?;
        let requests = grown(&before, &after, "requests").filter(|&count| count > 0.0).context("nothing was served")?;
        let mut figures = Figures::from([("syscalls_per_request".to_owned(), calls.values().sum::<f64>() / requests)]);
        figures.extend(calls.into_iter().map(|(name, count)| (format!("syscall_{name}"), count / requests)));
        Ok(figures)
    }
}

fn grown(before: &Value, after: &Value, name: &str) -> Option<f64> {
    Some(after[name].as_f64()? - before[name].as_f64()?)
}

/// What the server says of a stage, for each request that it answered.
fn used(before: &Value, after: &Value) -> Figures {
    let grown = |name: &str| grown(before, after, name);
    let answered = grown("requests").filter(|&count| count > 0.0);
    let each = |name: &str| Some(grown(name)? / answered?);
    let figures = [
        ("requests", answered),
        ("refused", grown("refused")),
        ("cpu_us_per_request", each("cpu_ns").map(|ns| ns / 1e3)),
        ("allocations", grown("allocations")),
        ("allocations_per_request", each("allocations")),
        ("allocated_bytes_per_request", each("allocated_bytes")),
        ("reads_per_request", each("reads")),
        ("writes_per_request", each("writes")),
        ("faults_per_request", each("faults")),
        ("kept", after["kept"].as_f64()),
        ("kept_bytes", after["kept_bytes"].as_f64()),
    ];
    figures.into_iter().filter_map(|(name, figure)| Some((name.to_owned(), figure?))).collect()
}
