//! What a program, its file and its environment say of a pool, and what reports then say of it.
//!
//! | file | catches |
//! |---|---|
//! | `process` | variables of a real process that are not read, and errors that nobody sees |
//! | `file` | a key that no file can say, an error without its place (feature `serde`) |
#![allow(missing_docs)]

#[cfg(feature = "serde")]
mod file;
#[cfg(not(miri))]
mod process;

use bufslab::{PoolConfig, SetBy, SlabPool};

#[test]
fn a_plain_struct_is_applied_on_top_of_code_in_either_order() {
    let file =
        PoolConfig { slab_size: Some(4096.into()), reuse: Some("whole".parse().unwrap()), ..PoolConfig::default() };
    let before = SlabPool::builder().config(&file).slab_size(1024).idle_bytes(7).build().unwrap();
    let after = SlabPool::builder().slab_size(1024).idle_bytes(7).config(&file).build().unwrap();
    for pool in [before, after] {
        assert_eq!(pool.slab_size(), 4096);
        let set: Vec<String> =
            pool.settings().iter().map(ToString::to_string).filter(|set| !set.ends_with("(default)")).collect();
        assert_eq!(set, ["slab_size 4KiB (config file)", "idle_bytes 7 (code)", "reuse whole (config file)"]);
    }
}

#[test]
fn a_file_s_values_are_checked_with_the_rest() {
    let of = |file: PoolConfig| SlabPool::builder().max_bytes(1 << 20).config(&file).build().unwrap_err().to_string();
    let too_large = PoolConfig { slab_size: Some((2 << 20).into()), ..PoolConfig::default() };
    assert_eq!(of(too_large), "slab_size is 2MiB: it must be from 1 B to 1 MiB, the pool's max_bytes");
    let none = PoolConfig { slab_size: Some(0.into()), ..PoolConfig::default() };
    assert_eq!(of(none), "slab_size is 0: it must be from 1 B to 1 GiB");
}

#[test]
fn what_is_set_at_run_time_is_told() {
    let pool = SlabPool::builder().max_bytes(1 << 20).build().unwrap();
    let told = |name: &str| {
        let report = pool.report();
        let setting = report.config.iter().find(|setting| setting.name() == name).unwrap().clone();
        (setting.value().to_owned(), setting.set_by().clone())
    };
    for (bytes, allowed) in [
        (0, "from 1 B to 1 GiB"),
        (2 << 20, "from 1 B to 1 MiB, the pool's max_bytes"),
        (usize::MAX, "from 1 B to 1 GiB"),
    ] {
        let error = pool.set_slab_size(bytes).unwrap_err();
        assert_eq!((error.field(), error.allowed()), ("slab_size", allowed));
    }
    assert_eq!(told("slab_size"), ("64KiB".to_owned(), SetBy::Default), "a refused size changes nothing");
    assert_eq!(told("tracking"), ("sites".to_owned(), SetBy::Default));
    pool.set_slab_size(1 << 20).unwrap();
    pool.set_tracking(bufslab::Level::Off);
    assert_eq!(told("slab_size"), ("1MiB".to_owned(), SetBy::RunTime));
    assert_eq!(told("tracking"), ("off".to_owned(), SetBy::RunTime));
    assert!(
        pool.report()
            .to_string()
            .contains("set: slab_size 1MiB (run time), max_bytes 1MiB (code), tracking off (run time)")
    );
}
