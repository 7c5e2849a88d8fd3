//! A planted leak, from a real pool, for the viewers: `.ci/viewers` shows what `planted_for_the_viewers` writes to Chrome
//! DevTools and memlab. What it plants is checked here as well, and that no byte of payload is in a snapshot.
#![allow(missing_docs)]
#![cfg(not(miri))]

use std::path::PathBuf;
use std::{env, fs};

use bufslab::{PinReport, SlabBytes, SlabPool};

const MIB: usize = 1 << 20;
/// What every slab is full of.
const CANARY: &[u8] = b"CANARY+of/payload=that?no*file-may@hold";
/// A name that means something to whatever reads a snapshot carelessly.
const HOSTILE: &str = "\"nodes\":[1],\n</script>\u{202e}\\ 日本語 𝕏";

/// The server of the story: uploads fill its slabs, and sessions keep 20 bytes each.
struct Server {
    pool: SlabPool,
    heads: Vec<(u64, SlabBytes)>,
    others: Vec<SlabBytes>,
    exported: Vec<bytes::Bytes>,
}

impl Server {
    fn new() -> Server {
        let pool = SlabPool::builder().name("tls").slab_size(MIB).idle_bytes(64 * MIB).build().unwrap();
        Server { pool, heads: Vec::new(), others: Vec::new(), exported: Vec::new() }
    }

    /// One read from a socket, a slab long.
    fn read(&self) -> SlabBytes {
        let mut read = self.pool.alloc(MIB);
        while read.len() < MIB {
            read.extend_from_slice(&CANARY[..CANARY.len().min(MIB - read.len())]);
        }
        read.freeze()
    }

    /// An upgrade request, of which the session keeps the first packet.
    fn upgrade(&mut self, session: u64) {
        let _session = self.pool.scope("ws_session", session);
        let head = self.read().slice(15_400..15_420).tag("req.head");
        head.touch("upgraded");
        self.heads.push((session, head));
    }

    fn close(&mut self, session: u64) {
        self.heads.retain(|(id, _)| *id != session);
    }

    /// Owned, not tagged, and gone to somebody who knows `Bytes` alone.
    fn cache(&mut self) {
        let _cache = self.pool.scope("cache", 3);
        self.exported.push(bytes::Bytes::from(self.read().slice(4_096..12_288)));
    }

    /// All that makes a snapshot of a server more than the leak.
    fn serve(&mut self) {
        // A slab that an upload and a session share.
        let shared = {
            let _upload = self.pool.scope("upload", 7);
            let read = self.read();
            self.others.extend((0..3).map(|part| read.slice(part * 16_384..(part + 1) * 16_384).tag("body.part")));
            read
        };
        {
            let _session = self.pool.scope("ws_session", 1);
            self.heads.push((1, shared.slice(900_000..900_020).tag("req.head")));
        }
        // Neither tagged nor owned.
        self.others.push(self.read().slice(77..78));
        self.cache();
        let _strange = self.pool.scope(HOSTILE, u64::MAX);
        self.others.push(self.read().slice(5..6).tag(HOSTILE));
    }
}

/// Two reports of one server, and what its leak was meanwhile.
fn planted() -> (Server, PinReport, PinReport) {
    let mut server = Server::new();
    for session in 1..=3 {
        server.upgrade(session);
    }
    server.serve();
    let base = server.pool.report();
    server.close(2);
    for session in 100..140 {
        server.upgrade(session);
    }
    // Other things come and go as well.
    server.cache();
    server.cache();
    server.others.pop();
    let target = server.pool.report();
    (server, base, target)
}

#[test]
fn the_leak_is_in_the_reports_as_it_was_planted() {
    let (server, base, target) = planted();
    let heads = |report: &PinReport| report.blame_of_tag("req.head").map(|blame| (blame.slices, blame.exclusive_bytes));
    assert_eq!(heads(&base), Some((4, 3 * MIB)));
    assert_eq!(heads(&target), Some((43, 42 * MIB)));
    assert_eq!(base.totals.pinned_bytes, 7 * MIB);
    assert_eq!(target.totals.pinned_bytes, 47 * MIB);
    assert!(target.slabs.iter().any(|slab| slab.generation > base.slabs[0].generation), "a slab is used anew");
    drop(server);
}

#[test]
fn no_payload_is_in_a_snapshot() {
    let (server, _, target) = planted();
    let mut snapshot = Vec::new();
    target.write_heap_snapshot(&mut snapshot).unwrap();
    let text = String::from_utf8(snapshot).unwrap().to_ascii_lowercase();
    let hex: String = CANARY.iter().map(|byte| format!("{byte:02x}")).collect();
    let decimal: Vec<String> = CANARY.iter().map(u8::to_string).collect();
    for form in [
        String::from_utf8_lossy(CANARY).to_ascii_lowercase(),
        // Where it is cut does not matter: neither half may be there.
        String::from_utf8_lossy(&CANARY[..8]).to_ascii_lowercase(),
        String::from_utf8_lossy(&CANARY[20..28]).to_ascii_lowercase(),
        hex[..16].to_owned(),
        decimal[..8].join(","),
        // `base64` of the first 6, 7 and 8 bytes from each of three places on, as far as the neighbours do not matter.
        "q0foqvj".to_owned(),
        "nbtkfsw".to_owned(),
        "dqu5bul".to_owned(),
    ] {
        assert!(!text.contains(&form), "{form}");
    }
    drop(server);
}

/// Writes both snapshots, and both reports as JSON, from which the viewers' tests compute what they expect.
#[test]
#[ignore = "writes files for tests/viewers: run by .ci/viewers"]
fn planted_for_the_viewers() {
    let folder = env::var_os("BUFSLAB_VIEWERS_OUT").map(PathBuf::from).expect("BUFSLAB_VIEWERS_OUT names a folder");
    let (server, base, target) = planted();
    for (name, report) in [("base", &base), ("target", &target)] {
        let mut file = fs::File::create(folder.join(format!("{name}.heapsnapshot"))).unwrap();
        report.write_heap_snapshot(&mut file).unwrap();
        let mut file = std::io::BufWriter::new(fs::File::create(folder.join(format!("{name}.json"))).unwrap());
        report.write_json(&mut file).unwrap();
        std::io::Write::flush(&mut file).unwrap();
    }
    drop(server);
}
