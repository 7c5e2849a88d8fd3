//! What a configuration file says of a pool.

use super::text::read;
use super::{Key, Level, Reuse};
use crate::compaction::CompactPolicy;
use crate::error::BuildError;
use crate::policy::{RetainPolicy, SuspectPolicy};
use crate::slab_size::SlabSize;
use core::time::Duration;

/// A pool's configuration as a file has it: everything may be left out.
///
/// With the feature `serde` it is read and written by whatever format describes itself, such as TOML and JSON. Sizes are numbers of bytes
/// or strings with a unit, intervals and policies are strings; a key that is not one of these is an error, and so is a value that
/// cannot be. Errors name the key, its value and what is allowed.
///
/// ```toml
/// [buffers]
/// name = "http"
/// slab_size = "100KiB"          # or 102400, or "auto", or "auto:16KiB..1MiB"
/// max_bytes = "2GiB"
/// idle_bytes = "64MiB"
/// idle_decay = "250ms"          # or "off"
/// max_ledger_bytes = "16MiB"
/// reuse = "around"              # or "whole"
/// zero_on_recycle = false
/// tracking = "sites"            # or "off", "counters", "backtraces/100"
/// retain_policy = "1KiB/3"      # copybreak and ratio, or "never", "always"
/// compact_policy = "1s/25"      # age and per cent, or "1s/25/pack", "never"
/// suspects = "10min/5"          # age and per cent, or "off"
/// ```
///
/// ```
/// # #[cfg(feature = "serde")] {
/// use bufslab::{PoolConfig, SlabPool};
///
/// #[derive(serde::Deserialize)]
/// struct Server {
///     buffers: PoolConfig,
/// }
///
/// let text = "[buffers]\nslab_size = \"100KiB\"\nidle_decay = \"250ms\"\n";
/// let server: Server = toml::from_str(text)?;
/// let pool = SlabPool::builder().config(&server.buffers).env("SLAB")?.build()?;
/// assert_eq!(pool.slab_size(), 102_400);
///
/// let error = toml::from_str::<Server>("[buffers]\nslab_size = \"2GiB\"").err().unwrap();
/// assert!(error.message().starts_with("slab_size is \"2GiB\": it must be from 1 B to 1 GiB"));
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Without it the fields are set by whatever reads the file:
///
/// ```
/// use bufslab::{PoolConfig, SlabPool};
///
/// let config = PoolConfig { slab_size: Some("100KiB".parse()?), ..PoolConfig::default() };
/// let pool = SlabPool::builder().config(&config).build()?;
/// assert_eq!(pool.slab_size(), 102_400);
/// # Ok::<(), bufslab::BuildError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
pub struct PoolConfig {
    /// As [`SlabPoolBuilder::name`](crate::SlabPoolBuilder::name).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub name: Option<String>,
    /// As [`SlabPoolBuilder::slab_size`](crate::SlabPoolBuilder::slab_size).
    #[cfg_attr(feature = "serde", serde(with = "text::slab_size", skip_serializing_if = "Option::is_none"))]
    pub slab_size: Option<SlabSize>,
    /// As [`SlabPoolBuilder::max_bytes`](crate::SlabPoolBuilder::max_bytes).
    #[cfg_attr(feature = "serde", serde(with = "text::max_bytes", skip_serializing_if = "Option::is_none"))]
    pub max_bytes: Option<usize>,
    /// As [`SlabPoolBuilder::idle_bytes`](crate::SlabPoolBuilder::idle_bytes).
    #[cfg_attr(feature = "serde", serde(with = "text::idle_bytes", skip_serializing_if = "Option::is_none"))]
    pub idle_bytes: Option<usize>,
    /// As [`SlabPoolBuilder::idle_decay`](crate::SlabPoolBuilder::idle_decay).
    #[cfg_attr(feature = "serde", serde(with = "text::idle_decay", skip_serializing_if = "Option::is_none"))]
    pub idle_decay: Option<Duration>,
    /// As [`SlabPoolBuilder::max_ledger_bytes`](crate::SlabPoolBuilder::max_ledger_bytes).
    #[cfg_attr(feature = "serde", serde(with = "text::max_ledger_bytes", skip_serializing_if = "Option::is_none"))]
    pub max_ledger_bytes: Option<usize>,
    /// As [`SlabPoolBuilder::reuse`](crate::SlabPoolBuilder::reuse).
    #[cfg_attr(feature = "serde", serde(with = "text::reuse", skip_serializing_if = "Option::is_none"))]
    pub reuse: Option<Reuse>,
    /// As [`SlabPoolBuilder::zero_on_recycle`](crate::SlabPoolBuilder::zero_on_recycle).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub zero_on_recycle: Option<bool>,
    /// As [`SlabPoolBuilder::tracking`](crate::SlabPoolBuilder::tracking).
    #[cfg_attr(feature = "serde", serde(with = "text::tracking", skip_serializing_if = "Option::is_none"))]
    pub tracking: Option<Level>,
    /// As [`SlabPoolBuilder::retain_policy`](crate::SlabPoolBuilder::retain_policy).
    #[cfg_attr(feature = "serde", serde(with = "text::retain_policy", skip_serializing_if = "Option::is_none"))]
    pub retain_policy: Option<RetainPolicy>,
    /// As [`SlabPoolBuilder::compact_policy`](crate::SlabPoolBuilder::compact_policy).
    #[cfg_attr(feature = "serde", serde(with = "text::compact_policy", skip_serializing_if = "Option::is_none"))]
    pub compact_policy: Option<CompactPolicy>,
    /// As [`SlabPoolBuilder::suspects`](crate::SlabPoolBuilder::suspects).
    #[cfg_attr(feature = "serde", serde(with = "text::suspects", skip_serializing_if = "Option::is_none"))]
    pub suspects: Option<SuspectPolicy>,
}

