//! The end of the process.

use crate::pool::SlabPool;
use crate::raw;
use crate::report::Format;
use crate::sync::RwLock;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Where a report at exit goes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExitReport {
    /// As text to standard error, if anything is pinned then.
    Stderr,
    /// To a file, in the form that its name ends in: see [`Format::extension`], `.txt` and all else is text.
    File(PathBuf),
}

impl ExitReport {
    fn parse(value: OsString) -> ExitReport {
        if value.eq_ignore_ascii_case("stderr") { ExitReport::Stderr } else { ExitReport::File(PathBuf::from(value)) }
    }

    fn write(&self, pool: &SlabPool) -> io::Result<()> {
        let report = pool.report();
        match self {
            ExitReport::Stderr if report.is_empty() => Ok(()),
            ExitReport::Stderr => writeln!(io::stderr(), "{report}"),
            ExitReport::File(path) => {
                let mut out = BufWriter::new(File::create(path)?);
                report.write_as(format_of(path), &mut out)?;
                out.flush()
            }
        }
    }
}

impl<P: Into<PathBuf>> From<P> for ExitReport {
    fn from(path: P) -> ExitReport {
        ExitReport::File(path.into())
    }
}

fn format_of(path: &Path) -> Format {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let ends = |format: &Format| name.strip_suffix(format.extension()).is_some_and(|rest| rest.ends_with('.'));
    Format::ALL.iter().copied().find(ends).unwrap_or(Format::Text)
}

static REQUESTS: RwLock<Vec<(SlabPool, ExitReport)>> = RwLock::new(Vec::new());

impl SlabPool {
    /// Has a report written when the process ends, by returning from `main` or by `std::process::exit`. A signal or an abort
    /// ends it without one.
    ///
    /// The pool is kept until then. A file that cannot be written is reported on standard error.
    ///
    /// ```no_run
    /// use bufslab::{ExitReport, SlabPool};
    ///
    /// SlabPool::global().report_at_exit(ExitReport::Stderr)?;
    /// SlabPool::global().report_at_exit("pins.html")?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Of the kind `Unsupported`, where a process cannot be told to call something at its end.
    pub fn report_at_exit(&self, to: impl Into<ExitReport>) -> io::Result<()> {
        let mut requests = REQUESTS.write();
        if requests.is_empty() && !raw::at_exit(write_all) {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "the C library has no atexit here"));
        }
        requests.push((self.clone(), to.into()));
        Ok(())
    }

    /// As [`report_at_exit`](SlabPool::report_at_exit), if the variable `SLAB_REPORT_AT_EXIT` asks for it: `stderr`, or a path.
    /// Says whether it did.
    ///
    /// ```
    /// let pool = bufslab::SlabPool::from_env()?;
    /// pool.report_at_exit_from_env()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As there.
    pub fn report_at_exit_from_env(&self) -> io::Result<bool> {
        match std::env::var_os("SLAB_REPORT_AT_EXIT").filter(|value| !value.is_empty()) {
            Some(value) => self.report_at_exit(ExitReport::parse(value)).map(|()| true),
            None => Ok(false),
        }
    }
}

extern "C" fn write_all() {
    // A panic may not leave a function of the C library.
    let _ = std::panic::catch_unwind(|| {
        for (pool, to) in REQUESTS.read().iter() {
            if let Err(error) = to.write(pool) {
                let _ = writeln!(io::stderr(), "bufslab: no report of pool {} to {to:?}: {error}", pool.name());
            }
        }
    });
}
