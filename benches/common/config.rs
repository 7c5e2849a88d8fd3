//! How long criterion measures.

use criterion::Criterion;
use std::time::Duration;

/// A few seconds for each bench.
pub(crate) fn config() -> Criterion {
    Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2))
}
