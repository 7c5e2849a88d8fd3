//! The owner's operations execute no locked instruction, a guest's exactly one.
//!
//! Nothing is read out of listings or sampled: a release build of [`no_lock/subject.rs`](no_lock/subject.rs) runs each
//! operation between two breakpoints, and this test has the kernel stop it after every single instruction in between and
//! decodes it. That sees what is really executed, inlined or not.
//!
//! Prints the number of instructions of each operation.

#![allow(missing_docs)]

#[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
#[path = "no_lock/tracer.rs"]
mod tracer;

#[cfg(not(all(target_os = "linux", target_arch = "x86_64", not(miri))))]
#[test]
#[ignore = "single-stepping is written for x86-64 Linux"]
fn the_owner_locks_nothing_and_a_guest_once() {}

#[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
mod here {
    use crate::tracer::{self, Look};
    use std::io::Write;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    /// Builds the subject as its user would: in a crate of its own, in release.
    fn build() -> PathBuf {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no_lock");
        std::fs::create_dir_all(&directory).unwrap();
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let manifest = format!(
            "[workspace]\n\n[package]\nname = \"subject\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n\
             [[bin]]\nname = \"subject\"\npath = {:?}\n\n[dependencies]\nbufslab = {{ path = {here:?} }}\n",
            here.join("tests/no_lock/subject.rs"),
        );
        std::fs::write(directory.join("Cargo.toml"), manifest).unwrap();
        // The versions of this workspace, if it has any written down: nothing is looked up then.
        let locked = [here.join("Cargo.lock"), here.join("../Cargo.lock")].into_iter().find(|path| path.exists());
        if let Some(locked) = locked {
            std::fs::copy(locked, directory.join("Cargo.lock")).unwrap();
        }
        let target = directory.join("target");
        let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["build", "--release", "--offline", "--manifest-path"])
            .arg(directory.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&target)
            // Sanitizers and coverage put their own instructions in.
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        target.join("release/subject")
    }

    /// What is promised of an operation.
    fn allowed(name: &str) -> Option<usize> {
        match name.split_whitespace().next() {
            Some("owner" | "scoped" | "back" | "rotation" | "free") => Some(0),
            // The next stretch of a slab that has slices: somebody may be stopping its owner just now.
            Some("guest" | "next") => Some(1),
            // Of a parked slice, in a slab of another thread: it takes its seat and leaves it.
            Some("reader") => Some(2),
            _ => None,
        }
    }

    #[test]
    fn the_owner_locks_nothing_and_a_guest_once() {
        let looks = tracer::trace(&build());
        let mut complaints = Vec::new();
        let mut lines = vec![format!("{:<42} {:>12} {:>6}", "operation", "instructions", "locked")];
        for same in looks.chunk_by(|a, b| a.name == b.name) {
            let name = &same[0].name;
            assert_eq!(same.len(), 3, "{name}");
            let range = |of: fn(&Look) -> usize| {
                let (least, most) = (same.iter().map(of).min(), same.iter().map(of).max());
                let (least, most) = (least.unwrap(), most.unwrap());
                if least == most { most.to_string() } else { format!("{least} to {most}") }
            };
            let (instructions, locked) = (range(|look| look.instructions), range(|look| look.locked.len()));
            lines.push(format!("{name:<42} {instructions:>12} {locked:>6}"));
            for Look { instructions, locked, system_calls, .. } in same {
                // An empty operation is what the measure itself adds.
                assert!(if name == "nothing" { *instructions < 8 } else { *instructions >= 8 }, "{name}");
                // A rotation reads the clock, which is a system call on some machines.
                let calls = if name.starts_with("rotation") { 0 } else { *system_calls };
                if allowed(name).is_some_and(|allowed| locked.len() != allowed || calls > 0) {
                    complaints.push(format!("{name}: {system_calls} system calls, locked at {locked:#x?}"));
                }
            }
        }
        // Straight to the stream: what goes through `println!` is hidden as long as a test passes.
        let _ = writeln!(std::io::stderr(), "{}", lines.join("\n"));
        let of = |kind: &str| looks.iter().filter(|look| look.name.starts_with(kind)).count() / 3;
        let seen = ["owner", "scoped", "guest", "free", "reader", "nothing", "back", "next", "rotation"].map(of);
        assert_eq!(seen, [3 * 21, 4, 2 * 5 + 1, 2 + 1, 2, 1, 1, 1, 1], "operations seen");
        assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
    }
}