impl PoolConfig {
    /// Takes over one setting as `field` has it.
    pub(super) fn put(&mut self, key: Key, field: &str, text: &str) -> Result<(), BuildError> {
        match key {
            Key::Name => self.name = Some(read(field, text)?),
            Key::SlabSize => self.slab_size = Some(read(field, text)?),
            Key::MaxBytes => self.max_bytes = Some(read(field, text)?),
            Key::IdleBytes => self.idle_bytes = Some(read(field, text)?),
            Key::IdleDecay => self.idle_decay = Some(read(field, text)?),
            Key::MaxLedgerBytes => self.max_ledger_bytes = Some(read(field, text)?),
            Key::Reuse => self.reuse = Some(read(field, text)?),
            Key::ZeroOnRecycle => self.zero_on_recycle = Some(read(field, text)?),
            Key::Tracking => self.tracking = Some(read(field, text)?),
            Key::RetainPolicy => self.retain_policy = Some(read(field, text)?),
            Key::CompactPolicy => self.compact_policy = Some(read(field, text)?),
            Key::Suspects => self.suspects = Some(read(field, text)?),
        }
        Ok(())
    }
}

/// Values as text, each under the name of its key, so that an error tells it whatever the format is.
#[cfg(feature = "serde")]
mod text {
    use super::super::text::{Text, read};
    use super::Key;
    use crate::error::BuildError;
    use core::fmt;
    use core::marker::PhantomData;
    use serde::de::{Deserializer, Error, Visitor};

    struct Value<T> {
        key: Key,
        of: PhantomData<T>,
    }

    impl<T: Text> Value<T> {
        fn refuse<E: Error>(&self, value: impl fmt::Display) -> E {
            E::custom(BuildError::new(self.key.name(), value.to_string(), T::allowed()))
        }
    }

    impl<'de, T: Text> Visitor<'de> for Value<T> {
        type Value = Option<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{}: {}", self.key.name(), T::allowed())
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Option<T>, E> {
            read(self.key.name(), text).map(Some).map_err(E::custom)
        }

        fn visit_u64<E: Error>(self, n: u64) -> Result<Option<T>, E> {
            T::number(n).map(Some).ok_or_else(|| self.refuse(n))
        }

        fn visit_i64<E: Error>(self, n: i64) -> Result<Option<T>, E> {
            match u64::try_from(n) {
                Ok(n) => self.visit_u64(n),
                Err(_) => Err(self.refuse(n)),
            }
        }

        fn visit_f64<E: Error>(self, n: f64) -> Result<Option<T>, E> {
            Err(self.refuse(n))
        }

        fn visit_bool<E: Error>(self, flag: bool) -> Result<Option<T>, E> {
            Err(self.refuse(flag))
        }

        fn visit_unit<E: Error>(self) -> Result<Option<T>, E> {
            Ok(None)
        }

        fn visit_none<E: Error>(self) -> Result<Option<T>, E> {
            Ok(None)
        }

        fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Option<T>, D::Error> {
            from.deserialize_any(self)
        }
    }

    macro_rules! keys {
        ($($module:ident: $type:ty, $key:ident;)*) => {$(
            pub(super) mod $module {
                use super::*;
                #[allow(unused_imports, reason = "some types are in the prelude")]
                use super::super::*;

                pub(in super::super) fn deserialize<'de, D>(from: D) -> Result<Option<$type>, D::Error>
                where
                    D: Deserializer<'de>,
                {
                    from.deserialize_any(Value { key: Key::$key, of: PhantomData })
                }

                pub(in super::super) fn serialize<S>(value: &Option<$type>, to: S) -> Result<S::Ok, S::Error>
                where
                    S: serde::Serializer,
                {
                    match value {
                        Some(value) => to.serialize_str(&Text::text(value)),
                        None => to.serialize_none(),
                    }
                }
            }
        )*};
    }

    keys! {
        slab_size: SlabSize, SlabSize;
        max_bytes: usize, MaxBytes;
        idle_bytes: usize, IdleBytes;
        idle_decay: Duration, IdleDecay;
        max_ledger_bytes: usize, MaxLedgerBytes;
        reuse: Reuse, Reuse;
        tracking: Level, Tracking;
        retain_policy: RetainPolicy, RetainPolicy;
        compact_policy: CompactPolicy, CompactPolicy;
        suspects: SuspectPolicy, Suspects;
    }
}
