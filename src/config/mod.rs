//! Floor 1: what a pool can be told, and what is allowed.
//!
//! | file | part |
//! |---|---|
//! | `level` | how much is known of slices |
//! | `text` | every value as operators write it, and read back |
//! | `setting` | the one table of settings: name, variable, and who set it |
//! | `file` | what a configuration file says |
//! | `env` | what the environment says |
//! | `mod` | all of it together, as a pool is built from it |

mod env;
mod file;
mod level;
mod setting;
mod text;

use crate::compaction::CompactPolicy;
use crate::error::BuildError;
use crate::policy::{RetainPolicy, SuspectPolicy};
use crate::slab_size::SlabSize;
use core::time::Duration;
pub(crate) use env::Environment;
pub use file::PoolConfig;
pub use level::Level;
pub(crate) use setting::Key;
pub use setting::{SetBy, Setting};
pub(crate) use text::Text;
use text::size_in_prose;

/// What becomes of a slab that some slice still pins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reuse {
    /// It is cut from again, around its pins: a pin costs its own bytes and not its slab. Needs slices to be listed, so a
    /// level above [`Level::Off`]. A slab that nothing pins is cut from its start again before it is full.
    #[default]
    AroundThePin,
    /// It is used again when its last slice is gone and not before: how Node and most pools do it.
    WholeSlab,
}

impl Reuse {
    /// `"around_the_pin"` or `"whole_slab"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Reuse::AroundThePin => "around_the_pin",
            Reuse::WholeSlab => "whole_slab",
        }
    }
}

/// 64 KiB: with reads of 1,500 bytes that are dropped at once, reused hot in the cache.
pub(crate) const DEFAULT_SLAB_SIZE: usize = 64 * 1024;
/// 1 GiB: offsets in a shared slab are 32 bits wide with room to spare. One request may be larger; it gets a slab of
/// its own.
pub(crate) const MAX_SLAB_SIZE: usize = 1 << 30;

/// Everything a pool is told when it is built, and by whom.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) name: String,
    /// What new slabs are large at first.
    pub(crate) slab_size: usize,
    /// What was asked for.
    pub(crate) sizing: SlabSize,
    pub(crate) max_bytes: Option<usize>,
    pub(crate) idle_bytes: usize,
    pub(crate) idle_decay: Duration,
    pub(crate) ledger_bytes: Option<usize>,
    pub(crate) reuse: Reuse,
    pub(crate) zero_on_recycle: bool,
    pub(crate) level: Level,
    pub(crate) retain_policy: RetainPolicy,
    pub(crate) compact_policy: CompactPolicy,
    pub(crate) suspects: Option<SuspectPolicy>,
    /// Who set each of them.
    set_by: [SetBy; Key::ALL.len()],
    /// What the environment said that nobody understood.
    pub(crate) warnings: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            name: String::from("unnamed"),
            slab_size: DEFAULT_SLAB_SIZE,
            sizing: SlabSize::Fixed(DEFAULT_SLAB_SIZE),
            max_bytes: None,
            idle_bytes: 16 << 20,
            idle_decay: Duration::from_secs(1),
            ledger_bytes: None,
            reuse: Reuse::default(),
            zero_on_recycle: false,
            level: Level::default(),
            retain_policy: RetainPolicy::default(),
            compact_policy: CompactPolicy::new(),
            suspects: None,
            set_by: [const { SetBy::Default }; Key::ALL.len()],
            warnings: Vec::new(),
        }
    }
}

impl Config {
    /// Sets one of them, unless somebody has whose word counts for more.
    pub(crate) fn put(&mut self, key: Key, by: SetBy, set: impl FnOnce(&mut Config)) {
        let known = &mut self.set_by[key as usize];
        if by.rank() >= known.rank() {
            *known = by;
            set(self);
        }
    }

    pub(crate) fn set_by(&self, key: Key) -> &SetBy {
        &self.set_by[key as usize]
    }

    /// Takes over what a file or the environment says.
    pub(crate) fn take(&mut self, said: &PoolConfig, by: impl Fn(Key) -> SetBy) {
        macro_rules! take {
            ($($key:ident $field:ident: $config:ident, $value:ident => $set:expr;)*) => {$(
                if let Some($value) = said.$field.clone() {
                    self.put(Key::$key, by(Key::$key), |$config| $set);
                }
            )*};
        }
        take! {
            Name name: config, name => config.name = name;
            SlabSize slab_size: config, size => config.set_slab_size(size);
            MaxBytes max_bytes: config, bytes => config.max_bytes = Some(bytes);
            IdleBytes idle_bytes: config, bytes => config.idle_bytes = bytes;
            IdleDecay idle_decay: config, interval => config.idle_decay = interval;
            MaxLedgerBytes max_ledger_bytes: config, bytes => config.ledger_bytes = Some(bytes);
            Reuse reuse: config, reuse => config.reuse = reuse;
            ZeroOnRecycle zero_on_recycle: config, zero => config.zero_on_recycle = zero;
            Tracking tracking: config, level => config.level = level;
            RetainPolicy retain_policy: config, policy => config.retain_policy = policy;
            CompactPolicy compact_policy: config, policy => config.compact_policy = policy;
            Suspects suspects: config, policy => config.suspects = Some(policy);
        }
    }

