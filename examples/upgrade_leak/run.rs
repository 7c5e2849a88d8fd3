//! One run from its first upload to its last check.

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
#[cfg(unix)]
use bufslab::MmapSource;
use bufslab::{PinReport, RecordOptions, Recording, SlabPool};

use crate::clients::{self, SOCKET_RATE, Schedule, Socket, UPLOAD_BYTES, UPLOAD_RATE, join};
use crate::clock::Clock;
use crate::letting_go::{self, LetGo};
use crate::measure::{Sample, resident_bytes, slope};
use crate::plan::{Case, Mode};
use crate::progress::Progress;
use crate::server::Server;
use crate::tls::Tls;

/// How long and how fast.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub virtual_seconds: u32,
    pub speed: f64,
}

/// What one run gave.
pub struct Run {
    pub case: Case,
    pub virtual_seconds: u32,
    /// WebSockets that were opened, and stayed open.
    pub connections: u64,
    /// Uploads of the schedule; the flat-out ones are not in it.
    pub uploads: u64,
    pub samples: Vec<Sample>,
    /// What was let go of on the way.
    pub let_go: LetGo,
    /// Bytes of heads that outlived their slab.
    pub outlived_bytes: usize,
    /// Uploads a second of real time, sent back to back at the end of the run.
    pub uploads_per_s: f64,
    /// What pins the slabs after a third of the schedule: what the end is compared with.
    pub base: PinReport,
    /// What pins the slabs at its end.
    pub report: PinReport,
}

impl Run {
    pub fn bytes_uploaded(&self) -> u64 {
        self.uploads * UPLOAD_BYTES as u64
    }

    /// Growth of the pinned bytes in bytes a virtual second.
    pub fn pinned_slope(&self) -> f64 {
        let points: Vec<_> = self.samples.iter().map(|s| (s.t, s.pool.pinned as f64)).collect();
        slope(&points, f64::from(self.virtual_seconds))
    }

    /// What the clients did not manage in time, if anything.
    pub fn shortfall(&self) -> Option<String> {
        let length = f64::from(self.virtual_seconds);
        let scenario = self.case.scenario;
        let load = [
            ("uploads", UPLOAD_RATE, self.uploads, scenario.has_uploads()),
            ("WebSockets", SOCKET_RATE, self.connections, scenario.has_websockets()),
        ];
        let missed: Vec<String> = load
            .into_iter()
            .filter(|&(_, rate, done, wanted)| wanted && done < (rate * length) as u64)
            .map(|(what, rate, done, _)| format!("{done} {what} ({:.2} a second, not {rate})", done as f64 / length))
            .collect();
        (!missed.is_empty())
            .then(|| format!("{}: the clients fell behind and made {}", self.case, missed.join(" and ")))
    }
}

/// Makes one run: a fresh pool that only this server knows, a fresh server, its clients. What the schedule asks of the pool goes to
/// the file `trace`, if there is one.
pub fn run(case: Case, pace: Pace, tls: &Tls, progress: &Progress, index: usize, trace: Option<&Path>) -> Result<Run> {
    let builder = SlabPool::builder().name("tls").slab_size(case.slab_size).reuse(case.mode.reuse());
    #[cfg(unix)]
    let builder = if case.mode == Mode::Punch { builder.source(MmapSource::new()) } else { builder };
    let pool = builder.build().with_context(|| format!("--slab-size {}", case.slab_size))?;
    let recording = trace.map(|_| pool.record(RecordOptions::new())).transpose()?;
    let server = Server::start(pool.clone(), case.mode, tls.server.clone())?;
    let end_of_schedule = || recording.zip(trace).map_or(Ok(()), |(recording, path)| keep(recording, path));
    let result = drive(case, pace, tls, &pool, &server, progress, index, end_of_schedule);
    let outcome = server.finish().with_context(|| format!("{case}"))?;
    match result {
        // The WebSockets are still open here: what the server kept for them is still there.
        Ok((run, _sockets)) => outcome.check(case.mode, run.connections).map(|()| run),
        Err(error) => Err(match outcome.failure {
            Some(cause) => error.context(format!("the server had trouble ({cause:#})")),
            None => error,
        }),
    }
    .with_context(|| format!("{case}"))
}

