//! What the simulation says is what a real pool does, to within a tenth.

use super::traces::{hand_over, mixed, upgrades};
use bufslab::trace::AllocTrace;
use bufslab::tune::{Setup, lockstep, simulate};
use bufslab::{RetainPolicy, Reuse};

const SIZES: [usize; 5] = [16 << 10, 64 << 10, 100 << 10, 1 << 20, 10 << 20];

fn near(predicted: u64, real: u64, what: &str) {
    let off = predicted.abs_diff(real) as f64 / real.max(1) as f64;
    assert!(off <= 0.10, "{what}: predicted {predicted}, really {real}: {:.1} % off", off * 100.0);
}

fn compare(name: &str, trace: &AllocTrace, setup: &Setup) {
    let predicted = simulate(trace, setup).unwrap();
    let real = lockstep(trace, setup).unwrap();
    let what = |figure: &str| format!("{name}, {figure}, {} {:?}", setup.slab_size, setup.reuse);
    assert_eq!((predicted.steps, predicted.allocations), (real.steps, real.allocations), "{}", what("steps"));
    near(predicted.peak_pinned_bytes, real.peak_pinned_bytes, &what("peak pinned"));
    near(predicted.mean_pinned_bytes, real.mean_pinned_bytes, &what("mean pinned"));
    near(predicted.end_pinned_bytes, real.end_pinned_bytes, &what("end pinned"));
    near(predicted.end_live_bytes, real.end_live_bytes, &what("end live"));
}

fn compare_at_all_sizes(name: &str, trace: &AllocTrace) {
    for size in SIZES {
        for reuse in [Reuse::AroundThePin, Reuse::WholeSlab] {
            let mut setup = Setup::new(size);
            setup.reuse = reuse;
            compare(name, trace, &setup);
        }
    }
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: figures of shared slabs")]
fn traces_that_were_made_up() {
    compare_at_all_sizes("upgrades", &upgrades(4000, 30));
    compare_at_all_sizes("hand over", &hand_over(2000));
    compare_at_all_sizes("mixed", &mixed(3, 6000));
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: figures of shared slabs")]
fn with_what_is_retained() {
    for policy in
        [None, Some(RetainPolicy::default()), Some(RetainPolicy::new(0, 4)), Some(RetainPolicy::new(16, 9999))]
    {
        let mut setup = Setup::new(64 << 10);
        setup.retain = policy;
        setup.retain_tags = vec!["req.head".to_owned(), "cache".to_owned(), "a".to_owned()];
        compare("upgrades", &upgrades(4000, 30), &setup);
        compare("hand over", &hand_over(2000), &setup);
        compare("mixed", &mixed(3, 6000), &setup);
    }
}

/// A sample, as the full trace that it stands for.
#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: figures of shared slabs")]
fn a_sampled_trace() {
    let mut trace = upgrades(500, 30);
    trace.one_in = 4;
    trace.allocations *= 4;
    for step in &mut trace.steps {
        step.position *= 4;
    }
    let setup = Setup::new(64 << 10);
    assert_eq!(lockstep(&trace, &setup).unwrap().allocations, 2000);
    compare("sampled", &trace, &setup);
}

/// The traces that are shipped.
#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: figures of shared slabs")]
fn traces_of_real_servers() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("traces");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "slabtrace") {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let trace = AllocTrace::from_bytes(&std::fs::read(&path).unwrap()).unwrap();
            compare_at_all_sizes(&name, &trace);
            names.push(name);
        }
    }
    assert!(names.len() >= 4, "{names:?}");
}
