//! What can be asked for.

use std::path::PathBuf;
use std::time::Duration;

use bufslab::report::Format;
use clap::builder::PossibleValue;
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::source::Source;
use crate::units::{parse_percent, parse_size, parse_span};

const SOURCES: &str = "\
ADDR is where a program shows its slabs (`admin::Server`, feature `admin`): HOST:PORT, http://HOST:PORT[/PATH], \
unix:/PATH or a path that ends in .sock. FILE is a report as JSON; - is standard input.";

const CODES: &str = "\
Exit codes: 0 success; 1 `watch` has seen a limit passed; 2 wrong arguments, or no report could be had.";

/// Which slices keep which slabs alive, in a running program or in a file.
#[derive(Debug, Parser)]
#[command(name = "bufslab", version, max_term_width = 100, after_help = format!("{SOURCES}\n\n{CODES}"))]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print who keeps which slabs alive, and what would free them
    #[command(after_help = after(&[
        ("bufslab report localhost:6060", "the short report, worst first"),
        ("bufslab report --full unix:/run/app/slabs.sock | less", "all of it"),
        ("bufslab report --json localhost:6060 > pins.json", "a file for later"),
    ]))]
    Report(ReportArgs),
    /// Watch tags, scopes and slabs grow, live
    #[command(after_help = after(&[
        ("bufslab top localhost:6060", "press ? for the keys"),
        ("bufslab top --interval 5s --by scope localhost:6060", "every five seconds, owners first"),
        ("bufslab top localhost:6060 | tee growth.txt", "a table for each interval"),
    ]))]
    Top(TopArgs),
    /// Rank what is new, gone or grown between two reports
    #[command(after_help = after(&[
        ("bufslab diff before.json after.json", "two files"),
        ("bufslab diff before.json localhost:6060", "what has come since"),
    ]))]
    Diff(DiffArgs),
    /// Write a report in another form, for the viewer you use
    #[command(after_help = after(&[
        ("bufslab export -f heapsnapshot -o pins.heapsnapshot localhost:6060", "for Chrome's DevTools"),
        ("bufslab export -o pins.pb.gz pins.json && go tool pprof -top pins.pb.gz", "the form by its ending"),
        ("bufslab export -f folded localhost:6060 | flamegraph.pl > pins.svg", ""),
    ]))]
    Export(ExportArgs),
    /// Wait until too much is pinned, and say by whom
    #[command(
        after_help = after(&[
            ("bufslab watch --above 64MiB --for 1min localhost:6060", "a minute, in a test script"),
            ("bufslab watch --above 1GiB --tag req.head --json localhost:6060", "one tag's share, a line a look"),
            ("bufslab watch --above 64MiB --waste 90% --all localhost:6060", "much, and most of it wasted"),
        ]),
        after_long_help = WATCH
    )]
    Watch(WatchArgs),
    /// Show what a recorded trace holds: sizes, lifetimes, and who keeps what
    #[command(after_help = after(&[
        ("bufslab trace app.slabtrace", ""),
        ("curl -s localhost:6060/app.slabtrace | bufslab trace -", "from standard input"),
    ]))]
    Trace(TraceArgs),
    /// Compare slab sizes on a recorded trace, and recommend one
    #[command(after_help = after(&[
        ("bufslab tune app.slabtrace", "16KiB to 16MiB"),
        ("bufslab tune --sizes 64KiB,100KiB,1MiB --html t.html app.slabtrace", "with a page"),
        ("bufslab tune --policy never --policy default app.slabtrace", "with and without copies"),
        ("bufslab tune --no-replay --json - app.slabtrace", "the same each time"),
    ]), after_long_help = crate::tune::HELP)]
    Tune(crate::tune::TuneArgs),
    /// Print a script that completes this command in your shell
    #[command(after_help = after(&[
        ("source <(bufslab completions bash)", ""),
        ("bufslab completions fish > ~/.config/fish/completions/bufslab.fish", ""),
    ]))]
    Completions {
        /// For which shell
        shell: Shell,
    },
}

const WATCH: &str = "\
Each limit stands for itself: the command ends with code 1 as soon as one is passed (with --all: once all of them are), and \
says by whom. With --tag or --scope, --above is about the share of the pinned bytes that this group is charged with (its \
amortised bytes), and --oldest about its own slices; --waste is always about all slabs.

Exit codes:
  0  no limit was passed in the time that --for allows
  1  a limit was passed
  2  wrong arguments, the first look failed, or three looks in a row did

Examples:
  bufslab watch --above 64MiB --for 1min localhost:6060
  bufslab watch --above 1GiB --tag req.head --json localhost:6060
  bufslab watch --above 64MiB --waste 90% --all localhost:6060";

