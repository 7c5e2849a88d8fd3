//! Files that are whole or not there.

use std::fs;
use std::path::Path;

use crate::failure::Failure;
use crate::names::harmless;

pub fn file(flag: &str, path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| {
        // Half a file looks like a whole one.
        if path.is_file() {
            let _ = fs::remove_file(path);
        }
        Failure::new(format!("{flag} {}: {error}", harmless(&path.display().to_string())))
    })
}
