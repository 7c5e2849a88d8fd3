//! The console's own pages: the index, and what stands where nothing is.

use core::fmt::Write as _;
use std::time::SystemTime;

use super::console::Console;
use super::request::encoded;
use super::response::{HTML, Response};
use super::routes::PATHS;
use crate::report::{bytes, in_markup, span};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}\
                     table{border-collapse:collapse}td,th{padding:.15rem .8rem .15rem 0;text-align:left;vertical-align:top}\
                     td.n{text-align:right}code{white-space:nowrap}:root{color-scheme:light dark}";

/// A small page of links. They are relative to `path`, so that they hold wherever a router is nested.
pub(super) fn index(console: &Console, path: &str) -> Response {
    let up = if path == "/debug/" { "../" } else { "" };
    let mut out = String::new();
    // A `String` never refuses.
    let _ = write_index(console, up, &mut out);
    Response::known(200, HTML, out)
}

fn write_index(console: &Console, up: &str, out: &mut String) -> core::fmt::Result {
    write!(
        out,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>bufslab</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>\n\
         <h1>bufslab</h1>\n<table>\n<tr><th>pool</th><th>pinned</th><th>memory</th><th>slabs pinned</th><th>tracking</th>\
         <th></th></tr>\n"
    )?;
    for pool in console.pools() {
        let stats = pool.stats();
        write!(
            out,
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td><td>",
            in_markup(pool.name()),
            bytes(stats.pinned_bytes),
            bytes(stats.memory_bytes),
            stats.pinned_slabs,
            pool.tracking(),
        )?;
        let query = encoded(pool.name());
        for form in ["html", "json", "csv", "heapsnapshot"] {
            write!(out, "<a href=\"{up}debug/slabs.{form}?pool={query}\">{form}</a> ")?;
        }
        writeln!(out, "<a href=\"{up}debug/slabs?pool={query}\">text</a></td></tr>")?;
    }
    out.write_str("</table>\n<table>\n")?;
    for (path, what) in PATHS.iter().filter(|(path, _)| !path.ends_with('/')) {
        let path = &path[1..];
        writeln!(out, "<tr><td><a href=\"{up}{path}\"><code>/{path}</code></a></td><td>{}</td></tr>", in_markup(what))?;
    }
    out.write_str("</table>\n")?;
    remembered(console, up, out)?;
    let allowed = |allowed: bool| if allowed { "allowed" } else { "not enabled by the program" };
    writeln!(
        out,
        "<p>Changing the level: {}. Compaction: {}. Recording: {}.</p>\n\
         <p><code>?pool=NAME</code> asks for another pool than the first. A person may also talk to this port: \
         <code>telnet</code> or <code>nc</code>, and then <code>help</code>.</p></body></html>",
        allowed(console.may_change_level()),
        allowed(console.may_compact()),
        allowed(console.may_record()),
    )
}

fn remembered(console: &Console, up: &str, out: &mut String) -> core::fmt::Result {
    let now = SystemTime::now();
    for (at, pool) in console.pools().iter().enumerate() {
        let known = console.past().known(at);
        if known.is_empty() {
            continue;
        }
        write!(out, "<p>What changed in {} since the report", in_markup(pool.name()))?;
        for (number, taken_at) in known.iter().rev() {
            let id = console.past().id(*number);
            let age = span(now.duration_since(*taken_at).unwrap_or_default());
            let query = encoded(pool.name());
            write!(out, " <a href=\"{up}debug/slabs/diff?since={id}&amp;pool={query}\">{age} ago</a>")?;
        }
        out.write_str("</p>\n")?;
    }
    match console.past().bytes() {
        0 => Ok(()),
        held => writeln!(out, "<p>Remembered reports take {} of memory.</p>", bytes(held)),
    }
}

/// The answer to an address that is none, which names all that are.
pub(super) fn not_found(path: &str) -> String {
    let shown: String = path.chars().take(100).flat_map(char::escape_debug).collect();
    let mut out = format!("there is nothing at \"{shown}\"; there is\n");
    for (path, what) in PATHS {
        let _ = writeln!(out, "  {path:29}{what}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SlabPool;

    #[test]
    fn a_hostile_pool_name_stays_text() {
        let name = "\"><script>alert('x')</script>&\u{1b}";
        let pool = SlabPool::builder().name(name).build().unwrap();
        let console = Console::builder().pool(&pool).build().unwrap();
        let mut page = Vec::new();
        index(&console, "/").write_body(&mut page).unwrap();
        let page = String::from_utf8(page).unwrap();
        assert!(!page.contains("<script") && !page.contains('\u{1b}'), "{page}");
        assert!(page.contains("&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;\\u{1b}"), "{page}");
        assert!(page.contains("?pool=%22%3E%3Cscript%3E"), "{page}");
    }
}
