//! What the environment says of a pool.

use super::{Key, PoolConfig, SetBy};
use crate::error::BuildError;
use std::ffi::OsString;

/// Variables that others read.
const OTHERS: &[&str] = &["REPORT_AT_EXIT"];
/// Names of settings that somebody may believe a variable to have.
const ALIASES: &[(&str, Key)] = &[("SIZE", Key::SlabSize), ("LIMIT", Key::MaxBytes), ("LEVEL", Key::Tracking)];
/// More of them than this are counted and not named.
const MAX_WARNINGS: usize = 16;

/// The variables of one prefix, read.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    pub(crate) said: PoolConfig,
    prefix: String,
    /// Variables that nobody reads.
    pub(crate) warnings: Vec<String>,
}

impl Environment {
    /// Reads what `variables` say under this prefix.
    pub(crate) fn read(
        prefix: &str,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Environment, BuildError> {
        let prefix = checked(prefix)?;
        let mut read = Environment { prefix: prefix.to_owned(), ..Environment::default() };
        let mut values: [Option<OsString>; Key::ALL.len()] = [const { None }; Key::ALL.len()];
        let mut unknown = Vec::new();
        for (name, value) in variables {
            let Some(rest) = name.to_str().and_then(|name| behind(name, prefix)) else {
                continue;
            };
            match Key::ALL.iter().find(|key| key.variable() == rest) {
                Some(&key) => values[key as usize] = Some(value),
                None => unknown.push(rest.to_owned()),
            }
        }
        for (&key, value) in Key::ALL.iter().zip(values) {
            let Some(value) = value else {
                continue;
            };
            let variable = read.variable(key);
            let Some(text) = value.to_str() else {
                return Err(BuildError::new(variable, format!("{value:?}"), "text in UTF-8"));
            };
            // As shells and compose files unset what they cannot leave out.
            if !text.trim().is_empty() {
                read.said.put(key, &variable, text)?;
            }
        }
        unknown.sort_unstable();
        read.warnings = warnings(prefix, unknown);
        Ok(read)
    }

    fn variable(&self, key: Key) -> String {
        format!("{}_{}", self.prefix, key.variable())
    }

    pub(crate) fn set_by(&self, key: Key) -> SetBy {
        SetBy::Env(self.variable(key))
    }
}

/// The prefix without the underscore that stands behind it in any case.
fn checked(prefix: &str) -> Result<&str, BuildError> {
    let bare = prefix.strip_suffix('_').unwrap_or(prefix);
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if bare.starts_with(|c: char| good(c) && !c.is_ascii_digit()) && bare.chars().all(good) {
        return Ok(bare);
    }
    let allowed = "letters, digits and underscores, and not begin with a digit, such as MYAPP_SLAB";
    Err(BuildError::new("env (the prefix)", format!("{prefix:?}"), allowed))
}

/// What of a name stands behind the prefix and an underscore. Windows has no two names that differ in case alone.
fn behind<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = (name.get(..prefix.len())?, name.get(prefix.len()..)?);
    let same = if cfg!(windows) { head.eq_ignore_ascii_case(prefix) } else { head == prefix };
    rest.strip_prefix('_').filter(|_| same)
}

/// What to say of variables that are none of a pool's. Their values are not shown.
fn warnings(prefix: &str, unknown: Vec<String>) -> Vec<String> {
    let told = unknown.into_iter().filter(|rest| !OTHERS.contains(&rest.as_str())).filter_map(|rest| {
        let name = format!("{prefix}_{rest}");
        let shown = name.chars().take(80).flat_map(char::escape_debug).collect::<String>();
        match meant(&rest) {
            Some(key) => Some(format!("{shown} is no variable of a pool: did you mean {prefix}_{}?", key.variable())),
            // That of another pool, whose prefix begins with this one.
            None if Key::ALL.iter().any(|key| ends_with(&rest, key.variable())) => None,
            None => Some(format!("{shown} is no variable of a pool")),
        }
    });
    let mut told: Vec<String> = told.collect();
    let more = told.len().saturating_sub(MAX_WARNINGS);
    told.truncate(MAX_WARNINGS);
    if more > 0 {
        told.push(format!("and {more} more that begin with {prefix}_"));
    }
    told
}

