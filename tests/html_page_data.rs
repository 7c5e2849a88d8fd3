//! Pages of real pools: what holds without a browser is checked here. With the environment's `OUT` naming a folder, each
//! page is left there, beside the same report as JSON, for `tests/html_page/check.mjs`, which looks at it in a browser.
#![allow(missing_docs)]
#![cfg(not(miri))]

use bufslab::{Level, PinReport, Reuse, SlabBytes, SlabPool, SuspectPolicy};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// What every slice holds.
const CANARY: &str = "canary-7f3a9c-secret-payload";

const HOSTILE: [&str; 12] = [
    "<script>document.title='pwned'</script>",
    "</script><script>document.title='pwned'</script>",
    "<img src=x onerror=\"document.title='pwned'\">",
    "<!--<script>",
    "]]>--></style><b>bold</b>",
    "\" onmouseover=\"document.title='pwned'\" x=\"",
    "' autofocus onfocus='document.title=1",
    "javascript:document.title='pwned'",
    "a\u{2028}b\u{2029}c\nd\0e",
    "\u{202e}gnp.drawkcab\u{200b}",
    "{{constructor.constructor('document.title=1')()}}&lt;b&gt;&#60;",
    "",
];

fn pool(name: &str, slab_size: usize) -> SlabPool {
    // A slab for each of the slices that pin one, as these pages are about.
    SlabPool::builder().name(name).slab_size(slab_size).reuse(Reuse::WholeSlab).build().unwrap()
}

/// A buffer of `len` bytes as a read would fill it.
fn read(pool: &SlabPool, len: usize) -> SlabBytes {
    let mut buffer = pool.alloc(len);
    while buffer.len() < len {
        let room = len - buffer.len();
        buffer.extend_from_slice(&CANARY.as_bytes()[..CANARY.len().min(room)]);
    }
    buffer.freeze()
}

/// The leak of the front page: slabs of 10 MiB, each kept by the first 20 bytes of one request.
fn leak(kept: &mut Vec<SlabBytes>) -> PinReport {
    let pool = pool("tls", 10 << 20);
    for session in 0..12 {
        let _session = pool.scope("ws_session", 40 + session);
        for part in 0..10 {
            let request = read(&pool, (1 << 20) - 5 * part as usize);
            if part == session % 10 {
                let head = request.slice(1000..1020).tag("req.head");
                head.touch("upgrade");
                head.touch("handed to the socket");
                kept.push(head);
            }
        }
    }
    let _cache = pool.scope("cache", 1);
    for n in 0..40 {
        let body = read(&pool, 16 << 10);
        kept.push(body.slice(..12 << 10).tag("cache.body"));
        if n % 8 == 0 {
            kept.push(body.slice(100..130).tag("cache.key"));
        }
    }
    pool.report()
}

/// Many tags and scopes, slabs of several sizes, all kinds of slices, handles without a slot.
fn many(kept: &mut Vec<SlabBytes>, exported: &mut Vec<bytes::Bytes>) -> PinReport {
    let pool = pool("mixed", 64 << 10);
    for n in 0..4000_usize {
        let _scope = (n % 3 > 0).then(|| pool.scope(["conn", "job", "cache"][n % 3], n as u64 / 5));
        let len = 40 + n * 7919 % 3000;
        let buffer = read(&pool, len);
        match n % 9 {
            0 | 4 => kept.push(buffer.slice(len / 3..len / 2).tag(&*format!("tag.{:02}", n * 31 % 43))),
            5 => kept.push(buffer.slice(..20)),
            7 if n % 2 == 0 => exported.push(bytes::Bytes::from(buffer.slice(..len.min(2000)).tag("to.hyper"))),
            _ => {}
        }
        if n == 3000 {
            pool.set_tracking(Level::Off);
        }
    }
    for size in [300 << 10, 1 << 20] {
        kept.push(read(&pool, size).slice(size / 2..size / 2 + 999).tag("oversize"));
    }
    pool.report()
}

/// Names that are meant to be taken for markup, as tags, scopes, hints and the pool's own.
fn hostile(kept: &mut Vec<SlabBytes>) -> PinReport {
    let pool = pool(HOSTILE[0], 4096);
    for (n, name) in HOSTILE.into_iter().enumerate() {
        let _scope = pool.scope(name, n as u64);
        let slice = read(&pool, 1500).slice(7..70).tag(name);
        slice.touch(HOSTILE[(n + 1) % HOSTILE.len()]);
        slice.touch(HOSTILE[(n + 2) % HOSTILE.len()]);
        kept.push(slice);
    }
    pool.report()
}

/// Stacks: of every handle, and of what touches a suspect.
fn stacks(kept: &mut Vec<SlabBytes>) -> PinReport {
    let pool = SlabPool::builder()
        .name("stacks")
        .slab_size(16 << 10)
        .reuse(Reuse::WholeSlab)
        .tracking(Level::backtraces(1))
        .suspects(SuspectPolicy::new(Duration::ZERO, 50))
        .build()
        .unwrap();
    for n in 0..60 {
        let slice = read(&pool, 3000).slice(..30);
        kept.push(if n % 2 == 0 { slice.tag("even") } else { slice });
    }
    drop(pool.report());
    kept.iter().for_each(|slice| slice.touch("looked at"));
    pool.report()
}

