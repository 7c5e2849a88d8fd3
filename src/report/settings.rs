//! What a pool was told, and by whom, as a report says it.

use core::fmt;

use super::model::PinReport;
use super::names::squeeze;
use super::table::Lines;
use crate::config::{Key, SetBy, Setting};

/// Columns that a value or a variable may take. It may have come out of a file.
const WORD: usize = 56;
/// Warnings that are shown at once.
const WARNINGS: usize = 3;

/// Labels of the metric that tells the configuration: the pool, and every setting but its name.
pub(super) const INFO_LABELS: &[&str] = &{
    let mut labels = [""; Key::ALL.len()];
    labels[0] = "pool";
    let mut at = 1;
    while at < labels.len() {
        labels[at] = Key::ALL[at].name();
        at += 1;
    }
    labels
};

/// What each of [`INFO_LABELS`] but the first has to say, if the report knows its pool's configuration.
pub(super) fn info(report: &PinReport) -> Option<Vec<String>> {
    let value = |label: &str| report.config.iter().find(|setting| setting.name() == label);
    INFO_LABELS[1..].iter().map(|label| value(label).map(|setting| setting.value().to_owned())).collect()
}

/// Value and origin, harmless.
pub(super) fn words(setting: &Setting) -> [String; 3] {
    [setting.name(), setting.value(), &setting.set_by().to_string()].map(|word| squeeze(word, WORD))
}

/// A warning, harmless.
pub(super) fn warning(text: &str) -> String {
    let words: Vec<String> = text.split(' ').take(64).map(|word| squeeze(word, WORD)).collect();
    words.join(" ")
}

fn list<'a>(settings: impl Iterator<Item = &'a Setting>) -> String {
    let one = |setting| {
        let [name, value, by] = words(setting);
        match setting.set_by() {
            SetBy::Default => format!("{name} {value}"),
            _ => format!("{name} {value} ({by})"),
        }
    };
    settings.map(one).collect::<Vec<_>>().join(", ")
}

impl PinReport {
    /// What somebody set, in one line. The pool's name is told elsewhere.
    pub(super) fn settings_line(&self) -> Option<String> {
        let mut set = self
            .config
            .iter()
            .filter(|setting| *setting.set_by() != SetBy::Default && setting.name() != Key::Name.name());
        let first = set.next()?;
        Some(format!("set: {}", list(core::iter::once(first).chain(set))))
    }

    /// As lines of the text form; if `all`, with what nobody set.
    pub(super) fn settings_text(&self, lines: &mut Lines<'_, '_>, all: bool) -> fmt::Result {
        if let Some(line) = self.settings_line() {
            lines.prose(&line)?;
        }
        let mut defaults = self.config.iter().filter(|setting| *setting.set_by() == SetBy::Default).peekable();
        if all && defaults.peek().is_some() {
            lines.prose(&format!("not set: {}", list(defaults)))?;
        }
        let shown = if all { usize::MAX } else { WARNINGS };
        for text in self.config_warnings.iter().take(shown) {
            lines.prose(&format!("configuration: {}", warning(text)))?;
        }
        match self.config_warnings.len().saturating_sub(shown) {
            0 => Ok(()),
            more => lines.line(&format!("configuration: and {more} more to see to")),
        }
    }
}

/// All settings, for a person who asks for them.
#[cfg(feature = "admin")]
pub(crate) struct AllSettings<'a>(pub(crate) &'a crate::pool::SlabPool);

#[cfg(feature = "admin")]
impl fmt::Display for AllSettings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, setting) in self.0.settings().iter().enumerate() {
            let [name, value, by] = words(setting);
            write!(f, "{}{name:18}{value:18}{by}", if at > 0 { "\n" } else { "" })?;
        }
        self.0.config_warnings().iter().try_for_each(|text| write!(f, "\n{}", warning(text)))
    }
}