fn ends_with(rest: &str, variable: &str) -> bool {
    rest.strip_suffix(variable).is_some_and(|before| before.len() > 1 && before.ends_with('_'))
}

/// The variable that was likely meant: a letter or two are wrong, the words are in another order, or it is called as the setting is
/// elsewhere.
fn meant(rest: &str) -> Option<Key> {
    let upper = rest.to_ascii_uppercase();
    let words = |name: &str| {
        let mut words: Vec<String> = name.split('_').map(str::to_owned).collect();
        words.sort_unstable();
        words
    };
    let alias = ALIASES.iter().find(|(name, _)| *name == upper).map(|(_, key)| *key);
    let same = |name: &str| name == upper || words(name) == words(&upper);
    let called = || Key::ALL.iter().copied().find(|key| same(key.variable()) || same(&key.name().to_ascii_uppercase()));
    let near = || {
        let all = Key::ALL.iter().map(|&key| (distance(&upper, key.variable()), key));
        // Two letters of a short word make another word.
        all.filter(|&(off, key)| off <= (key.variable().len() / 3).min(2))
            .min_by_key(|&(off, _)| off)
            .map(|(_, key)| key)
    };
    alias.or_else(called).or_else(near)
}

/// How many letters have to be put in, left out or changed (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    if a.len().abs_diff(b.len()) > 2 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let changed = corner + usize::from(x != y);
            corner = row[j + 1];
            row[j + 1] = changed.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Environment, BuildError> {
        Environment::read("SLAB", variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))))
    }

    #[test]
    fn every_variable_good_and_bad() {
        // Variable, a good value as the configuration then has it, and some that cannot be.
        let table: &[(Key, &str, &str, &[&str])] = &[
            (Key::Name, " http ", "http", &[]),
            (
                Key::SlabSize,
                "auto:16KiB..1MiB",
                "auto:16KiB..1MiB",
                &["0", "2GiB", "lots", "-1", "auto:2..1", "99999999999999999999"],
            ),
            (Key::MaxBytes, "2GiB", "2GiB", &["-1", "1.5GiB", "16EiB", "none", "18446744073709551615GiB"]),
            (Key::IdleBytes, "0", "0", &["-1", "0x10", "1 potato"]),
            (Key::IdleDecay, "off", "off", &["1", "-1s", "1.5s", "400d"]),
            (Key::MaxLedgerBytes, "1M", "1MiB", &["-0", "1 1"]),
            (Key::Reuse, "WHOLE", "whole", &["half", "1"]),
            (Key::ZeroOnRecycle, "yes", "true", &["2", "maybe"]),
            (Key::Tracking, "Backtraces/100", "backtraces/100", &["max", "backtraces/0"]),
            (Key::RetainPolicy, "never", "never", &["1KiB", "1KiB/-1"]),
            (Key::CompactPolicy, "250ms/10/pack", "250ms/10/pack", &["25", "1s/101"]),
            (Key::Suspects, "1h/5", "1h/5", &["1h", "1h/101"]),
        ];
        assert!(table.iter().map(|row| row.0).eq(Key::ALL.iter().copied()), "a variable is missing above");
        for (key, good, canonical, bad) in table {
            let variable = format!("SLAB_{}", key.variable());
            let environment = read(&[(&variable, good)]).unwrap();
            let mut config = crate::config::Config::default();
            config.take(&environment.said, |key| environment.set_by(key));
            assert_eq!((&*config.value(*key), config.set_by(*key)), (*canonical, &SetBy::Env(variable.clone())));
            let others = Key::ALL.iter().filter(|other| *other != key);
            assert!(others.into_iter().all(|other| config.set_by(*other) == &SetBy::Default));
            for text in *bad {
                let error = read(&[(&variable, text)]).unwrap_err();
                assert_eq!((error.field(), error.value()), (&*variable, &*format!("{text:?}")));
                assert!(error.to_string().contains(": it must be "), "{error}");
            }
            for unset in ["", " ", "\t\n"] {
                assert_eq!(read(&[(&variable, unset)]).unwrap().said, PoolConfig::default(), "{variable}={unset:?}");
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_not_text_is_shown_all_the_same() {
        use std::os::unix::ffi::OsStringExt;
        for key in Key::ALL {
            let variable = format!("SLAB_{}", key.variable());
            let value = OsString::from_vec(b"64\xffKiB".to_vec());
            let error = Environment::read("SLAB", [(variable.clone().into(), value)].into_iter()).unwrap_err();
            assert_eq!(error.to_string(), format!("{variable} is \"64\\xFFKiB\": it must be text in UTF-8"));
        }
        let name = OsString::from_vec(b"SLAB_\xff".to_vec());
        assert!(Environment::read("SLAB", [(name, "1".into())].into_iter()).unwrap().warnings.is_empty());
    }

    #[test]
    fn typing_errors_are_told_and_other_pools_left_alone() {
        let told = |name: &str| read(&[(name, "a secret")]).unwrap().warnings;
        for (name, meant) in [
            ("SLAB_BUFER_SIZE", "BUFFER_SIZE"),
            ("SLAB_BUFFERSIZE", "BUFFER_SIZE"),
            ("SLAB_buffer_size", "BUFFER_SIZE"),
            ("SLAB_SIZE", "BUFFER_SIZE"),
            ("SLAB_SLAB_SIZE", "BUFFER_SIZE"),
            ("SLAB_MAX_BYTE", "MAX_BYTES"),
            ("SLAB_BYTES_MAX", "MAX_BYTES"),
            ("SLAB_LEDGER_MAX_BYTES", "MAX_LEDGER_BYTES"),
            ("SLAB_RETAIN_POLICY", "RETAIN"),
        ] {
            assert_eq!(told(name), [format!("{name} is no variable of a pool: did you mean SLAB_{meant}?")]);
        }
        assert_eq!(told("SLAB_COLOUR"), ["SLAB_COLOUR is no variable of a pool"]);
        assert_eq!(told("SLAB_\u{1b}[2J"), ["SLAB_\\u{1b}[2J is no variable of a pool"]);
        for name in ["SLAB_TLS_BUFFER_SIZE", "SLAB_REPORT_AT_EXIT", "SLABS", "SLAB", "MYSLAB_BUFER_SIZE", "PATH", ""] {
            assert_eq!(told(name), [""; 0], "{name}");
        }
        let many: Vec<String> = (0..100).map(|n| format!("SLAB_{n}")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "")).collect();
        let told = read(&many).unwrap().warnings;
        assert_eq!((told.len(), told.last().unwrap().as_str()), (17, "and 84 more that begin with SLAB_"));
    }

    #[test]
    fn prefixes_tell_pools_apart() {
        let variables = [("SLAB_IDLE_BYTES", "1"), ("APP_SLAB_IDLE_BYTES", "2"), ("APP_IDLE_BYTES", "3")];
        let variables = || variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        for (prefix, bytes) in [("SLAB", 1), ("APP_SLAB", 2), ("APP_SLAB_", 2), ("APP", 3)] {
            assert_eq!(Environment::read(prefix, variables()).unwrap().said.idle_bytes, Some(bytes), "{prefix}");
        }
        for prefix in ["", "_", "9", "A=B", "A B", "Ä", "A\0", "A-B"] {
            let error = Environment::read(prefix, variables()).map(|read| read.said).unwrap_err();
            assert_eq!(error.value(), format!("{prefix:?}"));
        }
    }
}
