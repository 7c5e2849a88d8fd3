//! Tests of the report.
//!
//! | file | catches |
//! |---|---|
//! | `twin` | wrong sums: random slabs, torn ones among them, against a byte map that is too simple to be wrong |
//! | `edges` | single cases: clipping, motion, ages on a clock that wraps, ties, size |
//! | `shown` | a text that is too wide, misleading, or breaks under hostile names |
//! | `heap_snapshot` | a snapshot that V8's viewers refuse, or in which something else keeps a slab alive than in the report |
//! | `json` | a file that a JSON parser refuses or reads differently |
//! | `read` | a report that changes when it is written and read back, and files that are believed too much |
//! | `retained` | slabs under the wrong holder in the tree, against sets of paths |
//! | `plan` | a prediction that doing it would refute |
//! | `compare` | diffs that mix up reports, rates over no time, trends that are none |
//! | `outputs` | CSV, folded stacks and pprof whose sums are not the report's, or which a reader takes for something else |
//! | `html` | a page that lacks something, or that a name breaks out of |

mod compare;
mod edges;
mod fixtures;
mod heap_snapshot;
mod html;
mod json;
mod outputs;
mod plan;
#[cfg(feature = "json")]
mod read;
mod retained;
mod server;
mod shown;
mod twin;
