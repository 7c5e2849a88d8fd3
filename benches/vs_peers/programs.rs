//! The measuring programs: built, and run one at a time.

use crate::options::{ALLOCATORS, Options};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// The programs as they were built.
pub struct Programs(PathBuf);

/// What one program said in one pass.
pub struct Pass {
    pub allocator: &'static str,
    pub rows: Value,
}

impl Programs {
    /// Builds them, as they are in their lock file, in a folder of their own below the target directory.
    pub fn build(target: &Path) -> Result<Programs> {
        let folder = target.join("vs_peers");
        eprintln!("building benches/peers");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo)
            .args(["build", "--release", "--locked", "--quiet", "--target-dir"])
            .arg(&folder)
            .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/Cargo.toml")])
            // What cargo has set for this bench is not meant for another package.
            .env_remove("CARGO_TARGET_DIR")
            .status()
            .context("starting cargo")?;
        ensure!(status.success(), "building benches/peers: {status}");
        Ok(Programs(folder.join("release")))
    }

    /// What would be measured.
    pub fn list(&self) -> Result<String> {
        self.run(ALLOCATORS[0], &["--list"])
    }

    /// What each allocator's program says of itself.
    pub fn about(&self, options: &Options) -> Result<Vec<Value>> {
        options.allocators().into_iter().map(|name| parsed(name, &self.run(name, &["--about"])?)).collect()
    }

    /// All passes: one allocator after the other, and all of that again.
    pub fn passes(&self, options: &Options) -> Result<Vec<Pass>> {
        let mut args = vec!["--filter", &options.filter];
        args.extend(options.quick.then_some("--quick"));
        let (start, mut seen) = (Instant::now(), Vec::new());
        for pass in 1..=options.passes {
            for allocator in options.allocators() {
                eprintln!("pass {pass} of {}: {allocator} ({:.0?} so far)", options.passes, start.elapsed());
                seen.push(Pass { allocator, rows: parsed(allocator, &self.run(allocator, &args)?)? });
            }
        }
        Ok(seen)
    }

    /// Runs one program to its end, its progress on this one's standard error.
    fn run(&self, allocator: &str, args: &[&str]) -> Result<String> {
        let program = self.0.join(format!("peers_{allocator}{}", std::env::consts::EXE_SUFFIX));
        let mut command = Command::new(&program);
        let output = command.args(args).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
        let output = output.with_context(|| format!("starting {}", program.display()))?;
        ensure!(output.status.success(), "{}: {}", program.display(), output.status);
        String::from_utf8(output.stdout).with_context(|| program.display().to_string())
    }
}

fn parsed(allocator: &str, text: &str) -> Result<Value> {
    serde_json::from_str(text).with_context(|| format!("what peers_{allocator} printed"))
}
