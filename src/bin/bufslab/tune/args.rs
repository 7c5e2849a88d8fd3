//! What `bufslab tune` can be asked for.

use std::path::{Path, PathBuf};

use bufslab::tune::Setup;
use bufslab::{RetainPolicy, Reuse};
use clap::{Args as ClapArgs, ValueEnum};

use crate::failure::Failure;
use crate::units::parse_size;

pub const HELP: &str = "\
For each size, policy and reuse, the trace is run in a simulation of a pool (memory: the same each time) and then for real, on as many \
threads as it was recorded from (time, and resident memory: of this machine, so run it where the program runs and where little else does). \
Nothing of what the buffers held is in a trace.

Recommended is, of the setups whose time is within 10 % (or 50 ns) of the fastest, the one that holds the least memory on average; those marked + hold ever more and are left out, unless all do. \
Setups marked * are those that no other one beats in both; take another of them if you would rather pay with the other thing.

With --no-replay, times are those of a model: good for an order, not as figures.

Examples:
  bufslab tune app.slabtrace
  bufslab tune --sizes 64KiB,100KiB,1MiB --html tune.html app.slabtrace
  bufslab tune --policy never --policy default --retain req.head app.slabtrace
  bufslab tune --no-replay --json - app.slabtrace";

#[derive(Debug, ClapArgs)]
pub struct TuneArgs {
    /// A recorded trace, or - for standard input
    #[arg(value_name = "TRACE")]
    pub trace: PathBuf,
    /// Slab sizes: a range, of which every power of two is taken, or a list
    #[arg(long, value_name = "SIZES", default_value = "16KiB..16MiB", value_parser = parse_sizes)]
    pub sizes: Sizes,
    /// What is copied where the program retains a slice: never, default, or COPYBREAK/RATIO as in 256/8. May be given again
    #[arg(long, value_name = "POLICY", default_value = "default", value_parser = parse_policy)]
    pub policy: Vec<Policy>,
    /// Slices with this tag count as retained, whether the program said so or not. May be given again
    #[arg(long, value_name = "TAG")]
    pub retain: Vec<String>,
    /// What becomes of a slab that is still pinned. May be given again
    #[arg(long, value_name = "HOW", default_value = "around")]
    pub reuse: Vec<How>,
    /// Only simulate: no times of this machine
    #[arg(long, conflicts_with = "passes")]
    pub no_replay: bool,
    /// How often each setup is replayed; times are medians
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub passes: u32,
    /// Also as JSON; with -, instead of the table
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// A chart: memory and time against slab size
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// A page: the table, the chart, and memory over time
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// More than anybody would read.
const MOST_SETUPS: usize = 200;
/// As pools allow.
const MOST_SIZE: usize = 1 << 30;

/// Slab sizes in bytes, in the order they were given in.
#[derive(Clone, Debug)]
pub struct Sizes(Vec<usize>);

/// `None` copies nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy(Option<RetainPolicy>);

/// [`Reuse`] as an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum How {
    /// It is cut from again, between the slices that are left
    Around,
    /// It is used again when its last slice is gone
    Whole,
}

impl TuneArgs {
    /// What no single argument can be blamed for.
    pub fn check(&self) -> Result<(), Failure> {
        let setups = self.setups().len();
        if setups > MOST_SETUPS {
            return Err(Failure::new(format!(
                "--sizes, --policy and --reuse make {setups} setups: at most {MOST_SETUPS} are compared"
            )));
        }
        for (flag, path) in [("--svg", &self.svg), ("--html", &self.html)] {
            if path.as_deref() == Some(Path::new("-")) {
                return Err(Failure::new(format!(
                    "{flag} is -: it must be a file (only --json can be standard output)"
                )));
            }
        }
        Ok(())
    }

