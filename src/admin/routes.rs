//! Which address shows what.

use core::time::Duration;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::console::{Console, Refusal, Taken};
use super::pages;
use super::request::Request;
use super::response::{Response, TEXT};
use crate::report::{Format, PoolMetrics, diff, write_prometheus_all};

/// How long a client may ask to have changes watched.
const MAX_SECONDS: u64 = 30;

/// What an address shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Page {
    Index,
    Report(Format),
    Metrics,
    Diff,
    DiffJson,
    Level,
    Compact,
    Recording,
    StopRecording,
}

/// Every address, and what a person is told of it.
pub(super) const PATHS: &[(&str, &str)] = &[
    ("/", "this page"),
    ("/debug/", "this page"),
    ("/debug/slabs", "the report as text, the worst first; ?short for one screen"),
    ("/debug/slabs.html", "the report as a page"),
    ("/debug/slabs.json", "the report as JSON"),
    ("/debug/slabs.csv", "one line for each slice"),
    ("/debug/slabs.heapsnapshot", "for the Memory panel of Chrome's DevTools, and for memlab"),
    ("/debug/slabs.folded", "folded stacks, for flame graphs"),
    ("/debug/pprof/slabs", "for go tool pprof; ?seconds=N for what changes meanwhile"),
    ("/metrics", "all pools, for Prometheus"),
    ("/debug/slabs/diff", "what changed since the last report, or ?since=ID"),
    ("/debug/slabs/diff.json", "the same as JSON"),
    ("/debug/slabs/level", "the tracking level; POST ?level=NAME changes it, if the program allows it"),
    ("/debug/slabs/compact", "POST asks the program to compact, if it allows it"),
    ("/debug/slabs/recording", "how recording stands; POST ?one_in=N&max_bytes=SIZE begins, if the program allows it"),
    ("/debug/slabs/recording/stop", "POST ends recording and answers with the trace"),
];

fn page(path: &str) -> Option<Page> {
    Some(match path {
        "/" | "/debug" | "/debug/" => Page::Index,
        "/debug/slabs" | "/debug/slabs/" | "/debug/slabs.txt" => Page::Report(Format::Text),
        "/debug/slabs.html" => Page::Report(Format::Html),
        "/debug/slabs.json" => Page::Report(Format::Json),
        "/debug/slabs.csv" => Page::Report(Format::Csv),
        "/debug/slabs.heapsnapshot" => Page::Report(Format::HeapSnapshot),
        "/debug/slabs.folded" => Page::Report(Format::Folded),
        "/debug/pprof/slabs" | "/debug/slabs.pb.gz" => Page::Report(Format::Pprof),
        "/metrics" => Page::Metrics,
        "/debug/slabs/diff" => Page::Diff,
        "/debug/slabs/diff.json" => Page::DiffJson,
        "/debug/slabs/level" => Page::Level,
        "/debug/slabs/compact" => Page::Compact,
        "/debug/slabs/recording" => Page::Recording,
        "/debug/slabs/recording/stop" => Page::StopRecording,
        _ => return None,
    })
}

impl Page {
    fn methods(self) -> &'static str {
        match self {
            Page::Level | Page::Recording => "GET, HEAD, POST",
            Page::Compact | Page::StopRecording => "POST",
            _ => "GET, HEAD",
        }
    }
}

impl Console {
    /// Answers a request. Takes as long as a report of its pool does, and then as long as `out` of
    /// [`write_body`](Response::write_body).
    ///
    /// Every request gets an answer: a report that panics becomes the status 500. Of a `HEAD` request only the headers
    /// are made; a server sends no body then.
    pub fn respond(&self, request: &Request<'_>) -> Response {
        // The console's own state is consistent at any point where something may panic.
        let answer = catch_unwind(AssertUnwindSafe(|| self.answer(request)));
        let refused = |refusal: Refusal| {
            let response = Response::text(refusal.status, refusal.text);
            if refusal.status == 503 { response.with("Retry-After", "1") } else { response }
        };
        match answer {
            Ok(answer) => answer.unwrap_or_else(refused),
            Err(_) => Response::text(500, "answering this panicked; the program's standard error says where"),
        }
    }

    fn answer(&self, request: &Request<'_>) -> Result<Response, Refusal> {
        if let Some(refused) = self.hosts().refuse(request) {
            return Ok(refused);
        }
        let Some(page) = page(request.path()) else {
            return Ok(Response::known(404, TEXT, pages::not_found(request.path())));
        };
        let head = request.method() == "HEAD";
        let method = if head { "GET" } else { request.method() };
        if !page.methods().split(", ").any(|known| known == method) {
            let text = format!("this address answers {}", page.methods());
            return Ok(Response::text(405, text).with("Allow", page.methods()));
        }
        let pool = self.pool_called(request.parameter("pool").as_deref())?;
        match page {
            Page::Index => Ok(pages::index(self, request.path())),
            Page::Report(format) => self.report(request, pool, format, head),
            Page::Metrics => self.metrics(),
            Page::Diff | Page::DiffJson => {
                let json = page == Page::DiffJson
                    || request.parameter("format").as_deref() == Some("json")
                    || request.lists("accept", "application/json");
                self.diff(pool, request.parameter("since").as_deref(), json, head)
            }
            Page::Level if method == "GET" => Ok(Response::text(200, self.pools()[pool].tracking())),
            Page::Level => {
                let level = request.parameter("level");
                let level = level.ok_or_else(|| Refusal::new(400, "say which level: POST .../level?level=sites"))?;
                self.change_level(pool, &level).map(|text| Response::text(200, text))
            }
            Page::Compact => self.compact(pool).map(|text| Response::text(200, text)),
            Page::Recording if method == "GET" => Ok(Response::text(200, self.recording(pool))),
            Page::Recording => {
                let (one_in, max_bytes) = (request.parameter("one_in"), request.parameter("max_bytes"));
                self.begin_recording(pool, one_in.as_deref(), max_bytes.as_deref())
                    .map(|text| Response::text(200, text))
            }
            Page::StopRecording => self.fetch_recording(pool),
        }
    }

