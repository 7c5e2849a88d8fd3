//! Random bytes, and random pieces of what is almost right: nothing panics, and nothing is held beyond its bound.

use std::io::{self, Write};

use bufslab::admin::{Connection, Console, Door, Next};

use crate::help::leaking;

/// A generator of numbers that is the same everywhere (xorshift64*, Vigna 2016).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// What requests and sessions are made of.
const PIECES: &[&[u8]] = &[
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"BREW ",
    b"/",
    b"/debug/slabs",
    b"/debug/slabs.json",
    b"/metrics",
    b"/debug/slabs/diff",
    b"?since=",
    b"?pool=http",
    b"?short",
    b"&",
    b"=",
    b"%",
    b"%41",
    b"/debug/slabs/level?level=off",
    b" HTTP/1.1",
    b" HTTP/1.0",
    b" HTTP/9.9",
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\n\n",
    b"\r",
    b"\0",
    b" ",
    b"Host: localhost\r\n",
    b"Host: evil\r\n",
    b"Connection: keep-alive\r\n",
    b"Connection: close\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 999999\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Expect: 100-continue\r\n",
    b"Accept: application/json\r\n",
    b"X: \xff\xfe\r\n",
    b"\xff\xfd\x01",
    b"\xff\xfa",
    b"\xff\xf0",
    b"\xff\xff",
    b"\x16\x03\x01",
    b"help",
    b"slabs",
    b"top",
    b"tag ",
    b"scope ",
    b"slab ",
    b"diff ",
    b"level ",
    b"quit",
    b"req.head",
    b"ws_session 1",
    b"1",
    b"\x7f",
    b"\x08",
    b"\x03",
    b"\x04",
    b"\x15",
    "ä€😀".as_bytes(),
];

fn input(random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    match random.below(4) {
        0 => (0..random.below(3000)).for_each(|_| bytes.push(random.next() as u8)),
        1 => {
            // Long lines and heads.
            let piece = PIECES[random.below(PIECES.len())];
            (0..random.below(4000)).for_each(|_| bytes.extend_from_slice(piece));
        }
        _ => (0..random.below(60)).for_each(|_| {
            bytes.extend_from_slice(PIECES[random.below(PIECES.len())]);
            if random.below(20) == 0 {
                bytes.push(random.next() as u8);
            }
        }),
    }
    bytes
}

/// Counts what is written, and how much of it in one go.
#[derive(Default)]
struct Counted {
    bytes: usize,
    largest: usize,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes += bytes.len();
        self.largest = self.largest.max(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn survives(console: &Console, random: &mut Random) -> Counted {
    let bytes = input(random);
    let mut connection = Connection::new(console.clone(), Door::Unknown);
    let mut out = Counted::default();
    let mut fed = &bytes[..];
    let mut steps = 0;
    loop {
        let piece = &fed[..fed.len().min(1 + random.below(2000))];
        let used = connection.feed(piece);
        fed = &fed[used..];
        assert!(connection.buffered() <= Connection::MAX_BUFFERED, "{} bytes are held", connection.buffered());
        if fed.is_empty() && random.below(2) == 0 {
            connection.end();
        }
        match connection.step(&mut out) {
            Ok(Next::Close) => break,
            Ok(Next::Again) => {}
            Ok(Next::Read) if fed.is_empty() => connection.end(),
            Ok(Next::Read) => {}
            Err(error) => panic!("{error} for {}", bytes.escape_ascii()),
        }
        steps += 1;
        assert!(steps <= bytes.len() + 10_000, "it never ends for {}", bytes.escape_ascii());
    }
    assert_eq!(connection.step(&mut out).unwrap(), Next::Close, "over is over");
    out
}

#[test]
fn no_input_panics_or_fills_memory() {
    let (pool, _kept) = leaking("http", 3);
    let console = Console::builder().pool(&pool).allow_level_changes(true).build().unwrap();
    let rounds = if cfg!(debug_assertions) { 3_000 } else { 50_000 };
    let mut answered = 0;
    for seed in 0..rounds {
        let out = survives(&console, &mut Random(0x9e37_79b9_7f4a_7c15 ^ (seed + 1)));
        answered += usize::from(out.bytes > 0);
        assert!(out.largest <= 64 * 1024, "seed {seed}: {} bytes in one go", out.largest);
    }
    assert!(answered > rounds as usize / 2, "most of it gets an answer: {answered} of {rounds}");
}