    pub(crate) fn set_slab_size(&mut self, size: SlabSize) {
        self.sizing = size;
        self.slab_size = size.first(DEFAULT_SLAB_SIZE);
    }

    /// The value of a setting, as a configuration file has it; `none` where there is none.
    pub(crate) fn value(&self, key: Key) -> String {
        let none = || String::from("none");
        match key {
            Key::Name => self.name.clone(),
            Key::SlabSize => self.sizing.text(),
            Key::MaxBytes => self.max_bytes.map_or_else(none, |bytes| bytes.text()),
            Key::IdleBytes => self.idle_bytes.text(),
            Key::IdleDecay => self.idle_decay.text(),
            Key::MaxLedgerBytes => self.ledger_bytes.map_or_else(none, |bytes| bytes.text()),
            Key::Reuse => self.reuse.text(),
            Key::ZeroOnRecycle => self.zero_on_recycle.text(),
            Key::Tracking => self.level.text(),
            Key::RetainPolicy => self.retain_policy.text(),
            Key::CompactPolicy => self.compact_policy.text(),
            Key::Suspects => self.suspects.map_or_else(none, |policy| policy.text()),
        }
    }

    /// All settings, in the order of the table.
    pub(crate) fn settings(&self) -> Vec<Setting> {
        Key::ALL.iter().map(|&key| Setting::new(key, self.value(key), self.set_by(key).clone())).collect()
    }

    pub(crate) fn check(&self) -> Result<(), BuildError> {
        let by = self.set_by(Key::SlabSize);
        self.sizing.check(by.field(Key::SlabSize))?;
        let Some(max) = self.max_bytes.filter(|&max| max < self.sizing.least()) else {
            return Ok(());
        };
        let (of_max, size) = (self.set_by(Key::MaxBytes), self.sizing.least());
        // Whoever spoke last, by rank, is the one to be told.
        if by.rank() > of_max.rank() {
            let allowed = format!("from 1 B to {}, the pool's max_bytes", size_in_prose(max));
            return Err(BuildError::new(by.field(Key::SlabSize), self.sizing.text(), allowed));
        }
        let allowed = format!("at least the slab_size of {}, or not be set", size_in_prose(size));
        Err(BuildError::new(of_max.field(Key::MaxBytes), max.text(), allowed))
    }
}

impl SlabSize {
    /// Whether a pool can have it: `field` is what to call it if not.
    pub(crate) fn check(self, field: String) -> Result<(), BuildError> {
        let fits = |size: usize| (1..=MAX_SLAB_SIZE).contains(&size);
        let most = size_in_prose(MAX_SLAB_SIZE);
        match self {
            SlabSize::Fixed(size) if fits(size) => Ok(()),
            SlabSize::Fixed(size) => Err(BuildError::new(field, size.text(), format!("from 1 B to {most}"))),
            SlabSize::Auto { min, max } if fits(min) && fits(max) && min <= max => Ok(()),
            SlabSize::Auto { .. } => {
                let allowed = format!("auto:SMALLEST..LARGEST, both from 1 B to {most} and the smallest first");
                Err(BuildError::new(field, self.text(), allowed))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cap_below_one_slab_is_refused() {
        let config = Config { max_bytes: Some(100), ..Config::default() };
        let error = config.check().unwrap_err();
        assert_eq!(error.to_string(), "max_bytes is 100: it must be at least the slab_size of 64 KiB, or not be set");
    }

    #[test]
    fn whoever_counts_more_is_told_that_the_two_do_not_fit() {
        let mut config = Config::default();
        config.put(Key::MaxBytes, SetBy::Code, |config| config.max_bytes = Some(1 << 20));
        config
            .put(Key::SlabSize, SetBy::Env("SLAB_BUFFER_SIZE".into()), |config| config.set_slab_size((2 << 20).into()));
        let error = config.check().unwrap_err();
        assert_eq!(error.to_string(), "SLAB_BUFFER_SIZE is 2MiB: it must be from 1 B to 1 MiB, the pool's max_bytes");
    }

    #[test]
    fn the_environment_counts_more_than_a_file_and_that_more_than_code_in_whatever_order() {
        use SetBy::{Code, Env, File};
        let by = [Code, File, Env("A".into())];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut config = Config::default();
            for who in order {
                config.put(Key::IdleBytes, by[who].clone(), |config| config.idle_bytes = who);
            }
            assert_eq!((config.idle_bytes, config.set_by(Key::IdleBytes)), (2, &by[2]));
        }
        let mut config = Config::default();
        config.put(Key::IdleBytes, Code, |config| config.idle_bytes = 1);
        config.put(Key::IdleBytes, Code, |config| config.idle_bytes = 2);
        assert_eq!(config.idle_bytes, 2, "of two of one kind, the later");
    }
}
