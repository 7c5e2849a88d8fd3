//! The heap snapshot, read by a parser that is not ours and checked by a graph that is too simple to be wrong. What
//! DevTools and memlab make of it is tested in `tests/viewers`.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;
use std::{env, fs, io};

use serde_json::Value;

use super::fixtures::{MIB, NOW, build, forever, meta, server_meta, server_under_load, slab, slot, trap};
use super::server;
use super::twin::{Random, random_views};
use crate::raw::SliceKind;
use crate::report::model::ReportMeta;
use crate::report::{Blame, Holder, PinReport, names};
use crate::track::{ScopeName, Tag};

const NATIVE: u64 = 8;
const SYNTHETIC: u64 = 9;
const PROPERTY: u64 = 2;
const WEAK: u64 = 6;

#[derive(Debug)]
struct Node {
    kind: u64,
    name: String,
    id: u64,
    size: u64,
    /// Kind, name, and place of the node they lead to.
    edges: Vec<(u64, String, usize)>,
}

struct Snapshot {
    nodes: Vec<Node>,
}

impl Snapshot {
    /// Reads it as a strict viewer would.
    fn of(report: &PinReport) -> Snapshot {
        let mut bytes = Vec::new();
        report.write_heap_snapshot(&mut bytes).unwrap();
        assert!(bytes.is_ascii(), "readers that cut a file into pieces would cut characters");
        let text = String::from_utf8(bytes).unwrap();
        let keys =
            ["snapshot", "nodes", "edges", "trace_function_infos", "trace_tree", "samples", "locations", "strings"];
        // In the text, before any parser forgets the order, and each key once.
        let places: Vec<Vec<usize>> =
            keys.iter().map(|key| text.match_indices(&format!("\"{key}\":")).map(|(at, _)| at).collect()).collect();
        assert!(places.iter().all(|place| place.len() == 1), "{places:?}");
        assert!(places.is_sorted(), "{places:?}");
        assert!(text.starts_with("{\"snapshot\":{\"meta\":{") && text.ends_with("]}\n"));

        let json: Value = serde_json::from_str(&text).unwrap();
        let meta = &json["snapshot"]["meta"];
        assert_eq!(meta["node_types"][0][NATIVE as usize], "native");
        assert_eq!(meta["node_types"][0][SYNTHETIC as usize], "synthetic");
        assert_eq!(meta["edge_types"][0][PROPERTY as usize], "property");
        assert_eq!(meta["edge_types"][0][WEAK as usize], "weak");
        assert_eq!(meta["node_fields"].as_array().unwrap().len(), 7);
        assert_eq!(meta["edge_fields"].as_array().unwrap().len(), 3);
        assert_eq!(json["snapshot"]["trace_function_count"], 0);
        for empty in &keys[3..7] {
            assert_eq!(json[*empty].as_array().unwrap().len(), 0, "{empty}");
        }
        let figures = |key: &str| -> Vec<u64> {
            json[key]
                .as_array()
                .unwrap()
                .iter()
                .map(|n| u64::from(u32::try_from(n.as_u64().unwrap()).unwrap()))
                .collect()
        };
        let strings: Vec<&str> =
            json["strings"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
        assert_eq!(strings.iter().collect::<HashSet<_>>().len(), strings.len(), "no string is there twice");
        let (nodes, edges) = (figures("nodes"), figures("edges"));
        let mut edges = edges.chunks_exact(3);
        let nodes: Vec<Node> = nodes
            .chunks_exact(7)
            .map(|node| {
                assert_eq!(node[5..], [0, 0], "no stack, and not of a document");
                let edges = (0..node[4]).map(|_| {
                    let edge = edges.next().expect("as many edges as the nodes say");
                    assert_eq!(edge[2] % 7, 0);
                    (edge[0], strings[edge[1] as usize].to_owned(), edge[2] as usize / 7)
                });
                let edges = edges.collect();
                Node { kind: node[0], name: strings[node[1] as usize].to_owned(), id: node[2], size: node[3], edges }
            })
            .collect();
        assert_eq!(edges.next(), None, "no more edges than the nodes say");
        assert_eq!(json["snapshot"]["node_count"], nodes.len());
        assert_eq!(json["snapshot"]["edge_count"], json["edges"].as_array().unwrap().len() / 3);

        let snapshot = Snapshot { nodes };
        snapshot.check(report);
        snapshot
    }

    fn check(&self, report: &PinReport) {
        let root = &self.nodes[0];
        assert_eq!((root.kind, root.id, root.name.as_str(), root.edges.len()), (SYNTHETIC, 1, "", 1));
        assert!(self.nodes[1..].iter().all(|node| node.kind == NATIVE && node.id % 2 == 0 && node.id > 0));
        assert!(self.nodes.iter().all(|node| node.size <= 1 << 30));
        let ids: HashSet<u64> = self.nodes.iter().map(|node| node.id).collect();
        assert_eq!(ids.len(), self.nodes.len(), "no id is given twice");
        let size: u64 = self.nodes.iter().map(|node| node.size).sum();
        assert_eq!(size, report.totals.pinned_bytes as u64);
        assert_eq!(self.reached(None).len(), self.nodes.len(), "something keeps every node");
        for node in &self.nodes {
            for (kind, _, to) in &node.edges {
                assert!(*to > 0 && *to < self.nodes.len());
                let weak = node.name.starts_with("pool ") && self.nodes[*to].name.starts_with("slab ");
                assert_eq!(*kind == WEAK, weak, "{} to {}", node.name, self.nodes[*to].name);
                assert!(weak || *kind == PROPERTY);
            }
        }
    }

    /// What can be reached from the root over edges that keep things alive, and not through `without`.
    fn reached(&self, without: Option<usize>) -> BTreeSet<usize> {
        let mut reached = BTreeSet::new();
        let mut next = vec![0];
        while let Some(at) = next.pop() {
            if Some(at) != without && reached.insert(at) {
                next.extend(self.nodes[at].edges.iter().filter(|edge| edge.0 != WEAK).map(|edge| edge.2));
            }
        }
        reached
    }

    /// The bytes that would be free without this node.
    fn retained(&self, at: usize) -> u64 {
        let kept = self.reached(Some(at));
        self.nodes.iter().enumerate().filter(|(at, _)| !kept.contains(at)).map(|(_, node)| node.size).sum()
    }

    fn find(&self, name: &str) -> usize {
        let mut found = self.nodes.iter().enumerate().filter(|(_, node)| node.name == name).map(|(at, _)| at);
        let first = found.next().unwrap_or_else(|| panic!("no {name:?} among {:#?}", self.nodes));
        assert_eq!(found.next(), None, "more than one {name:?}");
        first
    }

    /// Retainers as DevTools shows them: `edge in node`, from the node itself up to the pool.
    fn sentence(&self, mut at: usize) -> Vec<String> {
        let mut words = vec![self.nodes[at].name.clone()];
        while at != 1 {
            let retainers = self.nodes.iter().enumerate().flat_map(|(from, node)| {
                node.edges.iter().filter(|edge| edge.2 == at && edge.0 != WEAK).map(move |edge| (from, edge.1.as_str()))
            });
            let retainers: Vec<(usize, &str)> = retainers.collect();
            let [(from, label)] = retainers[..] else { panic!("{retainers:?}") };
            words.push(format!("{label} in {}", self.nodes[from].name));
            at = from;
        }
        words
    }

    /// Memory by what a viewer puts in one line: nodes and bytes.
    fn classes(&self) -> BTreeMap<&str, (usize, u64)> {
        let mut classes = BTreeMap::new();
        for node in self.nodes.iter().filter(|node| node.size > 0) {
            let class: &mut (usize, u64) = classes.entry(node.name.as_str()).or_default();
            class.0 += 1;
            class.1 += node.size;
        }
        classes
    }
}

fn session(id: u64) -> ScopeName {
    ScopeName::new(Tag::new("ws_session"), id)
}

#[test]
fn retainers_read_like_a_sentence() {
    let mut report = build(vec![trap().remove(11)]);
    let slice = &mut report.slabs[0].slices[0];
    slice.scope = Some(session(42));
    slice.first_hint = Some(Tag::new("parsed"));
    slice.last_hint = Some(Tag::new("in the cache"));
    let snapshot = Snapshot::of(&report);
    let expected = [
        "pinned by req.head in ws_session".to_owned(),
        "memory in slab 11 gen 1 (10 MiB, 20 B used, 1.6 to 1.7 min old)".to_owned(),
        "pin in slice 20 B at 15400".to_owned(),
        format!("made at {}, touched at parsed and last at \"in the cache\" in tag req.head", server::read_head()),
        "tag in scope ws_session 42".to_owned(),
        "scope in pool tls".to_owned(),
    ];
    assert_eq!(snapshot.sentence(snapshot.find("pinned by req.head in ws_session")), expected);
    assert_eq!(snapshot.retained(snapshot.find("scope ws_session 42")), 10 << 20);
}

#[test]
fn without_tag_and_scope_there_is_the_site() {
    let mut exported = slot(0, 900, None, Some(server::write_frame()));
    exported.kind = SliceKind::Exported;
    let snapshot =
        Snapshot::of(&build(vec![slab(0, 4096, vec![exported]), slab(1, 4096, vec![slot(8, 0, None, None)])]));
    let site = server::write_frame();
    let expected = [
        format!("pinned by {site}"),
        "memory in slab 0 gen 1 (4.0 KiB, 900 B used, 1 to 2 s old)".to_owned(),
        "pin in exported slice 900 B at 0".to_owned(),
        format!("slice in site {site}"),
        "site in pool tls".to_owned(),
    ];
    assert_eq!(snapshot.sentence(snapshot.find(&expected[0])), expected);
    let alike = [slot(0, 8192, None, None), slot(0, 8193, None, None)].to_vec();
    let alike = Snapshot::of(&build(vec![slab(0, 9000, alike)]));
    assert_ne!(alike.find("slice 8192 B at 0"), alike.find("slice 8193 B at 0"), "round figures would be the same");
    let unknown = snapshot.sentence(snapshot.find("pinned by (unknown)"));
    assert_eq!(unknown[2..], ["pin in slice 0 B at 8", "slice in (no tag, no site)", "slices in pool tls"]);
}

#[test]
fn memory_is_called_by_all_who_pin_it() {
    let mut report = build(server_under_load());
    let classes = Snapshot::of(&report).classes().iter().map(|(name, figures)| (name.to_string(), *figures)).collect();
    let (body, frame) = (server::read_body(), server::write_frame());
    let expected: BTreeMap<String, (usize, u64)> = [
        ("pinned by req.head".to_owned(), (12, 120 << 20)),
        ("pinned by body and req.head".to_owned(), (1, 10 << 20)),
        (format!("pinned by {body} and {frame}"), (1, 10 << 20)),
    ]
    .into();
    assert_eq!(expected, classes);

    // Owners are named if all slices have owners of one kind.
    for slab in &mut report.slabs {
        let len = slab.slices.len();
        for (at, slice) in slab.slices.iter_mut().enumerate() {
            slice.scope = match (slab.id, at) {
                (12, _) => Some(ScopeName::new(Tag::new("request"), at as u64)),
                (13, 0) => Some(session(1)),
                (13, _) => None,
                _ => Some(session(slab.id % 2)),
            };
        }
        // Handles that are not listed pin it as well.
        if slab.id == 11 {
            (slab.untracked, slab.handles) = (2, len + 2);
        }
        if slab.id == 10 {
            slab.handles = len + 1;
        }
    }
    let snapshot = Snapshot::of(&report);
    let classes: Vec<&str> = snapshot.classes().into_keys().collect();
    let neither = format!("pinned by {body} and {frame}");
    let mut expected = vec![
        "pinned by body and req.head in request",
        "pinned by req.head and (untracked) in ws_session",
        "pinned by req.head in ws_session",
        &neither,
    ];
    expected.sort_unstable();
    assert_eq!(classes, expected);
    // Without its session, five of the six even slabs are free: the one that has a handle in motion is not.
    assert_eq!(snapshot.retained(snapshot.find("scope ws_session 0")), 50 << 20);
    assert_eq!(snapshot.retained(snapshot.find("(untracked handles)")), 0);
}

#[test]
fn a_slab_without_any_listed_handle_is_kept_by_those_that_are_not() {
    let mut only_untracked = slab(0, 100, vec![]);
    (only_untracked.untracked, only_untracked.handles) = (3, 3);
    let mut only_moving = slab(1, 50, vec![]);
    only_moving.handles = 1;
    let snapshot = Snapshot::of(&build(vec![only_untracked, only_moving]));
    assert_eq!(snapshot.retained(snapshot.find("(untracked handles)")), 100);
    assert_eq!(snapshot.retained(snapshot.find("(handles in motion)")), 50);
    assert_eq!(snapshot.classes().into_keys().collect::<Vec<_>>(), ["pinned by (in motion)", "pinned by (untracked)"]);
}

/// Random slabs, torn and nonsensical ones among them: what a scope retains in the snapshot is what the report calls
/// exclusive, and so is what a tag retains where no scope divides it. The snapshots are well formed.
#[test]
fn what_a_node_retains_is_what_the_report_calls_exclusive() {
    let mut compared = [0, 0];
    let mut compare = |report: &PinReport, table: &[Blame], kind: usize, seed: u64| {
        let snapshot = Snapshot::of(report);
        for blame in table {
            let name = match blame.holder {
                Holder::Tag(tag) => format!("tag {}", names::name(tag.name(), 2000)),
                Holder::Scope(scope) => format!("scope {}", names::scope(scope, 2000)),
                Holder::Untracked => "(untracked handles)".to_owned(),
                Holder::InMotion => "(handles in motion)".to_owned(),
                _ => continue,
            };
            assert_eq!(snapshot.retained(snapshot.find(&name)), blame.exclusive_bytes as u64, "{name}, seed {seed}");
            compared[kind] += usize::from(blame.exclusive_bytes > 0);
        }
    };
    for seed in 1..=if cfg!(miri) { 4 } else { 800 } {
        let mut views = random_views(&mut Random(seed * 0x9e37_79b9));
        let report = build(views.clone());
        compare(&report, &report.by_scope, 0, seed);
        for slot in views.iter_mut().flat_map(|view| &mut view.slots) {
            slot.scope = 0;
        }
        let report = build(views);
        compare(&report, &report.by_tag, 1, seed);
    }
    assert!(
        compared.iter().all(|times| *times > if cfg!(miri) { 0 } else { 300 }),
        "{compared:?} comparisons of anything"
    );
}

#[test]
fn the_next_snapshot_knows_what_was_there_before() {
    let ids = |snapshot: &Snapshot| -> BTreeMap<u64, String> {
        snapshot.nodes.iter().map(|node| (node.id, node.name.clone())).collect()
    };
    let views = trap();
    let before = ids(&Snapshot::of(&build(views[..8].to_vec())));
    // Later there is more, in another order, and one slab's memory is used anew.
    let mut later = views.clone();
    later.reverse();
    later[11].generation = 2;
    let after = ids(&Snapshot::of(&PinReport::build(ReportMeta { now_tick: NOW + 6_000, ..meta() }, later)));
    let stayed = |name: &str| {
        before
            .iter()
            .filter(|(id, text)| text.starts_with(name) && after.get(id).is_some_and(|t| t.starts_with(name)))
            .count()
    };
    assert_eq!((stayed("pinned by "), stayed("slab "), stayed("slice ")), (7, 7, 7));
    assert_eq!((stayed("tag req.head"), stayed("pool tls")), (1, 1));
    assert_eq!(after.values().filter(|name| name.starts_with("pinned by ")).count(), 12);
}

#[test]
fn a_slab_whose_size_has_no_32_bits_is_split() {
    const GIB: usize = 1 << 30;
    let giant = slab(0, 5 * GIB + 1, vec![slot(4 * GIB + 7, 20, Some("req.head"), None)]);
    let exact = slab(1, 2 * GIB, vec![slot(0, 2 * GIB, Some("body"), None)]);
    let snapshot = Snapshot::of(&build(vec![giant, exact]));
    assert_eq!(
        snapshot.classes(),
        [("pinned by body", (2, 2 << 30)), ("pinned by req.head", (6, (5 << 30) + 1))].into()
    );
    assert_eq!(snapshot.retained(snapshot.find("slice 20 B at 4294967303")), (5 << 30) + 1);

    // What only a file can say: there is an end to it.
    let report = build(vec![slab(0, usize::MAX, vec![slot(0, 20, Some("req.head"), None)])]);
    let mut out = Vec::new();
    report.write_heap_snapshot(&mut out).unwrap();
    assert!(out.len() < 1 << 20);
}

#[test]
fn no_name_breaks_it() {
    let every_control: String = (0..0x20).chain(0x7f..0xa0).filter_map(char::from_u32).collect();
    let hostile: Vec<&'static str> = vec![
        forever(every_control),
        "\"nodes\":[1,2,3],\"strings\":[\"\"]",
        "\\\"],\"locations\":[",
        "<script>alert(1)</script>",
        "Detached HTMLDivElement",
        "𝕏 \u{202e} 日本語 \u{10ffff}",
        "1 / part of key (a @1) -> value (b @2) pair in WeakMap (table @3)",
        "__proto__",
        "",
        forever("\u{7}".repeat(128)),
    ];
    for name in &hostile {
        let meta = ReportMeta { pool: (*name).to_owned(), ..server_meta() };
        let mut report = PinReport::build(meta, vec![slab(0, 100, vec![slot(0, 20, Some(name), None)])]);
        report.slabs[0].slices[0].scope = Some(ScopeName::new(Tag::new(name), u64::MAX));
        report.slabs[0].slices[0].first_hint = Some(Tag::new(name));
        let snapshot = Snapshot::of(&report);
        let shown = names::name(name, 2000);
        assert_eq!(snapshot.sentence(snapshot.nodes.len() - 1).len(), 6);
        assert!(snapshot.nodes[2].name == format!("scope {shown} {}", u64::MAX), "{:?}", snapshot.nodes[2].name);
        assert!(snapshot.nodes.iter().all(|node| !node.name.chars().any(char::is_control)));
        // A viewer takes some beginnings of names for a document's elements.
        assert!(snapshot.nodes.iter().all(|node| !node.name.starts_with(['<', 'D'])));
    }
    // All of them in one file stay apart.
    let slots = hostile.iter().enumerate().map(|(at, name)| slot(at, 1, Some(name), None)).collect();
    let snapshot = Snapshot::of(&build(vec![slab(0, 100, slots)]));
    assert_eq!(snapshot.nodes.iter().filter(|node| node.name.starts_with("tag ")).count(), hostile.len());
    assert_eq!(snapshot.classes(), [("pinned by several", (1, 100))].into());
}