/// Writes what was recorded.
fn keep(recording: Recording, path: &Path) -> Result<()> {
    let trace = recording.stop();
    fs::write(path, trace.to_bytes()?).with_context(|| format!("--trace {}", path.display()))
}

/// The clients' side of a run.
#[expect(clippy::too_many_arguments, reason = "what a run is made of")]
fn drive(
    case: Case,
    pace: Pace,
    tls: &Tls,
    pool: &SlabPool,
    server: &Server,
    progress: &Progress,
    index: usize,
    end_of_schedule: impl FnOnce() -> Result<()>,
) -> Result<(Run, Vec<Socket>)> {
    // Should the run end before its third, this is the first report.
    let base = RefCell::new(pool.report());
    let let_go = RefCell::new(LetGo::default());
    let virtual_second = Duration::from_secs_f64(1.0 / pace.speed);
    let (samples, uploads, mut sockets) = scheduled_load(case, pace, tls, server, |second, sample| {
        let_go.borrow_mut().step(case.mode, pool, virtual_second);
        if second == pace.virtual_seconds / 3 {
            base.replace(pool.report());
        }
        progress.sample(index, &case, second, pace.virtual_seconds, sample);
    })?;
    end_of_schedule()?;
    let report = pool.report();
    progress.flat_out(index, &case);
    let uploads_per_s = clients::upload_flat_out(tls, server.address(), flat_out_time(pace))?;
    clients::check_alive(&mut sockets)?;
    let run = Run {
        case,
        virtual_seconds: pace.virtual_seconds,
        connections: sockets.len() as u64,
        uploads,
        samples,
        let_go: let_go.into_inner(),
        outlived_bytes: letting_go::outlived(sockets.len() as u64, &report)?,
        uploads_per_s,
        base: base.into_inner(),
        report,
    };
    Ok((run, sockets))
}

/// A third of the run's real time, within reason.
fn flat_out_time(pace: Pace) -> Duration {
    let real = f64::from(pace.virtual_seconds) / pace.speed;
    Duration::from_secs_f64((real / 3.0).clamp(0.5, 2.0))
}

/// The published load, with a sample each virtual second.
fn scheduled_load(
    case: Case,
    pace: Pace,
    tls: &Tls,
    server: &Server,
    show: impl Fn(u32, &Sample),
) -> Result<(Vec<Sample>, u64, Vec<Socket>)> {
    let stop = AtomicBool::new(false);
    let clock = Clock::start(pace.speed);
    let virtual_seconds = f64::from(pace.virtual_seconds);
    let schedule = Schedule { clock, virtual_seconds, stop: &stop };
    let address = server.address();
    thread::scope(|scope| {
        let uploads = case
            .scenario
            .has_uploads()
            .then(|| scope.spawn(|| or_stop(&stop, clients::upload_on_schedule(schedule, tls, address))));
        let sockets = case
            .scenario
            .has_websockets()
            .then(|| scope.spawn(|| or_stop(&stop, clients::open_on_schedule(schedule, tls, address))));
        let samples = or_stop(&stop, sample_each_second(schedule, server, show));
        let uploads = uploads.map_or(Ok(0), |client| join(client.join()));
        let sockets = sockets.map_or(Ok(Vec::new()), |client| join(client.join()));
        Ok((samples?, uploads?, sockets?))
    })
}

fn sample_each_second(schedule: Schedule<'_>, server: &Server, show: impl Fn(u32, &Sample)) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    for second in 1..=schedule.virtual_seconds as u32 {
        schedule.clock.sleep_until(f64::from(second));
        if schedule.stop.load(Ordering::Relaxed) {
            break;
        }
        let pool = server.measure()?;
        let sample = Sample { t: schedule.clock.now(), pool, rss: resident_bytes() };
        show(second, &sample);
        samples.push(sample);
    }
    Ok(samples)
}

/// Passes a result on; a failure tells the others to stop.
fn or_stop<T>(stop: &AtomicBool, result: Result<T>) -> Result<T> {
    if result.is_err() {
        stop.store(true, Ordering::Relaxed);
    }
    result
}
