//! The file of a unix socket: made for its owner alone, never taken from a server that lives, and removed at the end.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use super::error::ServerError;
use crate::error::BuildError;

/// Removed when it is dropped, if it still is the file that was made.
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    made: (u64, u64),
}

impl SocketFile {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).ok() == Some(self.made) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|meta| (meta.dev(), meta.ino()))
}

/// Listens at `path`, which only the owner of this process may open. A socket that nobody listens on any more gives way.
pub(super) fn listen(path: &Path) -> Result<(UnixListener, SocketFile), ServerError> {
    let doing = |what: &str| format!("{what} the socket {}", path.display());
    let failed = |what: &str| {
        let doing = doing(what);
        move |error| ServerError::io(doing, error)
    };
    make_room(path)?;
    let listener = UnixListener::bind(path).map_err(failed("listen on"))?;
    let file = SocketFile { path: path.to_owned(), made: identity(path).map_err(failed("look at"))? };
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed("protect"))?;
    // Whoever came in before that may have been anybody.
    listener.set_nonblocking(true).map_err(failed("prepare"))?;
    while listener.accept().is_ok() {}
    listener.set_nonblocking(false).map_err(failed("prepare"))?;
    Ok((listener, file))
}

fn make_room(path: &Path) -> Result<(), ServerError> {
    let shown = || format!("{:?}", path.display().to_string());
    let there = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(ServerError::io(format!("look at {}", path.display()), error)),
        Ok(there) => there,
    };
    if !there.file_type().is_socket() {
        return Err(BuildError::new("path", shown(), "free, or a socket that nobody listens on: it is a file").into());
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(ServerError::io(format!("see who listens on {}", path.display()), error)),
        Ok(_) => {
            let allowed = "free, or a socket that nobody listens on: another process listens there";
            return Err(BuildError::new("path", shown(), allowed).into());
        }
    }
    // Not one that somebody has made meanwhile.
    if identity(path).ok() == Some((there.dev(), there.ino())) {
        fs::remove_file(path).map_err(|error| ServerError::io(format!("remove {}", path.display()), error))?;
    }
    Ok(())
}