#[test]
fn many_clones_of_one_slice_take_no_longer_than_as_many_slices() {
    let clones = |n| vec![slab(0, 4096, (0..n).map(|_| slot(0, 20, Some("req.head"), None)).collect())];
    let snapshot = Snapshot::of(&build(clones(100)));
    assert_eq!(snapshot.nodes.iter().filter(|node| node.name == "slice 20 B at 0").count(), 100);
    // Thousands of millions of steps, if each of them looked for an id behind the others.
    build(clones(100_000)).write_heap_snapshot(&mut io::sink()).unwrap();
}

#[test]
fn nothing_pinned_is_a_snapshot_too() {
    let snapshot = Snapshot::of(&build(vec![]));
    assert_eq!(snapshot.nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(), ["", "pool tls"]);
}

#[test]
fn the_first_error_is_passed_on() {
    let report = build(server_under_load());
    let mut whole = Vec::new();
    report.write_heap_snapshot(&mut whole).unwrap();
    for room in [0, 1, whole.len() / 2, whole.len() - 1] {
        let mut full = vec![0_u8; room];
        let error = report.write_heap_snapshot(&mut &mut full[..]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WriteZero);
        assert_eq!(full, whole[..room]);
    }
    let behind_a_pointer: &mut dyn io::Write = &mut io::sink();
    report.write_heap_snapshot(behind_a_pointer).unwrap();
}

/// Writes what no pool on a small machine has, for `.ci/viewers` to show to DevTools: a slab of 5 GiB.
#[test]
#[ignore = "writes a file for tests/viewers: run by .ci/viewers"]
fn giant_for_the_viewers() {
    let folder = env::var_os("BUFSLAB_VIEWERS_OUT").map(PathBuf::from).expect("BUFSLAB_VIEWERS_OUT names a folder");
    let report = build(vec![slab(7, 5120 * MIB, vec![slot(15_400, 20, Some("req.head"), Some(server::read_head()))])]);
    let mut file = io::BufWriter::new(fs::File::create(folder.join("giant.heapsnapshot")).unwrap());
    report.write_heap_snapshot(&mut file).unwrap();
    io::Write::flush(&mut file).unwrap();
}
