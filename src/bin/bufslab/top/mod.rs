//! `bufslab top`: what pins slabs, as it happens.
//!
//! | file | part |
//! |---|---|
//! | `feed` | a thread that asks for reports |
//! | `history` | what was seen before: growth and trends |
//! | `plain` | a table for each interval, where nobody looks at a terminal |
//! | `live` | the terminal, its keys and its end |
//! | `state` | which table, sorted how, what is selected |
//! | `draw`, `panes`, `chart`, `theme` | the screen |

mod chart;
mod draw;
mod feed;
mod history;
mod live;
mod panes;
mod plain;
mod state;
mod theme;

use std::io::{self, IsTerminal};

use crate::args::TopArgs;
use crate::failure::{Failure, Outcome};

pub fn run(args: &TopArgs) -> Result<Outcome, Failure> {
    if !args.source.is_live() && !args.once {
        let text =
            format!("ADDR is {}: a file does not change by itself; look at it with `bufslab report`", args.source);
        return Err(Failure::new(text));
    }
    if args.interval.is_zero() {
        return Err(Failure::new("--interval is 0: it must be at least 1ms"));
    }
    if args.once || !io::stdout().is_terminal() { plain::run(args) } else { live::run(args) }
}
