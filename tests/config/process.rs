//! Processes with an environment of their own.

use std::ffi::OsStr;
use std::process::{Command, Output};

use bufslab::{PoolConfig, SlabPool};

const CHILD: &str = "BUFSLAB_TEST_CONFIG";

/// What the processes below run; nothing without the variable.
#[test]
fn child() {
    let pool = match std::env::var(CHILD).as_deref() {
        Ok("from_env") => SlabPool::from_env(),
        Ok("on_top") => {
            let file = PoolConfig { slab_size: Some(4096.into()), idle_bytes: Some(4096), ..PoolConfig::default() };
            let on_top = SlabPool::builder().env("SLAB").and_then(|builder| builder.env("MYAPP_TLS"));
            on_top.and_then(|builder| {
                builder.config(&file).name("tls").slab_size(1).idle_bytes(1).max_bytes(1 << 20).build()
            })
        }
        Ok("global") => Ok(SlabPool::global().clone()),
        _ => return,
    };
    match pool {
        Ok(pool) => println!("{:#}", pool.report()),
        Err(error) => println!("refused: {error}"),
    }
}

fn run<'a>(mode: &str, variables: impl IntoIterator<Item = (&'a str, &'a OsStr)>) -> Output {
    let mut child = Command::new(std::env::current_exe().unwrap());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SLAB_")) {
        child.env_remove(name);
    }
    child.args(["--exact", "process::child", "--nocapture"]).env(CHILD, mode).envs(variables);
    child.output().unwrap()
}

/// What it prints, each run of blanks being one, wherever lines are broken.
fn printed(mode: &str, variables: &[(&str, &str)]) -> String {
    let output = run(mode, variables.iter().map(|&(name, value)| (name, OsStr::new(value))));
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_report_tells_every_variable() {
    let variables = [
        ("SLAB_NAME", "edge"),
        ("SLAB_BUFFER_SIZE", "100KiB"),
        ("SLAB_MAX_BYTES", "2GiB"),
        ("SLAB_IDLE_BYTES", "64MiB"),
        ("SLAB_IDLE_DECAY", "250ms"),
        ("SLAB_MAX_LEDGER_BYTES", "16MiB"),
        ("SLAB_REUSE", "whole"),
        ("SLAB_ZERO_ON_RECYCLE", "yes"),
        ("SLAB_TRACKING", "counters"),
        ("SLAB_RETAIN", "never"),
        ("SLAB_COMPACT", "10s/5/pack"),
        ("SLAB_SUSPECTS", "10min/5"),
        ("SLAB_BUFER_SIZE", "a typing error"),
    ];
    let text = printed("from_env", &variables);
    assert!(text.contains("pool edge: new slabs of 100 KiB, tracking counters"), "{text}");
    let set = "set: slab_size 100KiB (SLAB_BUFFER_SIZE), max_bytes 2GiB (SLAB_MAX_BYTES), idle_bytes 64MiB (SLAB_IDLE_BYTES), \
               idle_decay 250ms (SLAB_IDLE_DECAY), max_ledger_bytes 16MiB (SLAB_MAX_LEDGER_BYTES), reuse whole (SLAB_REUSE), \
               zero_on_recycle true (SLAB_ZERO_ON_RECYCLE), tracking counters (SLAB_TRACKING), retain_policy never (SLAB_RETAIN), \
               compact_policy 10s/5/pack (SLAB_COMPACT), suspects 10min/5 (SLAB_SUSPECTS) \
               configuration: SLAB_BUFER_SIZE is no variable of a pool: did you mean SLAB_BUFFER_SIZE? memory:";
    assert!(text.contains(set), "{text}");
    assert!(!text.contains("a typing error") && !text.contains("not set"), "{text}");
}

#[test]
fn the_environment_counts_more_than_file_and_code_and_the_later_prefix_more_than_the_first() {
    let both = [("SLAB_IDLE_BYTES", "1MiB"), ("SLAB_REUSE", "whole"), ("MYAPP_TLS_IDLE_BYTES", "2MiB")];
    let text = printed("on_top", &both);
    let set = "set: slab_size 4KiB (config file), max_bytes 1MiB (code), idle_bytes 2MiB (MYAPP_TLS_IDLE_BYTES), reuse whole (SLAB_REUSE) not set:";
    assert!(text.contains("pool tls:") && text.contains(set), "{text}");
    let text = printed("on_top", &[("SLAB_BUFFER_SIZE", "2MiB")]);
    assert!(
        text.contains("refused: SLAB_BUFFER_SIZE is 2MiB: it must be from 1 B to 1 MiB, the pool's max_bytes"),
        "{text}"
    );
}

#[test]
fn what_cannot_be_is_refused_and_what_is_empty_is_not_there() {
    for (variable, value, allowed) in [
        ("SLAB_BUFFER_SIZE", "0", "from 1 B to 1 GiB, such as 64KiB, or auto"),
        ("SLAB_MAX_BYTES", "-1", "a whole number of bytes below 8 EiB, with or without a unit"),
        ("SLAB_IDLE_DECAY", "1", "off, or a whole number with its unit"),
        ("SLAB_TRACKING", "max", "off, counters, sites, backtraces or backtraces/N"),
    ] {
        let text = printed("from_env", &[(variable, value)]);
        assert!(text.contains(&format!("refused: {variable} is {value:?}: it must be {allowed}")), "{text}");
        let text = printed("from_env", &[(variable, " ")]);
        assert!(text.contains("pool unnamed: new slabs of 64 KiB"), "{text}");
        assert!(text.contains("idle 0 B; the ledger itself 0 B not set: name unnamed, slab_size 64KiB"), "{text}");
    }
}

#[cfg(unix)]
#[test]
fn what_is_not_text_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let output = run("from_env", [("SLAB_IDLE_BYTES", OsStr::from_bytes(b"1\xff"))]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(r#"refused: SLAB_IDLE_BYTES is "1\xFF": it must be text in UTF-8"#), "{text}");
}

#[test]
fn the_global_pool_says_what_it_could_not_use() {
    let output = run("global", [("SLAB_BUFFER_SIZE", OsStr::new("lots"))]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("bufslab: SLAB_BUFFER_SIZE is \"lots\": it must be from 1 B to 1 GiB"), "{said}");
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(report.contains("pool global: new slabs of 64 KiB"), "{report}");
    assert!(report.contains("configuration: SLAB_BUFFER_SIZE is"), "{report}");
    let text = printed("global", &[("SLAB_BUFFER_SIZE", "auto:32KiB..256KiB")]);
    assert!(text.contains("set: slab_size auto:32KiB..256KiB (SLAB_BUFFER_SIZE)"), "{text}");
}
