//! Instructions of single operations, for callgrind: what does not depend on how busy the machine is.
//!
//! `.ci/instructions` builds this, runs each operation under valgrind, and compares with the ceilings in `benches/instructions.toml`.
//! By itself the program measures nothing: it does an operation so many times and says how many that were. Callgrind is told to count
//! inside of [`count::callgrind_counts`] alone, so that what an operation needs to have in place, and the first rounds, in which pool and
//! thread get their memory, are not counted. What is counted besides the operation is the loop around it and the store of its result.

#![allow(missing_docs)]

#[path = "../common/mod.rs"]
mod common;
mod count;
mod handles;
mod ops;
mod pools;

use ops::OPS;
use std::process::ExitCode;

const HELP: &str = "\
Does one operation of bufslab so many times, for callgrind to count instructions; .ci/instructions does it all

usage: instructions OPERATION ROUNDS   does it, and prints how many operations that were
       instructions --list             names every operation, and says what it is
       instructions --test             does a few of each
       instructions --help             prints this";

fn main() -> ExitCode {
    // Cargo adds `--bench` to what it is told.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] | ["-h" | "--help"] => println!("{HELP}"),
        ["--list"] => OPS.iter().for_each(|op| println!("{}\t{}", op.name, op.what)),
        ["--test"] => OPS.iter().for_each(|op| println!("{}: {} of them", op.name, (op.run)(2))),
        [name, rounds] => {
            let Some(op) = OPS.iter().find(|op| op.name == name) else {
                eprintln!("there is no operation {name:?}; --list names them");
                return ExitCode::FAILURE;
            };
            let Some(rounds) = rounds.parse().ok().filter(|&rounds| rounds > 0) else {
                eprintln!("ROUNDS is {rounds:?}: it must be a number from 1 on");
                return ExitCode::FAILURE;
            };
            println!("{}", (op.run)(rounds));
        }
        _ => {
            eprintln!("{HELP}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