    fn report(&self, request: &Request<'_>, pool: usize, format: Format, head: bool) -> Result<Response, Refusal> {
        let format = match request.parameter("format") {
            Some(name) if format == Format::Text => {
                name.parse().map_err(|error| Refusal::new(400, format!("{error}")))?
            }
            _ => format,
        };
        if format == Format::Pprof && !head {
            if let Some(seconds) = request.parameter("seconds").filter(|seconds| seconds != "0") {
                return self.growth(pool, &seconds);
            }
        }
        let short = format == Format::Text && request.parameter("short").is_some();
        let taken = if head { None } else { Some(self.take(pool)?) };
        let id = taken.as_ref().and_then(Taken::id);
        let write = {
            let id = id.clone();
            move |out: &mut dyn io::Write| match &taken {
                None => Ok(()),
                Some(taken) if short => writeln!(out, "{}", taken.report()),
                Some(taken) => match (&id, format) {
                    (Some(id), Format::Json) => taken.report().write_json_served(id, out),
                    _ => taken.report().write_as(format, out),
                },
            }
        };
        let mut response = Response::written(format.content_type(), Box::new(write));
        if let Some(id) = id {
            response = told_id(response, &id);
        }
        let shown = matches!(format, Format::Text | Format::Html | Format::Json | Format::Folded);
        Ok(if shown { response } else { attached(response, format) })
    }

    /// A profile of what changed in the next seconds, as `go tool pprof -seconds` asks for.
    fn growth(&self, pool: usize, seconds: &str) -> Result<Response, Refusal> {
        let allowed =
            || Refusal::new(400, format!("seconds may be from 1 to {MAX_SECONDS}, for what changes meanwhile"));
        let seconds = seconds.parse().ok().filter(|seconds| (1..=MAX_SECONDS).contains(seconds)).ok_or_else(allowed)?;
        let before = self.glance(pool)?;
        if !self.nap(Duration::from_secs(seconds)) {
            return Err(Refusal::new(503, "the server is about to end"));
        }
        let taken = self.take(pool)?;
        let id = taken.id().unwrap_or_default();
        let write = move |out: &mut dyn io::Write| taken.report().write_pprof_delta(before.report(), out);
        let response = Response::written(Format::Pprof.content_type(), Box::new(write));
        Ok(attached(told_id(response, &id), Format::Pprof))
    }

    /// All pools. It is small, so it is made at once and no report is in memory while it is sent.
    fn metrics(&self) -> Result<Response, Refusal> {
        let mut pools = Vec::new();
        for pool in self.pools() {
            let _permit = self.permit()?;
            pools.push(PoolMetrics::of(pool));
        }
        let mut text = Vec::new();
        write_prometheus_all(&pools, &mut text)
            .map_err(|error| Refusal::new(500, format!("cannot write the metrics: {error}")))?;
        Ok(Response::known(200, Format::Prometheus.content_type(), text))
    }

    fn diff(&self, pool: usize, since: Option<&str>, json: bool, head: bool) -> Result<Response, Refusal> {
        let found = match since.filter(|id| !id.is_empty()) {
            Some(id) => self.past().find(pool, id),
            None => self.past().latest(pool),
        };
        let (from, before) = found.map_err(|unknown| Refusal::new(404, unknown.0))?;
        let content_type = if json { Format::Json } else { Format::Text }.content_type();
        let from = self.past().id(from);
        if head {
            return Ok(Response::written(content_type, Box::new(|_| Ok(()))).with("Bufslab-Since-Id", from));
        }
        let taken = self.take(pool)?;
        let id = taken.id().unwrap_or_default();
        let diff = diff(&before, taken.report());
        // The report goes before the answer is sent.
        drop(taken);
        let write = move |out: &mut dyn io::Write| if json { diff.write_json(out) } else { writeln!(out, "{diff:#}") };
        Ok(told_id(Response::written(content_type, Box::new(write)), &id).with("Bufslab-Since-Id", from))
    }
}

/// For browsers: to be saved under this name rather than shown.
fn attached(response: Response, format: Format) -> Response {
    response.with("Content-Disposition", format!("attachment; filename=\"pins.{}\"", format.extension()))
}

/// Tells what `diff?since=` may name.
fn told_id(response: Response, id: &str) -> Response {
    response.with("Bufslab-Report-Id", id).with("ETag", format!("\"{id}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_path_is_a_page() {
        for (path, _) in PATHS {
            assert!(page(path).is_some(), "{path}");
        }
        for path in ["", "/debug/slabs.xml", "/debug/slabs/diff/", "//", "/debug/slabs/../slabs", "/%64ebug/slabs"] {
            assert_eq!(page(path), None, "{path}");
        }
    }
}
