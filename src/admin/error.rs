//! Why a server could not start.

use core::fmt;
use std::io;

use crate::error::BuildError;

/// Why a [`Server`](super::Server) could not start: what it was asked for, what stood in the way, and what is allowed.
///
/// ```
/// let error = bufslab::admin::Server::builder().bind("0.0.0.0:0").unwrap_err();
/// assert_eq!(error.settings().map(|error| error.field()), Some("address"));
/// assert!(error.to_string().starts_with("address is 0.0.0.0:0: it must be a loopback address"), "{error}");
/// ```
pub struct ServerError(Cause);

enum Cause {
    Settings(BuildError),
    Io { doing: String, error: io::Error },
}

impl ServerError {
    pub(super) fn io(doing: impl Into<String>, error: io::Error) -> Self {
        ServerError(Cause::Io { doing: doing.into(), error })
    }

    /// Which setting was refused, if that is the reason.
    #[must_use]
    pub fn settings(&self) -> Option<&BuildError> {
        match &self.0 {
            Cause::Settings(error) => Some(error),
            Cause::Io { .. } => None,
        }
    }

    /// What the operating system said, if that is the reason.
    #[must_use]
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        match &self.0 {
            Cause::Settings(_) => None,
            Cause::Io { error, .. } => Some(error.kind()),
        }
    }
}

impl From<BuildError> for ServerError {
    fn from(error: BuildError) -> Self {
        ServerError(Cause::Settings(error))
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Settings(error) => error.fmt(f),
            Cause::Io { doing, error } => write!(f, "cannot {doing}: {error}"),
        }
    }
}

impl fmt::Debug for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerError({self})")
    }
}

impl std::error::Error for ServerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Cause::Settings(error) => Some(error),
            Cause::Io { error, .. } => Some(error),
        }
    }
}
