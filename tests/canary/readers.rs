//! Whether an output can still be read as what it is, when names are hostile.

use bufslab::PinReport;
use bufslab::report::Format;

type Checked = Result<(), Box<dyn std::error::Error>>;

fn ensure(holds: bool, what: impl Into<String>) -> Checked {
    if holds { Ok(()) } else { Err(what.into().into()) }
}

/// Reads `out`, which is `report`, and compares its structure with that of `plain`, a like report with harmless names.
pub(crate) fn check(format: Format, out: &[u8], plain: &[u8], report: &PinReport) -> Checked {
    #[cfg(feature = "pprof")]
    if format == Format::Pprof {
        return check_profile(&gunzip(out));
    }
    let (out, plain) = (core::str::from_utf8(out)?, core::str::from_utf8(plain)?);
    let allowed = |c: char| !c.is_control() || c == '\n' || (c == '\r' && format == Format::Csv);
    ensure(out.chars().all(allowed), format!("a control character in {out:?}"))?;
    match format {
        Format::Text => check_text(out, plain),
        Format::Json => {
            let json: serde_json::Value = serde_json::from_str(out)?;
            ensure(json["slabs"][0]["slices"][0]["tag"] == report.slabs[0].slices[0].tag.unwrap().name(), "another tag")
        }
        Format::HeapSnapshot => check_snapshot(out),
        Format::Csv => check_csv(out, report),
        Format::Folded => check_folded(out, report),
        Format::Prometheus => check_exposition(out, plain),
        Format::Html => check_page(out, plain),
        other => Err(format!("{other} has no check here").into()),
    }
}

/// Long names may make a sentence go on in another line, which is then indented; no name begins a line of its own.
fn check_text(out: &str, plain: &str) -> Checked {
    let lines = |text: &str| text.lines().filter(|line| !line.starts_with("    ")).count();
    ensure(lines(out) == lines(plain), format!("more or fewer lines: {out}"))
}

fn check_snapshot(out: &str) -> Checked {
    let json: serde_json::Value = serde_json::from_str(out)?;
    let fields = json["snapshot"]["meta"]["node_fields"].as_array().ok_or("no node_fields")?.len();
    let nodes = json["nodes"].as_array().ok_or("no nodes")?.len();
    ensure(nodes > 0 && nodes % fields == 0, "broken nodes")
}

fn check_csv(out: &str, report: &PinReport) -> Checked {
    let mut reader = csv::Reader::from_reader(out.as_bytes());
    let column = |name: &str, headers: &csv::StringRecord| headers.iter().position(|header| header == name);
    let headers = reader.headers()?.clone();
    let (tag, bytes) =
        (column("tag", &headers).ok_or("no tag")?, column("pinned_share_bytes", &headers).ok_or("no share")?);
    let mut sum = 0;
    for row in reader.records() {
        // A row of another length is an error of this reader.
        let row = row?;
        ensure(!row[tag].starts_with(['=', '+', '-', '@']), format!("a formula: {row:?}"))?;
        sum += row[bytes].parse::<usize>()?;
    }
    ensure(sum == report.totals.pinned_bytes, "another sum")
}

fn check_folded(out: &str, report: &PinReport) -> Checked {
    let mut sum = 0;
    for line in out.lines() {
        let (stack, bytes) = line.rsplit_once(' ').ok_or("a line without a figure")?;
        ensure(stack.split(';').count() == 5, format!("not five frames: {stack}"))?;
        sum += bytes.parse::<usize>()?;
    }
    ensure(sum == report.totals.pinned_bytes, "another sum")
}

/// The text form of the exposition format, line by line: `# …`, or `name{label="value",…} figure`.
fn check_exposition(out: &str, plain: &str) -> Checked {
    ensure(out.lines().count() == plain.lines().count(), format!("more or fewer lines: {out}"))?;
    for line in out.lines().filter(|line| !line.is_empty() && !line.starts_with("# ")) {
        let name = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')).ok_or("a name alone")?;
        let mut rest = &line[name..];
        if let Some(labels) = rest.strip_prefix('{') {
            rest = after_labels(labels).ok_or_else(|| format!("labels that do not end: {line}"))?;
        }
        let figure = rest.trim().split(' ').next().unwrap_or("");
        ensure(figure.parse::<f64>().is_ok(), format!("no figure: {line}"))?;
    }
    Ok(())
}

