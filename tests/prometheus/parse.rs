//! A reader of the text format that takes nothing but what its description allows, OpenMetrics' additions included.
//! It shares no code with the writer.

use std::collections::{BTreeMap, BTreeSet};

/// The labels of a series, by name.
pub(crate) type Labels = BTreeMap<String, String>;

#[derive(Debug, Default)]
pub(crate) struct Page {
    /// Kind and help of each family.
    pub(crate) families: BTreeMap<String, (String, String)>,
    /// By name and labels.
    pub(crate) series: BTreeMap<(String, Labels), f64>,
}

impl Page {
    pub(crate) fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.series.get(&(name.to_owned(), labels)).copied()
    }

    /// The figures of all series of that name, with the value of one label.
    pub(crate) fn by(&self, name: &str, label: &str) -> Vec<(String, f64)> {
        let named = self.series.iter().filter(|((of, _), _)| of == name);
        named.map(|((_, labels), figure)| (labels[label].clone(), *figure)).collect()
    }
}

/// Reads a page, or panics with the line that is wrong.
pub(crate) fn page(text: &str) -> Page {
    assert!(text.ends_with('\n'), "the last line has no end");
    let mut page = Page::default();
    let mut open = String::new();
    let mut closed = BTreeSet::new();
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    if lines.last() == Some(&"# EOF") {
        lines.pop();
    }
    for line in lines {
        if let Some(comment) = line.strip_prefix("# ") {
            let (keyword, rest) = comment.split_once(' ').expect(line);
            let (name, what) = rest.split_once(' ').expect(line);
            assert!(is_name(name), "{line}");
            if open != name {
                assert!(closed.insert(name.to_owned()), "a family in two pieces: {line}");
                open = name.to_owned();
            }
            let family = page.families.entry(name.to_owned()).or_default();
            match keyword {
                "HELP" => assert!(std::mem::replace(&mut family.1, what.to_owned()).is_empty(), "twice: {line}"),
                "TYPE" => assert!(std::mem::replace(&mut family.0, what.to_owned()).is_empty(), "twice: {line}"),
                "UNIT" => assert!(name.ends_with(&format!("_{what}")), "{line}"),
                _ => panic!("{line}"),
            }
            continue;
        }
        let (name, labels, value) = sample(line);
        let kind = &page.families.get(&open).unwrap_or_else(|| panic!("before any family: {line}")).0;
        let suffix = name.strip_prefix(open.as_str()).unwrap_or_else(|| panic!("in family {open}: {line}"));
        let fits = match kind.as_str() {
            "histogram" => {
                ["_bucket", "_sum", "_count"].contains(&suffix) && (suffix == "_bucket") == labels.contains_key("le")
            }
            "summary" => ["", "_sum", "_count"].contains(&suffix),
            "counter" => ["", "_total"].contains(&suffix) && name.ends_with("_total"),
            "gauge" => suffix.is_empty(),
            other => panic!("a {other}: {line}"),
        };
        assert!(fits, "no sample of a {kind} {open}: {line}");
        assert_eq!(page.series.insert((name, labels), value), None, "twice: {line}");
    }
    page
}

fn is_name(name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty() && name.chars().all(word)
}

fn sample(line: &str) -> (String, Labels, f64) {
    let end = line.find(['{', ' ']).expect(line);
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "{line}");
    let mut labels = Labels::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, value) = rest.split_once("=\"").expect(line);
            assert!(is_name(label), "{line}");
            let (value, after) = quoted(value, line);
            assert_eq!(labels.insert(label.to_owned(), value), None, "{line}");
            match after.strip_prefix(',') {
                Some(next) => rest = next,
                None => {
                    rest = after.strip_prefix('}').expect(line);
                    break;
                }
            }
        }
    }
    let value = rest.strip_prefix(' ').expect(line);
    assert!(!value.contains(' '), "{line}");
    (name.to_owned(), labels, value.parse().unwrap_or_else(|_| panic!("{line}")))
}

/// The text up to the closing quote, and what comes after it.
fn quoted<'a>(text: &'a str, line: &str) -> (String, &'a str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, c @ ('\\' | '"'))) => value.push(c),
                other => panic!("escape {other:?}: {line}"),
            },
            // Legal in the format, but not all readers bear them.
            c => {
                assert!(!c.is_control(), "{line:?}");
                value.push(c);
            }
        }
    }
    panic!("a label without an end: {line}")
}