/// A list of examples, the remarks in a column of their own.
fn after(examples: &[(&str, &str)]) -> String {
    let width = examples.iter().map(|(line, _)| line.len()).max().unwrap_or(0);
    let line = |(line, remark): &(&str, &str)| match *remark {
        "" => format!("\n  {line}"),
        remark => format!("\n  {line:width$}  # {remark}"),
    };
    format!("Examples:{}", examples.iter().map(line).collect::<String>())
}

/// How a program is asked.
#[derive(Clone, Debug, ClapArgs)]
pub struct AskArgs {
    /// Which pool, if the program shows several
    #[arg(long, value_name = "NAME")]
    pub pool: Option<String>,
    /// How long to wait for an answer, and for each further piece of it
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_span)]
    pub timeout: Duration,
}

#[derive(Debug, ClapArgs)]
pub struct ReportArgs {
    /// ADDR, FILE, or - for standard input
    #[arg(value_name = "ADDR|FILE")]
    pub source: Source,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// Leave nothing out
    #[arg(long, conflicts_with = "json")]
    pub full: bool,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Debug, ClapArgs)]
pub struct TopArgs {
    /// Whom to ask
    #[arg(value_name = "ADDR")]
    pub source: Source,
    /// How often to ask
    #[arg(long, short, value_name = "TIME", default_value = "1s", value_parser = parse_span)]
    pub interval: Duration,
    /// Which table comes first
    #[arg(long, value_name = "WHAT", default_value = "tag")]
    pub by: By,
    /// Print one table and end
    #[arg(long)]
    pub once: bool,
    /// Rows of a printed table
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub rows: usize,
    #[command(flatten)]
    pub ask: AskArgs,
}

/// A table of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// Names that the program gave to slices
    Tag,
    /// Owners, as in `ws_session 42`
    Scope,
    /// Owners, all of one kind together
    Kind,
    /// Lines of source
    Site,
    /// Threads that made the handles
    Thread,
}

#[derive(Debug, ClapArgs)]
pub struct DiffArgs {
    /// The earlier report: ADDR, FILE or -
    #[arg(value_name = "A")]
    pub before: Source,
    /// The later one
    #[arg(value_name = "B")]
    pub after: Source,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// Leave nothing out
    #[arg(long, conflicts_with = "json")]
    pub full: bool,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Debug, ClapArgs)]
pub struct ExportArgs {
    /// ADDR, FILE, or - for standard input
    #[arg(value_name = "ADDR|FILE")]
    pub source: Source,
    /// Which form; by the ending of OUT if not given
    #[arg(long, short, value_name = "FORMAT")]
    pub format: Option<Form>,
    /// Where to; standard output if not given
    #[arg(long, short, value_name = "OUT")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Debug, ClapArgs)]
pub struct TraceArgs {
    /// A trace, or - for standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// [`Format`] as an argument.
#[derive(Clone, Copy, Debug)]
pub struct Form(pub Format);

impl ValueEnum for Form {
    fn value_variants<'a>() -> &'a [Form] {
        const { &forms() }
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.name()))
    }
}

const fn forms() -> [Form; Format::ALL.len()] {
    let mut forms = [Form(Format::Text); Format::ALL.len()];
    let mut at = 0;
    while at < forms.len() {
        forms[at] = Form(Format::ALL[at]);
        at += 1;
    }
    forms
}

#[derive(Debug, ClapArgs)]
#[group(id = "limits", required = true, multiple = true, args = ["above", "waste", "oldest"])]
pub struct WatchArgs {
    /// Whom to ask; a file is looked at again each time
    #[arg(value_name = "ADDR|FILE")]
    pub source: Source,
    /// Limit of the pinned bytes, as in 64MiB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub above: Option<usize>,
    /// Limit of the waste in all pinned bytes, as in 90%
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent)]
    pub waste: Option<f64>,
    /// Limit of the age of the oldest slice, as in 10min
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub oldest: Option<Duration>,
    /// Only what this tag is charged with
    #[arg(long, value_name = "NAME", conflicts_with = "scope")]
    pub tag: Option<String>,
    /// Only what scopes of this kind are charged with, or one of them, as in "ws_session 42"
    #[arg(long, value_name = "NAME")]
    pub scope: Option<String>,
    /// End with 1 only when all limits are passed at once
    #[arg(long)]
    pub all: bool,
    /// How often to look
    #[arg(long, short, value_name = "TIME", default_value = "5s", value_parser = parse_span)]
    pub interval: Duration,
    /// How long to look: 0s is one look. Not given: until a limit is passed
    #[arg(long = "for", value_name = "TIME", value_parser = parse_span)]
    pub time: Option<Duration>,
    /// One line of JSON for each look
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub ask: AskArgs,
}
