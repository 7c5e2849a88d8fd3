//! What bufslab and its peers cost, side by side in one process.
//!
//! `cargo bench --bench vs_peers`, in the package above, builds and runs the three programs of this one. They differ in their global
//! allocator alone. Each makes one pass: it goes through the operations, and measures all who take part in one of them in turns,
//! so that whatever the machine does meanwhile hits all alike.
//!
//! * `impls/`: who takes part, each behind one trait for reads and one for sharing.
//! * `ops/`: the operations, written once for whoever has those traits.
//! * `machine.rs`: what the machine takes for the least that an operation could do.
//! * `listed.rs`: the same for a handle that is listed.
//! * `cases.rs`: who takes part in what, and who ranks as a peer there.
//! * `timing.rs`: rounds, batches, medians.
//! * `footprint.rs`: what the ledger takes beside the slabs.

mod cases;
mod footprint;
mod impls;
mod listed;
mod machine;
mod ops;
mod options;
mod placed;
mod random;
mod timing;
pub mod versions;

use options::{Command, Options};
use serde_json::json;
use std::process::ExitCode;

/// Makes one pass, or tells about itself, as the command line says. `version` is that of the allocator.
#[must_use]
pub fn main(allocator: &str, version: &str) -> ExitCode {
    match Command::parse(std::env::args().skip(1)) {
        Ok(Command::Help) => println!("{}", options::HELP),
        Ok(Command::List) => {
            for op in cases::all() {
                for case in &op.cases {
                    println!("{}\t{}\t{}\t{}", op.name, op.n, case.who, if case.peer { "peer" } else { "" });
                }
            }
        }
        Ok(Command::About) => {
            let about = json!({
                "allocator": allocator,
                "version": version,
                "peers": versions::peers(),
                "footprint": footprint::all(),
            });
            println!("{about}");
        }
        Ok(Command::Measure(options)) => println!("{}", measure(allocator, &options)),
        Err(error) => {
            eprintln!("peers_{allocator}: {error}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn measure(allocator: &str, options: &Options) -> serde_json::Value {
    let mut ops = cases::all();
    ops.retain(|op| options.wants(op.name));
    let mut rows = Vec::new();
    let count = ops.len();
    for (at, op) in ops.into_iter().enumerate() {
        eprintln!("  {allocator}: {} ({} of {count}), {} in turns", op.name, at + 1, op.cases.len());
        for (case, ns) in op.cases.iter().zip(timing::in_turns(&op, options)) {
            rows.push(json!({ "op": op.name, "n": op.n, "impl": case.who, "ns": ns, "peer": case.peer }));
        }
    }
    rows.into()
}
