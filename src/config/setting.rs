//! The one table of settings.

use core::fmt;
use std::borrow::Cow;

/// What a pool can be told. The order is that of the table in `docs/configuration.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Name,
    SlabSize,
    MaxBytes,
    IdleBytes,
    IdleDecay,
    MaxLedgerBytes,
    Reuse,
    ZeroOnRecycle,
    Tracking,
    RetainPolicy,
    CompactPolicy,
    Suspects,
}

impl Key {
    pub(crate) const ALL: &[Key] = &[
        Key::Name,
        Key::SlabSize,
        Key::MaxBytes,
        Key::IdleBytes,
        Key::IdleDecay,
        Key::MaxLedgerBytes,
        Key::Reuse,
        Key::ZeroOnRecycle,
        Key::Tracking,
        Key::RetainPolicy,
        Key::CompactPolicy,
        Key::Suspects,
    ];

    /// The method of the builder, which is also the key in a configuration file.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Key::Name => "name",
            Key::SlabSize => "slab_size",
            Key::MaxBytes => "max_bytes",
            Key::IdleBytes => "idle_bytes",
            Key::IdleDecay => "idle_decay",
            Key::MaxLedgerBytes => "max_ledger_bytes",
            Key::Reuse => "reuse",
            Key::ZeroOnRecycle => "zero_on_recycle",
            Key::Tracking => "tracking",
            Key::RetainPolicy => "retain_policy",
            Key::CompactPolicy => "compact_policy",
            Key::Suspects => "suspects",
        }
    }

    /// The environment variable's name, behind the prefix and an underscore.
    pub(crate) const fn variable(self) -> &'static str {
        match self {
            Key::Name => "NAME",
            Key::SlabSize => "BUFFER_SIZE",
            Key::MaxBytes => "MAX_BYTES",
            Key::IdleBytes => "IDLE_BYTES",
            Key::IdleDecay => "IDLE_DECAY",
            Key::MaxLedgerBytes => "MAX_LEDGER_BYTES",
            Key::Reuse => "REUSE",
            Key::ZeroOnRecycle => "ZERO_ON_RECYCLE",
            Key::Tracking => "TRACKING",
            Key::RetainPolicy => "RETAIN",
            Key::CompactPolicy => "COMPACT",
            Key::Suspects => "SUSPECTS",
        }
    }
}

/// Where the value of a [`Setting`] comes from. What is further down counts for more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SetBy {
    /// Nobody set it.
    #[default]
    Default,
    /// The program, by a method of [`SlabPoolBuilder`](crate::SlabPoolBuilder).
    Code,
    /// A configuration file: a [`PoolConfig`](crate::PoolConfig).
    File,
    /// The environment variable of this name.
    Env(String),
    /// The program or an operator, on the running pool.
    RunTime,
}

impl SetBy {
    pub(crate) fn rank(&self) -> u8 {
        match self {
            SetBy::Default => 0,
            SetBy::Code => 1,
            SetBy::File => 2,
            SetBy::Env(_) => 3,
            SetBy::RunTime => 4,
        }
    }

    /// `"default"`, `"code"`, `"file"`, `"env"` or `"run_time"`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            SetBy::Default => "default",
            SetBy::Code => "code",
            SetBy::File => "file",
            SetBy::Env(_) => "env",
            SetBy::RunTime => "run_time",
        }
    }

    /// The environment variable, if it was one.
    #[must_use]
    pub fn variable(&self) -> Option<&str> {
        match self {
            SetBy::Env(variable) => Some(variable),
            _ => None,
        }
    }

    /// What to call the setting when its value cannot be.
    pub(super) fn field(&self, key: Key) -> String {
        self.variable().unwrap_or(key.name()).to_owned()
    }
}

/// `default`, `code`, `config file`, `SLAB_BUFFER_SIZE`, `run time`
impl fmt::Display for SetBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            SetBy::File => "config file",
            SetBy::RunTime => "run time",
            SetBy::Env(variable) => variable,
            SetBy::Default | SetBy::Code => self.as_str(),
        })
    }
}

/// One line of a pool's effective configuration: [`SlabPool::settings`](crate::SlabPool::settings).
///
/// ```
/// use bufslab::{SetBy, SlabPool};
///
/// let pool = SlabPool::builder().slab_size(100 * 1024).build()?;
/// let settings = pool.settings();
/// let size = settings.iter().find(|setting| setting.name() == "slab_size").expect("it has one");
/// assert_eq!((size.value(), size.set_by()), ("100KiB", &SetBy::Code));
/// assert_eq!(size.to_string(), "slab_size 100KiB (code)");
/// # Ok::<(), bufslab::BuildError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    name: Cow<'static, str>,
    value: String,
    set_by: SetBy,
}

impl Setting {
    pub(crate) fn new(key: Key, value: String, set_by: SetBy) -> Setting {
        Setting { name: Cow::Borrowed(key.name()), value, set_by }
    }

    /// One that another program reported.
    #[cfg(feature = "json")]
    pub(crate) fn reported(name: String, value: String, set_by: SetBy) -> Setting {
        Setting { name: Cow::Owned(name), value, set_by }
    }

    /// The method of the builder and the key in a configuration file: `"slab_size"`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its value, as a configuration file has it: `"100KiB"`; `"none"` where there is no limit or policy.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Where that comes from.
    #[must_use]
    pub fn set_by(&self) -> &SetBy {
        &self.set_by
    }
}

/// `slab_size 100KiB (SLAB_BUFFER_SIZE)`
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.name, self.value, self.set_by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order() {
        for (at, key) in Key::ALL.iter().enumerate() {
            assert_eq!(*key as usize, at);
        }
    }

    /// The chapter has a row for each setting, with the names and the default that are true.
    #[test]
    fn the_chapter_lists_every_setting_and_no_other() {
        let chapter = include_str!("../docs/configuration.md");
        let config = crate::config::Config::default();
        let rows: Vec<&str> = chapter.lines().filter(|line| line.starts_with("| `")).collect();
        let run_time = [Key::SlabSize, Key::Tracking];
        for &key in Key::ALL {
            let (name, variable, default) = (key.name(), key.variable(), config.value(key));
            let begin = format!("| `{name}` | `SLAB_{variable}` | `{default}` | ");
            let row = rows.iter().find(|row| row.starts_with(&begin));
            let row = row.unwrap_or_else(|| panic!("the chapter lacks the row\n{begin}"));
            let set = format!("[`set_{name}`]");
            assert_eq!(row.contains(&set), run_time.contains(&key), "{row}");
            assert!(row.ends_with("| no |") != run_time.contains(&key), "{row}");
        }
        let listed = rows.iter().filter(|row| row.contains("| `SLAB_")).count();
        assert_eq!(listed, Key::ALL.len(), "a row too many");
    }
}
