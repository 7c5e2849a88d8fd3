//! The floors of the crate hold: imports go down only, concurrency primitives are named in `sync` alone, and unsafe code
//! stands in `raw` alone.
#![allow(missing_docs)]
#![cfg(not(miri))]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Floor of each top-level module of `src/`.
const FLOORS: &[(&str, u32)] = &[
    ("sync", 0),
    ("error", 1),
    ("config", 1),
    ("compaction", 1),
    ("policy", 1),
    ("slab_size", 1),
    ("adapt", 1),
    ("trace", 1),
    ("raw", 2),
    ("track", 3),
    ("pool", 4),
    ("buf", 5),
    ("retain", 6),
    ("park", 6),
    ("foreign", 6),
    ("record", 6),
    ("report", 6),
    ("gates", 6),
    ("maintain", 6),
    ("watch", 6),
    ("tune", 6),
    ("admin", 6),
    ("observe", 6),
    ("docs", 7),
    ("model", 7),
    ("lib", 7),
    ("bin", 8),
];

/// What only `sync` may name.
const PRIMITIVES: &[&str] = &[
    "loom::",
    "core::sync::atomic",
    "std::sync::atomic",
    "parking_lot",
    "crossbeam",
    "std::sync::Mutex",
    "std::sync::RwLock",
    "std::sync::Condvar",
    "UnsafeCell<Atomic",
];

struct Source {
    path: PathBuf,
    module: String,
    /// The code, without comments and without unit tests at the end.
    lines: Vec<(usize, String)>,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // Unit tests are no floor.
                folders.extend(Some(path).filter(|path| !path.ends_with("tests")));
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let first = path.strip_prefix(&root).unwrap().components().next().unwrap();
                let module = first.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned();
                let text = fs::read_to_string(&path).unwrap();
                let lines = text
                    .lines()
                    .enumerate()
                    .take_while(|(_, line)| *line != "#[cfg(test)]")
                    .filter(|(_, line)| !line.trim_start().starts_with("//"))
                    .map(|(i, line)| (i + 1, line.split("//").next().unwrap_or("").to_owned()))
                    .collect();
                found.push(Source { path, module, lines });
            }
        }
    }
    assert!(found.len() > 20, "the crate's sources were not found");
    found
}

/// Modules named in paths from the crate's root on one line, in all forms: `crate::a::b`, `crate::{a, b::c}`.
fn imports(line: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        if line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &line[at + "crate::".len()..];
        let parts = match rest.strip_prefix('{') {
            Some(list) => list.split(',').collect(),
            None => vec![rest],
        };
        for part in parts {
            let name: String = part.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            names.push(name);
        }
    }
    names
}

/// Where each name that `lib.rs` re-exports lives: `crate::SlabPool` is an import of `pool`.
fn re_exports(sources: &[Source]) -> BTreeMap<String, String> {
    let lib = sources.iter().find(|source| source.module == "lib").expect("src/lib.rs");
    let text: String = lib.lines.iter().map(|(_, line)| line.as_str()).collect::<Vec<_>>().join(" ");
    let mut names = BTreeMap::new();
    for statement in text.split(';').filter_map(|statement| statement.split("pub use ").nth(1)) {
        let (module, rest) = statement.split_once("::").unwrap_or((statement, ""));
        for name in rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|name| !name.is_empty()) {
            names.insert(name.to_owned(), module.trim().to_owned());
        }
    }
    assert_eq!(names.get("SlabPool").map(String::as_str), Some("pool"), "lib.rs is read wrongly: {names:?}");
    names
}

#[test]
fn imports_go_down_only() {
    let sources = sources();
    let homes = re_exports(&sources);
    let floor = |module: &str| FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor);
    let mut wrong = Vec::new();
    for source in &sources {
        let here = floor(&source.module).unwrap_or_else(|| panic!("{} has no floor", source.path.display()));
        for (number, line) in &source.lines {
            for name in imports(line) {
                let target = homes.get(&name).unwrap_or(&name);
                if floor(target).is_some_and(|there| there > here) {
                    wrong.push(format!(
                        "{}:{number}: floor {here} names {name}: {}",
                        source.path.display(),
                        line.trim()
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "imports that go up:\n{}", wrong.join("\n"));
}

#[test]
fn only_sync_names_concurrency_primitives() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.module != "sync") {
        for (number, line) in &source.lines {
            if PRIMITIVES.iter().any(|primitive| line.contains(primitive)) {
                wrong.push(format!("{}:{number}: {}", source.path.display(), line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "primitives named outside src/sync:\n{}", wrong.join("\n"));
}

#[test]
fn only_raw_is_unsafe() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.module != "raw") {
        let mut allowed = false;
        for (number, line) in &source.lines {
            // A method or impl that the API of `bytes` demands to be unsafe says so with a reason, right above.
            if line.contains("allow(unsafe_code, reason") {
                allowed = true;
            }
            if line == "}" || line.is_empty() && source.module != "buf" {
                allowed = false;
            }
            let is_unsafe = line.contains("unsafe {") || line.contains("unsafe fn") || line.contains("unsafe impl");
            if is_unsafe && !allowed {
                wrong.push(format!("{}:{number}: {}", source.path.display(), line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "unsafe code outside src/raw:\n{}", wrong.join("\n"));
}

#[test]
fn files_are_short() {
    for source in sources() {
        let code = source.lines.iter().filter(|(_, line)| !line.trim().is_empty()).count();
        assert!(code <= 500, "{} has {code} lines of code", source.path.display());
    }
}

#[test]
fn this_test_sees_what_it_looks_for() {
    assert_eq!(imports("use crate::{pool::SlabPool, raw};"), ["pool", "raw"]);
    assert_eq!(imports("    let x = crate::report::of(y);"), ["report"]);
    assert_eq!(imports("pub(crate) fn x()"), [""; 0]);
}
