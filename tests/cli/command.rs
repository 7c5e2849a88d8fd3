//! Starting the command, and reports to give it.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use bufslab::{SlabBytes, SlabPool};

/// The command as it is built, with nothing of the environment that changes what it says.
pub(super) fn bufslab() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bufslab"));
    command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").env("TERM", "xterm-256color").stdin(Stdio::null());
    command
}

pub(super) fn run<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Ran {
    Ran::from(bufslab().args(args).output().unwrap())
}

/// How it ended, and what it said.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) code: i32,
    pub(super) out: String,
    pub(super) err: String,
    pub(super) bytes: Vec<u8>,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        Ran {
            code: output.status.code().expect("it was killed"),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
            bytes: output.stdout,
        }
    }
}

impl Ran {
    /// It did what it was asked to and complained of nothing.
    #[track_caller]
    pub(super) fn good(self) -> Ran {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{}", self.out);
        self
    }

    /// It ended with 2, printed nothing, and said this.
    #[track_caller]
    pub(super) fn refused(self, says: &str) -> Ran {
        assert_eq!((self.code, self.out.as_str()), (2, ""), "{}", self.err);
        assert!(self.err.contains(says), "{:?} is not in {:?}", says, self.err);
        // Nothing that a terminal would obey, whoever chose it.
        assert!(self.err.chars().all(|c| c == '\n' || !c.is_control()), "{:?}", self.err);
        self
    }
}

/// Runs it with `input` as standard input.
pub(super) fn run_with_input(args: &[&str], input: &[u8]) -> Ran {
    let mut child =
        bufslab().args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It may end before it has read all of it.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap().into()
}

/// A folder of its own for each test.
pub(super) fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli").join(test);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A pool, and what keeps `heads` of its slabs: 20 bytes in each.
pub(super) fn pinned(heads: usize) -> (SlabPool, Vec<SlabBytes>) {
    let pool = SlabPool::builder().name("http").slab_size(64 * 1024).build().unwrap();
    let kept = (0..heads as u64).map(|id| head(&pool, id)).collect();
    (pool, kept)
}

/// 20 bytes of a slab that was filled by one read.
pub(super) fn head(pool: &SlabPool, id: u64) -> SlabBytes {
    let _scope = pool.scope("ws_session", id);
    let mut read = pool.alloc(64 * 1024);
    read.resize(64 * 1024, b'.');
    read.freeze().slice(..20).tag("req.head")
}

/// A file with the report of a pool with so many heads.
pub(super) fn report_file(folder: &Path, name: &str, heads: usize) -> PathBuf {
    let (pool, _kept) = pinned(heads);
    let path = folder.join(name);
    fs::write(&path, pool.report().to_json()).unwrap();
    path
}