/// More slabs and slices than a page lists.
fn big(kept: &mut Vec<SlabBytes>) -> PinReport {
    let pool = SlabPool::builder().name("big").slab_size(256).idle_bytes(0).build().unwrap();
    let tags: Vec<bufslab::Tag> = (0..300).map(|n| bufslab::Tag::new(&format!("big.{n}"))).collect();
    let scopes: Vec<_> = (0..7000).map(|n| pool.scope("conn", n).scope().clone()).collect();
    for n in 0..100_500_usize {
        let _scope = scopes[n % scopes.len()].enter();
        let whole = read(&pool, 256);
        for part in 0..4 + n % 3 {
            kept.push(whole.slice(part * 40..part * 40 + 1 + n % 37).tag(tags[(n + part) % tags.len()]));
        }
    }
    pool.report()
}

fn page(report: &PinReport) -> String {
    let mut out = Vec::new();
    report.write_html(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// `text` without its first bytes in base64, as far as whole groups of three bytes go: with 0, 1 and 2 skipped, one of the
/// three occurs in the base64 of whatever holds the text.
fn base64_of(text: &str, skip: usize) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes = &text.as_bytes()[skip..];
    let whole = bytes.len() / 3 * 3;
    let mut out = String::new();
    for three in bytes[..whole].chunks(3) {
        let bits = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
        out.extend((0..4).map(|digit| char::from(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63])));
    }
    out
}

/// No page holds a byte of what slices hold: not as it is, not in hex, not in base64.
fn assert_no_payload(page: &str) {
    let lower = page.to_ascii_lowercase();
    let hex = CANARY.bytes().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    assert!(!lower.contains(CANARY) && !lower.contains(&hex) && !lower.contains(&CANARY[7..20]));
    for skip in 0..3 {
        assert!(!page.contains(&base64_of(CANARY, skip)));
    }
}

/// What would fetch, run or style anything besides the page's own two elements.
fn assert_self_contained(page: &str) {
    assert_eq!(page.matches("<script").count(), 2, "the data and the script");
    assert_eq!(page.matches("</script").count(), 2);
    assert_eq!(page.matches("<style").count(), 1);
    assert_eq!(page.matches("<link").count(), 1, "the empty icon");
    // Text has no `<` left in it, so these are the page's own tags.
    let tags = page.split("<script").next().unwrap().split('<').skip(1).map(|rest| rest.split('>').next().unwrap());
    for tag in tags {
        let name = tag.split([' ', '\n']).next().unwrap();
        assert!(!["iframe", "img", "object", "embed", "form", "base", "audio", "video"].contains(&name), "<{tag}>");
        for word in [" src", " style=", " on", "http:", "https:", "javascript:"] {
            assert!(!tag.to_ascii_lowercase().contains(word), "<{tag}> has {word}");
        }
    }
    let (_, style) = page.split_once("<style>").unwrap();
    assert!(!style.split("</style").next().unwrap().contains("url(") && !style.contains("@import"));
    assert!(!page.contains("unsafe-inline") && page.contains("default-src 'none'"));
}

#[test]
#[cfg_attr(bufslab_one_each, ignore = "one each: slices share no slab")]
fn pages_of_real_pools() {
    let out = std::env::var_os("OUT");
    let (mut kept, mut exported) = (Vec::new(), Vec::new());
    let check = |name: &str, report: PinReport| {
        let page = page(&report);
        assert_no_payload(&page);
        assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
        if name != "hostile" {
            assert_self_contained(&page);
        }
        if let Some(out) = &out {
            let path = Path::new(out).join(name);
            fs::write(path.with_extension("html"), &page).unwrap();
            fs::write(path.with_extension("json"), report.to_json()).unwrap();
        }
        page
    };

    let empty = check("empty", pool("quiet", 64 << 10).report());
    assert!(empty.contains("<h1 title=\"0 bytes pinned, 0 used, 0 wasted\">No slab is pinned"), "{empty}");

    let leaking = check("leak", leak(&mut kept));
    assert!(leaking.contains("<code>req.head</code> copies <span title=\"220 bytes\">220 B</span> and frees"));
    for name in ["ws_session 40", "all ws_session", "cache 1", "tests/html_page_data.rs:"] {
        assert!(leaking.contains(name), "{name}");
    }
    check("many", many(&mut kept, &mut exported));

    let page = check("hostile", hostile(&mut kept));
    assert_self_contained(&page);
    assert!(
        !page.contains("<b>bold") && !page.contains("<!--") && !page.contains(['\u{2028}', '\u{2029}', '\u{202e}'])
    );
    assert!(page.contains("&lt;script&gt;document.title=") && page.contains("\\u003cscript\\u003e"));

    let mut with_stacks = Vec::new();
    let page = check("stacks", stacks(&mut with_stacks));
    assert_eq!(cfg!(feature = "backtraces"), page.contains("<section id=\"stacks\""), "stacks where they are taken");
}

#[test]
fn a_page_of_a_hundred_thousand_slabs_is_bounded_and_says_so() {
    let mut kept = Vec::new();
    let report = big(&mut kept);
    assert!(report.totals.slabs >= 100_500 && report.totals.slices > 500_000, "{:?}", report.totals);
    let page = page(&report);
    assert!(page.len() < 25_000_000, "{} bytes", page.len());
    let (_, says) = page.split_once("This page lists 100,000 of ").expect("a word on what is left out");
    let figures: String = says[..60].chars().filter(|c| c.is_ascii_digit() || *c == ' ').collect();
    let expected = [report.totals.slabs, 200_000, report.totals.slices].map(|n| n.to_string());
    assert_eq!(figures.split_whitespace().take(3).collect::<Vec<_>>(), expected, "{}", &says[..60]);
    assert_no_payload(&page);
    assert_self_contained(&page);
    if let Some(out) = std::env::var_os("OUT") {
        fs::write(Path::new(&out).join("big.html"), &page).unwrap();
    }
}
