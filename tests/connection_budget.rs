//! The example `connection_budget` does what it says.
#![allow(missing_docs)]
#![cfg(not(miri))]

#[path = "../examples/connection_budget.rs"]
mod connection_budget;

use connection_budget::{End, run};

#[test]
fn the_greedy_client_is_closed_and_named_and_the_others_go_on() {
    let mut transcript = Vec::new();
    let ends = run(&mut transcript).unwrap();
    let transcript = String::from_utf8(transcript).unwrap();
    let [(1, End::Left(1600)), (2, End::Refused(why)), (3, End::Left(1600))] = &ends[..] else {
        panic!("{ends:?}\n{transcript}");
    };
    assert!(why.contains("conn 2 holds ") && why.contains("more than its quota of 65536"), "{why}");
    let refused: Vec<&str> = transcript.lines().filter(|line| line.starts_with("refused: ")).collect();
    assert!(refused.len() == 1 && refused[0].starts_with("refused: conn 2 holds "), "{transcript}");
    assert!(transcript.contains("conn 2: closed: cannot allocate 1024 bytes: conn 2 holds "), "{transcript}");
    assert!(transcript.ends_with("nothing is left behind: 0 bytes pinned\n"), "{transcript}");
}
