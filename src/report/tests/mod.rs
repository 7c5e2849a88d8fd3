//! Tests of the report.
//!
//! | file | catches |
//! |---|---|
//! | `twin` | wrong sums: random slabs, torn ones among them, against a byte map that is too simple to be wrong |
//! | `edges` | single cases: clipping, motion, ages on a clock that wraps, ties, size |
//! | `shown` | a text that is too wide, misleading, or breaks under hostile names |
//! | `json` | a file that a JSON parser refuses or reads differently |
//! | `html` | a page that lacks something, or that a name breaks out of |

mod edges;
mod fixtures;
mod html;
mod json;
mod server;
mod shown;
mod twin;
