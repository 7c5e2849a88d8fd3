//! Recording a pool from afar: begun, looked at, ended and fetched.

use super::console::{Console, Refusal};
use super::response::Response;
use crate::config::Text;
use crate::pool::SlabPool;
use crate::record::RecordOptions;

/// What a trace's file is served as.
const TRACE: &str = "application/octet-stream";

impl Console {
    fn recorded(&self, pool: usize) -> Result<&SlabPool, Refusal> {
        if !self.may_record() {
            let how = "recording is not enabled: the program enables it by allow_recording(true)";
            return Err(Refusal::new(403, how));
        }
        Ok(&self.pools()[pool])
    }

    /// How the pool's recording stands.
    pub(super) fn recording(&self, pool: usize) -> String {
        match self.pools()[pool].recording() {
            Some(state) => state.to_string(),
            None => "nothing is recorded".to_owned(),
        }
    }

    /// Begins to record, one allocation in so many, in so many bytes of memory.
    pub(super) fn begin_recording(
        &self,
        pool: usize,
        one_in: Option<&str>,
        max_bytes: Option<&str>,
    ) -> Result<String, Refusal> {
        let pool = self.recorded(pool)?;
        let mut options = RecordOptions::new();
        if let Some(text) = one_in {
            let wrong = || Refusal::new(400, "one_in must be a number from 1: of how many allocations one is recorded");
            let n = text.parse().ok().filter(|&n: &u32| n > 0).ok_or_else(wrong)?;
            options = options.one_in(n);
        }
        if let Some(text) = max_bytes {
            let wrong = || Refusal::new(400, format!("max_bytes must be {}", usize::allowed()));
            let bytes = usize::parse(text.trim()).ok_or_else(wrong)?;
            options = options.max_bytes(bytes);
        }
        let recording = pool.record(options).map_err(|error| Refusal::new(409, error.to_string()))?;
        recording.leave_running();
        Ok(pool.recording().map_or_else(String::new, |state| state.to_string()))
    }

    /// Ends the recording and leaves it to be fetched.
    pub(super) fn end_recording(&self, pool: usize) -> Result<String, Refusal> {
        let state = self.recorded(pool)?.end_recording().ok_or_else(nothing)?;
        Ok(format!("{state}; POST /debug/slabs/recording/stop fetches it"))
    }

    /// Ends the recording and answers with its file.
    pub(super) fn fetch_recording(&self, pool: usize) -> Result<Response, Refusal> {
        let trace = self.recorded(pool)?.stop_recording().ok_or_else(nothing)?;
        let file =
            trace.to_bytes().map_err(|error| Refusal::new(500, format!("what was recorded is no trace: {error}")))?;
        let name = "attachment; filename=\"recorded.slabtrace\"";
        Ok(Response::known(200, TRACE, file).with("Content-Disposition", name))
    }
}

fn nothing() -> Refusal {
    Refusal::new(404, "nothing is recorded: POST /debug/slabs/recording begins")
}
