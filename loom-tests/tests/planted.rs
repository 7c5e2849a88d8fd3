//! Each planted bug makes the models that are named for it fail, and no other.
//!
//! A bug may corrupt memory for real, so each model runs in a process of its own. `BUFSLAB_LOOM_FULL=1` runs every model with
//! every bug, which takes long; otherwise only those that have to fail are run.
#![cfg(bufslab_loom)]

use bufslab::model::{Plant, plant};
use loom_tests::{MODELS, model};
use std::collections::VecDeque;
use std::process::{Command, Stdio};
use std::sync::Mutex;

#[path = "planted/table.rs"]
mod table;
use table::{PLANTS, caught_by};

const PLANT: &str = "BUFSLAB_LOOM_PLANT";
const MODEL: &str = "BUFSLAB_LOOM_MODEL";

/// Not a test of its own: what the processes below run.
#[test]
#[ignore = "run by the others with a bug and a model named in the environment"]
fn one() {
    let name = std::env::var(PLANT).expect("a bug");
    let bug = PLANTS.iter().find(|bug| format!("{bug:?}") == name).expect("a bug");
    plant(Some(*bug));
    model(&std::env::var(MODEL).expect("a model")).explore();
}

/// What became of a model with a bug planted: `None` if it passed, or what it failed with.
fn outcome(bug: Plant, model: &str) -> Option<String> {
    let output = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "one", "--ignored", "--nocapture"])
        .envs([(PLANT, format!("{bug:?}")), (MODEL, model.to_owned())])
        .stdin(Stdio::null())
        .output()
        .expect("this test runs itself");
    if output.status.success() {
        return None;
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let mut lines = text.lines().skip_while(|line| !line.contains("panicked at"));
    let what = lines.nth(1).or(text.lines().next()).unwrap_or_default().to_owned();
    assert!(!what.contains("exceeded maximum"), "{bug:?} in {model}: loom gave up: {what}");
    assert!(
        !what.contains("explored only") && !what.contains("never reached"),
        "{bug:?} in {model}: it failed for being empty: {what}"
    );
    Some(what)
}

#[test]
fn each_bug_fails_its_models() {
    let full = std::env::var_os("BUFSLAB_LOOM_FULL").is_some();
    let everything = || MODELS.iter().copied().flatten().map(|model| model.name);
    let jobs = PLANTS.iter().flat_map(|&bug| {
        let wanted = move |name: &&str| full || caught_by(bug).contains(name);
        everything().filter(wanted).map(move |name| (bug, name))
    });
    let (jobs, wrong) = (Mutex::new(jobs.collect::<VecDeque<_>>()), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let Some((bug, name)) = jobs.lock().unwrap().pop_front() else { break };
            let (found, expected) = (outcome(bug, name), caught_by(bug).contains(&name));
            match &found {
                Some(what) => println!("{bug:?} fails {name}: {what}"),
                None if expected => println!("{bug:?} PASSES {name}"),
                None => {}
            }
            if found.is_some() != expected {
                wrong.lock().unwrap().push(format!("{bug:?} in {name}: expected to fail: {expected}, did: {found:?}"));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, |n| n.get()) {
            scope.spawn(work);
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} bugs did not do as they should:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_table_names_every_bug_once_and_models_that_exist() {
    for (at, &bug) in PLANTS.iter().enumerate() {
        assert!(!PLANTS[..at].contains(&bug), "{bug:?} twice");
        assert!(!caught_by(bug).is_empty(), "{bug:?} is caught by nothing");
        for name in caught_by(bug) {
            assert_eq!(model(name).name, *name);
        }
    }
    assert_eq!(
        PLANTS.len(),
        Plant::SumsBelieveBias as usize + 1,
        "a bug is missing from the list, or is not last in `Plant`"
    );
}