/// What follows the closing brace, if what is before it is a list of `name="value"`.
fn after_labels(mut text: &str) -> Option<&str> {
    loop {
        if let Some(rest) = text.strip_prefix('}') {
            return Some(rest);
        }
        let (name, rest) = text.split_once("=\"")?;
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return None;
        }
        let mut chars = rest.char_indices();
        let end = loop {
            match chars.next()? {
                (at, '"') => break at,
                (_, '\\') => matches!(chars.next()?.1, '\\' | '"' | 'n').then_some(())?,
                _ => {}
            }
        };
        text = rest[end + 1..].trim_start_matches(',');
    }
}

/// A page with a hostile name has the elements and attributes of one with a harmless name, and no more, and what it holds
/// for its own script is JSON. (The page in a browser: see its own tests.)
fn check_page(out: &str, plain: &str) -> Checked {
    let (here, there) = (elements(out)?, elements(plain)?);
    let odd = here.iter().zip(&there).find(|(here, there)| here != there);
    ensure(odd.is_none() && here.len() == there.len(), format!("other elements: {odd:?}"))?;
    ensure(here.len() > 20 && there.contains(&"script type id".to_owned()), format!("too few elements: {here:?}"))
}

/// Every start tag in order, as its name and the names of its attributes.
fn elements(page: &str) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let page = page.to_lowercase();
    let mut found = Vec::new();
    let mut rest = &*page;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.split_once("-->").ok_or("a comment without end")?.1;
        }
        if !rest.starts_with(|c: char| c.is_ascii_lowercase()) {
            continue;
        }
        let end = rest.find(|c: char| c.is_ascii_whitespace() || matches!(c, '>' | '/')).ok_or("a tag without end")?;
        let name = &rest[..end];
        let (attributes, after) = attributes(&rest[end..]).ok_or_else(|| format!("a tag without end: {name}"))?;
        rest = after;
        if matches!(name, "script" | "style") {
            let (inner, after) = rest.split_once(&format!("</{name}")).ok_or("a script without end")?;
            if name == "script" && attributes.contains(&"type".to_owned()) {
                serde_json::from_str::<serde_json::Value>(inner)?;
            }
            rest = after;
        }
        found.push([&[name.to_owned()], &attributes[..]].concat().join(" "));
    }
    Ok(found)
}

/// The names of a tag's attributes, and what follows its end.
fn attributes(mut text: &str) -> Option<(Vec<String>, &str)> {
    let mut names = Vec::new();
    loop {
        text = text.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if let Some(rest) = text.strip_prefix('>') {
            return Some((names, rest));
        }
        let end = text.find(|c: char| c.is_ascii_whitespace() || matches!(c, '=' | '>' | '/'))?;
        names.push(text[..end].to_owned());
        text = text[end..].trim_start();
        if let Some(value) = text.strip_prefix('=') {
            let value = value.trim_start();
            text = match value.chars().next()? {
                quote @ ('"' | '\'') => value[1..].split_once(quote)?.1,
                _ => &value[value.find(|c: char| c.is_ascii_whitespace() || c == '>')?..],
            };
        }
    }
}

#[cfg(feature = "pprof")]
pub(crate) fn gunzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Read;
    let mut out = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut out).expect("not gzip");
    out
}

/// Walks through the fields of the one message; all texts are UTF-8 that moves no cursor. (pprof itself: `tests/pprof.rs`.)
#[cfg(feature = "pprof")]
fn check_profile(profile: &[u8]) -> Checked {
    const STRING_TABLE: u64 = 6;
    let mut rest = profile;
    let mut texts = 0;
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        let value = varint(&mut rest)?;
        if key & 7 == 2 {
            let (field, after) = rest.split_at_checked(usize::try_from(value)?).ok_or("a field past the end")?;
            rest = after;
            if key >> 3 == STRING_TABLE {
                let text = core::str::from_utf8(field)?;
                ensure(texts > 0 || text.is_empty(), "the first text is to be empty")?;
                ensure(!text.chars().any(|c| c.is_control() || c == '\u{202e}'), format!("{text:?}"))?;
                texts += 1;
            }
        } else {
            ensure(key & 7 == 0, format!("wire type {}", key & 7))?;
        }
    }
    ensure(texts > 10, "no texts")
}

#[cfg(feature = "pprof")]
fn varint(bytes: &mut &[u8]) -> Result<u64, &'static str> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or("a figure past the end")?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err("a figure without end")
}
