//! What the README shows is what the commands print.
#![allow(missing_docs)]
#![cfg(not(miri))]

use std::process::Command;

const README: &str = include_str!("../README.md");
const QUICKSTART: &str = include_str!("../examples/quickstart.rs");

/// The first fenced block of this language after `from`.
fn block<'a>(from: &'a str, language: &str) -> &'a str {
    let fence = format!("```{language}\n");
    let start = from.find(&fence).unwrap_or_else(|| panic!("no {language} block")) + fence.len();
    let end = from[start..].find("```").expect("the block ends") + start;
    &from[start..end]
}

/// Times differ from run to run; all else must be equal.
fn without_times(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.trim().lines() {
        let line = match line.split_once(", up ") {
            Some((before, _)) => before,
            // The last column of a slab's line is its age.
            None if line.starts_with("slab ") => line.rsplit_once("  ").map_or(line, |(before, _)| before.trim_end()),
            None => line,
        };
        lines.push(line.trim_end());
    }
    lines.join("\n")
}

#[test]
fn the_example_is_the_one_that_is_run() {
    let code = |text: &str| text.lines().filter(|line| !line.starts_with("//!")).collect::<Vec<_>>().join("\n");
    assert_eq!(block(README, "rust").trim(), code(QUICKSTART).trim());
}

#[test]
fn its_output_is_what_it_prints() {
    let mut run = Command::new(env!("CARGO"));
    run.args(["run", "--quiet", "--offline", "--example", "quickstart"]);
    run.args(["--target-dir", concat!(env!("CARGO_TARGET_TMPDIR"), "/readme")]);
    // As a reader runs it, whatever mode this is.
    run.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("RUSTC_WORKSPACE_WRAPPER");
    let output = run.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    let shown = block(README, "text");
    assert_eq!(without_times(shown), without_times(&printed), "README.md shows another output:\n{printed}");
}

#[test]
fn pictures_are_the_same_in_the_repository_and_in_rustdoc() {
    use base64::prelude::{BASE64_STANDARD, Engine};
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/docs");
    let chapter = std::fs::read_to_string(folder.join("finding_a_pin.md")).unwrap();
    let embedded = std::fs::read_to_string(folder.join("pictures/embedded.md")).unwrap();
    let definitions = |text: &str| -> Vec<(String, String)> {
        let definition = |line: &str| line.strip_prefix('[')?.split_once("]: ").map(|(a, b)| (a.into(), b.into()));
        text.lines().filter_map(definition).collect()
    };
    let (files, data) = (definitions(&chapter), definitions(&embedded));
    assert!(files.len() >= 4 && files.len() == data.len(), "renew them by .ci/pictures");
    for ((name, file), (same, data)) in files.iter().zip(&data) {
        assert_eq!(name, same);
        assert!(chapter.contains(&format!("][{name}]")), "{name} is not shown");
        let data = data.strip_prefix("data:image/png;base64,").expect("a picture");
        let shown = BASE64_STANDARD.decode(data).unwrap();
        assert_eq!(shown, std::fs::read(folder.join(file)).unwrap(), "{name}: renew it by .ci/pictures");
    }
    // A definition that stands in a paragraph is none: there has to be an empty line before the first.
    let module = std::fs::read_to_string(folder.join("mod.rs")).unwrap();
    assert!(module.contains("///\n#[doc = include_str!(\"pictures/embedded.md\")]"));
    assert!(README.contains("src/docs/pictures/retainers.png") && folder.join("pictures/retainers.png").exists());
}
