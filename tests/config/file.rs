//! Files, as readers that are not ours read them.

use std::time::Duration;

use bufslab::{Auto, CompactPolicy, Level, PoolConfig, RetainPolicy, Reuse, SlabPool, SuspectPolicy};
use serde::Deserialize;

/// A program's own file, of which a pool is one part.
#[derive(Debug, Deserialize)]
struct Server {
    pools: std::collections::BTreeMap<String, PoolConfig>,
}

const ALL: &str = r#"
[pools.http]
name = "http"
slab_size = "auto:32KiB..1MiB"
max_bytes = "2GiB"
idle_bytes = 1048576
idle_decay = "250ms"
max_ledger_bytes = "16 MiB"
reuse = "whole"
zero_on_recycle = true
tracking = "backtraces/100"
retain_policy = "256/8"
compact_policy = "10s/5/pack"
suspects = "10min/5"

[pools.tls]
slab_size = 102400
"#;

fn all() -> PoolConfig {
    PoolConfig {
        name: Some("http".to_owned()),
        slab_size: Some(Auto.between(32 << 10, 1 << 20)),
        max_bytes: Some(2 << 30),
        idle_bytes: Some(1 << 20),
        idle_decay: Some(Duration::from_millis(250)),
        max_ledger_bytes: Some(16 << 20),
        reuse: Some(Reuse::WholeSlab),
        zero_on_recycle: Some(true),
        tracking: Some(Level::backtraces(100)),
        retain_policy: Some(RetainPolicy::new(256, 8)),
        compact_policy: Some(CompactPolicy::new().older_than(Duration::from_secs(10)).below_percent(5).pack(true)),
        suspects: Some(SuspectPolicy::new(Duration::from_secs(600), 5)),
    }
}

#[test]
fn every_key_of_a_toml_file() {
    let server: Server = toml::from_str(ALL).unwrap();
    assert_eq!(server.pools["http"], all());
    assert_eq!(server.pools["tls"], PoolConfig { slab_size: Some(102_400.into()), ..PoolConfig::default() });
    let pool = SlabPool::builder().slab_size(7).config(&server.pools["http"]).build().unwrap();
    let settings = pool.settings();
    assert!(settings.iter().all(|setting| setting.set_by() == &bufslab::SetBy::File), "{settings:?}");
    // What a report says is what a file may say.
    let text: String = settings
        .iter()
        .map(|s| match s.name() {
            "zero_on_recycle" => format!("{} = {}\n", s.name(), s.value()),
            name => format!("{name} = {:?}\n", s.value()),
        })
        .collect();
    assert_eq!(toml::from_str::<PoolConfig>(&text).unwrap(), all());
}

#[test]
fn what_is_written_is_read_as_the_same() {
    for config in
        [all(), PoolConfig::default(), PoolConfig { idle_decay: Some(Duration::ZERO), ..PoolConfig::default() }]
    {
        let text = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<PoolConfig>(&text).unwrap(), config, "{text}");
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<PoolConfig>(&text).unwrap(), config, "{text}");
    }
    assert_eq!(serde_json::to_string(&PoolConfig::default()).unwrap(), "{}");
    let nulls: PoolConfig =
        serde_json::from_str(r#"{"name":null,"slab_size":null,"idle_decay":null,"reuse":null}"#).unwrap();
    assert_eq!(nulls, PoolConfig::default());
}

/// What is wrong with `pools.http.KEY = VALUE`, and where.
fn refused(line: &str) -> (String, String) {
    let text = format!("[pools.http]\n{line}\n");
    let read = toml::Deserializer::parse(&text).unwrap_or_else(|error| panic!("{line}: {error}"));
    let error = serde_path_to_error::deserialize::<_, Server>(read).unwrap_err();
    (error.path().to_string(), error.into_inner().message().to_owned())
}

#[test]
fn errors_name_the_key_its_path_the_value_and_what_is_allowed() {
    for (key, value, shown, allowed) in [
        ("slab_size", "0", "0", "from 1 B to 1 GiB"),
        ("slab_size", "-1", "-1", "from 1 B to 1 GiB"),
        ("slab_size", "\"2GiB\"", "\"2GiB\"", "from 1 B to 1 GiB"),
        ("slab_size", "1.5", "1.5", "from 1 B to 1 GiB"),
        ("slab_size", "true", "true", "from 1 B to 1 GiB"),
        ("max_bytes", "\"64 potatoes\"", "\"64 potatoes\"", "a whole number of bytes below"),
        ("max_bytes", "\"\"", "\"\"", "a whole number of bytes below"),
        ("idle_bytes", "-7", "-7", "a whole number of bytes below"),
        ("max_ledger_bytes", "\"16EiB\"", "\"16EiB\"", "a whole number of bytes below"),
        ("idle_decay", "1", "1", "off, or a whole number with its unit"),
        ("idle_decay", "\"1 fortnight\"", "\"1 fortnight\"", "off, or a whole number with its unit"),
        ("reuse", "\"half\"", "\"half\"", "around"),
        ("tracking", "\"max\"", "\"max\"", "off, counters, sites"),
        ("retain_policy", "\"1KiB\"", "\"1KiB\"", "never, always, or COPYBREAK/RATIO"),
        ("compact_policy", "\"1s/200\"", "\"1s/200\"", "never, AGE/PERCENT"),
        ("suspects", "5", "5", "off, or AGE/PERCENT"),
    ] {
        let (path, message) = refused(&format!("{key} = {value}"));
        assert_eq!(path, format!("pools.http.{key}"));
        let expected = format!("{key} is {shown}: it must be {allowed}");
        assert!(message.starts_with(&expected), "{message}\n{expected}");
    }
    let (path, message) = refused("slab_size = [1]");
    assert_eq!(path, "pools.http.slab_size");
    assert!(message.contains("slab_size: from 1 B to 1 GiB"), "{message}");
}

#[test]
fn a_key_that_is_none_is_an_error_that_lists_those_that_are() {
    let (path, message) = refused("bufer_size = 1");
    assert_eq!(path, "pools.http.bufer_size");
    assert!(message.contains("unknown field `bufer_size`") && message.contains("`slab_size`"), "{message}");
    let error = serde_json::from_str::<PoolConfig>(r#"{"slab_size":"64KiB","slab_size":1}"#).unwrap_err();
    assert!(error.to_string().contains("duplicate field `slab_size`"), "{error}");
}
