//! Floor 6: the metrics of pools for the libraries that programs already use. All figures come from the one table
//! [`METRICS`](crate::report::METRICS).
//!
//! | file | library |
//! |---|---|
//! | `facade` | `metrics`, by feature `metrics` |
//! | `collector` | `prometheus-client`, by feature `prometheus-client` |

#[cfg(feature = "prometheus-client")]
mod collector;
#[cfg(feature = "metrics")]
mod facade;

#[cfg(feature = "prometheus-client")]
pub use collector::SlabCollector;
#[cfg(feature = "metrics")]
pub use facade::SlabMetrics;