    /// All that is compared: each size with each policy and reuse.
    pub fn setups(&self) -> Vec<Setup> {
        let mut setups: Vec<Setup> = Vec::new();
        for policy in &self.policy {
            for how in &self.reuse {
                for &size in &self.sizes.0 {
                    let mut setup = Setup::new(size);
                    setup.retain = policy.0;
                    setup.retain_tags.clone_from(&self.retain);
                    setup.reuse = match how {
                        How::Around => Reuse::AroundThePin,
                        How::Whole => Reuse::WholeSlab,
                    };
                    if !setups.contains(&setup) {
                        setups.push(setup);
                    }
                }
            }
        }
        setups
    }
}

fn parse_sizes(text: &str) -> Result<Sizes, String> {
    let mut sizes = Vec::new();
    for part in text.split(',') {
        let Some((from, to)) = part.split_once("..") else {
            sizes.push(one_size(part)?);
            continue;
        };
        let (from, to) = (one_size(from)?, one_size(to.trim_start_matches('='))?);
        let powers = std::iter::successors(Some(from.next_power_of_two()), |size| size.checked_mul(2));
        let before = sizes.len();
        sizes.extend(powers.take_while(|size| *size <= to));
        if sizes.len() == before {
            return Err(format!("no power of two lies in {from}..{to}"));
        }
    }
    sizes.sort_unstable();
    sizes.dedup();
    Ok(Sizes(sizes))
}

fn one_size(text: &str) -> Result<usize, String> {
    match parse_size(text) {
        Ok(size) if (1..=MOST_SIZE).contains(&size) => Ok(size),
        Ok(size) => Err(format!("{size} is no slab size: it must be from 1 to {MOST_SIZE} bytes (1GiB)")),
        Err(why) => Err(format!(
            "{:?} is no size: {why}; or a range as in 16KiB..16MiB, or a list as in 64KiB,100KiB",
            text.trim()
        )),
    }
}

fn parse_policy(text: &str) -> Result<Policy, String> {
    match text.trim() {
        "never" => return Ok(Policy(None)),
        "default" => return Ok(Policy(Some(RetainPolicy::default()))),
        _ => {}
    }
    let both = text
        .split_once('/')
        .and_then(|(copybreak, ratio)| Some((parse_size(copybreak).ok()?, ratio.trim().parse::<usize>().ok()?)));
    let (copybreak, ratio) = both.ok_or("it must be never, default, or COPYBREAK/RATIO as in 1KiB/16")?;
    Ok(Policy(Some(RetainPolicy::new(copybreak, ratio))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_ranges_and_lists() {
        let of = |text| parse_sizes(text).map(|sizes| sizes.0);
        assert_eq!(of("16KiB..16MiB").unwrap().len(), 11);
        assert_eq!(of("100KiB..1MiB"), Ok(vec![128 << 10, 256 << 10, 512 << 10, 1 << 20]));
        assert_eq!(of("1MiB, 64KiB,64KiB,100kB"), Ok(vec![65_536, 100_000, 1 << 20]));
        assert_eq!(of("10MiB,64KiB..128KiB"), Ok(vec![65_536, 131_072, 10 << 20]));
        assert_eq!(of("65KiB..100KiB"), Err("no power of two lies in 66560..102400".to_owned()));
        for (text, says) in
            [("", "is no size"), ("64KiB,", "is no size"), ("0", "0 is no slab size"), ("1..2GiB", "(1GiB)")]
        {
            assert!(of(text).unwrap_err().contains(says), "{text}");
        }
    }

    #[test]
    fn policies() {
        let of = |text| parse_policy(text).map(|policy| policy.0);
        assert_eq!(of("never"), Ok(None));
        assert_eq!(of("default"), Ok(Some(RetainPolicy::default())));
        assert_eq!(of("1KiB/8"), Ok(Some(RetainPolicy::new(1024, 8))));
        for text in ["", "always", "8", "/", "1KiB/", "x/8", "8/1KiB"] {
            assert!(of(text).unwrap_err().contains("never, default, or COPYBREAK/RATIO"), "{text}");
        }
    }
}
