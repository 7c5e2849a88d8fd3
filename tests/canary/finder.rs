//! Finds bytes of a payload in an output, in whatever form they may have got there.

use std::collections::{BTreeMap, HashSet};

/// So many bytes of the payload in a row are taken for it. Fewer could stand there by chance.
pub(crate) const WINDOW: usize = 8;

/// Looks for a payload in every form that [`Finder::new`] lists.
pub(crate) struct Finder {
    forms: Vec<Form>,
}

/// One way to write bytes down.
struct Form {
    name: String,
    /// Whether white space in the output is nothing: lines are wrapped, lists are pretty.
    squeezed: bool,
    /// By their length.
    needles: BTreeMap<usize, HashSet<Vec<u8>>>,
    /// Which two bytes a needle may begin with.
    begins: Vec<bool>,
}

impl Finder {
    /// Of a payload that is `period` over and over.
    pub(crate) fn new(period: &[u8]) -> Finder {
        let windows: Vec<Vec<u8>> =
            (0..period.len()).map(|at| period.iter().cycle().skip(at).take(WINDOW).copied().collect()).collect();
        let mut forms = Vec::new();
        let mut form = |name: &str, squeezed, write: &dyn Fn(&[u8]) -> Vec<u8>| {
            forms.push(Form::new(name, squeezed, windows.iter().map(|window| write(window)).collect()));
        };
        form("as it is", false, &|bytes| bytes.to_vec());
        form("as characters", false, &|bytes| bytes.iter().map(|&b| b as char).collect::<String>().into_bytes());
        form("as UTF-16", false, &|bytes| bytes.iter().flat_map(|&b| [b, 0]).collect());
        for between in ["", " ", ":", "-", ",", ", ", "_", "\\x", "\\\\x", "%", ", 0x", ",0x", " 0x", "\\u00"] {
            form(&format!("in lower hex with {between:?} between"), false, &|bytes| hex(bytes, between, false));
            form(&format!("in upper hex with {between:?} between"), false, &|bytes| hex(bytes, between, true));
        }
        form("in lower hex, wrapped", true, &|bytes| hex(bytes, "", false));
        form("in upper hex, wrapped", true, &|bytes| hex(bytes, "", true));
        for (alphabet, table) in [("standard", STANDARD), ("url", URL)] {
            for skip in 0..3 {
                form(&format!("in {alphabet} base64 from byte {skip}"), true, &|bytes| {
                    inner_base64(bytes, skip, table)
                });
            }
        }
        for (between, squeezed) in [(",", true), (" ", false), (";", true)] {
            form(&format!("in decimal with {between:?} between"), squeezed, &|bytes| {
                bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(between).into_bytes()
            });
        }
        Finder { forms }
    }

    /// The name of the first form in which the payload is found.
    pub(crate) fn find(&self, output: &[u8]) -> Option<&str> {
        let squeezed: Vec<u8> = output.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
        let found = |form: &&Form| form.is_in(if form.squeezed { &squeezed } else { output });
        self.forms.iter().find(found).map(|form| &*form.name)
    }
}

impl Form {
    fn new(name: &str, squeezed: bool, written: Vec<Vec<u8>>) -> Form {
        let mut needles: BTreeMap<usize, HashSet<Vec<u8>>> = BTreeMap::new();
        let mut begins = vec![false; 1 << 16];
        for needle in written {
            assert!(needle.len() >= WINDOW, "{name}: a needle that could stand anywhere");
            begins[pair(&needle)] = true;
            needles.entry(needle.len()).or_default().insert(needle);
        }
        Form { name: name.to_owned(), squeezed, needles, begins }
    }

    fn is_in(&self, hay: &[u8]) -> bool {
        hay.windows(2).enumerate().filter(|(_, two)| self.begins[pair(two)]).any(|(at, _)| {
            self.needles.iter().any(|(&len, needles)| hay.get(at..at + len).is_some_and(|part| needles.contains(part)))
        })
    }
}

fn pair(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

pub(crate) fn hex(bytes: &[u8], between: &str, upper: bool) -> Vec<u8> {
    let digits: Vec<String> =
        bytes.iter().map(|b| if upper { format!("{b:02X}") } else { format!("{b:02x}") }).collect();
    digits.join(between).into_bytes()
}

pub(crate) const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
pub(crate) const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64 by RFC 4648, without padding.
pub(crate) fn base64(bytes: &[u8], table: &[u8; 64]) -> Vec<u8> {
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    let sextet = |from: usize| (from..from + 6).fold(0, |value, at| value << 1 | bit(at));
    (0..bytes.len() * 8).step_by(6).map(|from| table[usize::from(sextet(from))]).collect()
}

/// The letters that `bytes` alone decide when `skip` bytes stand before them and more behind.
fn inner_base64(bytes: &[u8], skip: usize, table: &[u8; 64]) -> Vec<u8> {
    let all = base64(&[&vec![0; skip], bytes].concat(), table);
    let (first, end) = ((skip * 8).div_ceil(6), (skip + bytes.len()) * 8 / 6);
    all[first..end].to_vec()
}
