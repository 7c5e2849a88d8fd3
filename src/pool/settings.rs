//! What a pool is told at present, and by whom.

use super::{Core, SlabPool};
use crate::config::{Config, Key, SetBy, Setting, Text};
use crate::error::BuildError;
use crate::slab_size::SlabSize;
use crate::sync::{AtomicU32, Ordering};

/// Which settings were changed while the pool ran, a bit for each.
#[derive(Default)]
pub(super) struct Changed(AtomicU32);

// Relaxed: a setting that is read a moment before it is marked is told with who set it before.
impl Changed {
    pub(super) fn mark(&self, key: Key) {
        self.0.fetch_or(1 << key as u32, Ordering::Relaxed);
    }

    fn has(&self, key: Key) -> bool {
        self.0.load(Ordering::Relaxed) & (1 << key as u32) != 0
    }
}

impl Core {
    /// Whether slabs of a running pool may become as large as that.
    pub(super) fn check_slab_size(&self, size: SlabSize) -> Result<(), BuildError> {
        let mut config = Config::default();
        config.max_bytes = self.config.max_bytes;
        config.put(Key::SlabSize, SetBy::RunTime, |config| config.set_slab_size(size));
        config.check()
    }
}

impl SlabPool {
    /// The effective configuration: every setting with its value at present, and where that comes from.
    ///
    /// ```
    /// let pool = bufslab::SlabPool::builder().max_bytes(64 << 20).build()?;
    /// pool.set_slab_size(100 * 1024)?;
    /// let settings: Vec<String> = pool.settings().iter().map(ToString::to_string).collect();
    /// assert_eq!(settings[1..4], ["slab_size 100KiB (run time)", "max_bytes 64MiB (code)", "idle_bytes 16MiB (default)"]);
    /// # Ok::<(), bufslab::BuildError>(())
    /// ```
    #[must_use]
    pub fn settings(&self) -> Vec<Setting> {
        let core = self.core();
        let now = |key| {
            let value = match key {
                Key::SlabSize => core.sizing().text(),
                Key::Tracking => core.level().text(),
                _ => core.config.value(key),
            };
            Setting::new(key, value, SetBy::RunTime)
        };
        let mut settings = core.config.settings();
        for (setting, &key) in settings.iter_mut().zip(Key::ALL).filter(|(_, key)| core.changed.has(**key)) {
            *setting = now(key);
        }
        settings
    }

    /// Environment variables that begin as those of this pool do, and are none: most likely somebody mistyped one. One sentence for
    /// each, which every report shows too.
    #[must_use]
    pub fn config_warnings(&self) -> &[String] {
        &self.core().config.warnings
    }
}
