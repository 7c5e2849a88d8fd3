//! An HTTP/1.1 server that takes uploads: the header's `Host` is kept while the body streams, pieces of the body go as soon as they
//! are counted, and the session of each request is kept for long, through `retain_as`.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, Result, bail, ensure};
use bufslab::{Buf, BufMut, SlabBytes, SlabBytesMut, SlabPool};

use crate::wire::{self, Numbers, READ, read, read_into};

const CONNECTIONS: u32 = 3;
/// Sessions that each connection remembers.
const SESSIONS: usize = 40;
const MAX_HEADERS: usize = 16;

pub fn run(pool: &SlabPool, requests: u32) -> Result<()> {
    let each = requests / CONNECTIONS;
    wire::run(CONNECTIONS, |socket| serve(pool, socket), |address, number| client(address, number, each))
}

/// What the server wants of a request's header.
struct Head {
    size: usize,
    length: u64,
    host: SlabBytes,
    session: SlabBytes,
}

fn serve(pool: &SlabPool, mut socket: TcpStream) -> Result<()> {
    let mut sessions: VecDeque<SlabBytes> = VecDeque::new();
    let mut rest = SlabBytes::new();
    loop {
        let Some((head, mut body)) = next_head(pool, &mut socket, rest)? else { return Ok(()) };
        sessions.push_back(head.session.retain_as("upload.session"));
        if sessions.len() > SESSIONS {
            sessions.pop_front();
        }
        let mut received = 0;
        while received + (body.len() as u64) < head.length {
            received += body.len() as u64;
            body = read(pool, &mut socket)?.freeze();
            ensure!(!body.is_empty(), "the client left in the middle of a body");
        }
        // What follows the body belongs to the next request.
        rest = body.split_off((head.length - received) as usize);
        let answer = format!("{} from {}", head.length, String::from_utf8_lossy(&head.host));
        write!(socket, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{answer}", answer.len())?;
    }
}

/// Reads until a header is there. With it comes what followed it.
fn next_head(pool: &SlabPool, socket: &mut TcpStream, rest: SlabBytes) -> Result<Option<(Head, SlabBytes)>> {
    let mut buffer: SlabBytesMut = pool.alloc(READ);
    buffer.put_slice(&rest);
    drop(rest);
    loop {
        let room = buffer.capacity() - buffer.len();
        ensure!(room > 0, "a header of more than {READ} bytes");
        if read_into(&mut (&mut buffer).limit(room), socket)? == 0 {
            ensure!(buffer.is_empty(), "the client left in the middle of a header");
            return Ok(None);
        }
        if buffer.windows(4).any(|end| end == b"\r\n\r\n") {
            break;
        }
    }
    let mut bytes = buffer.freeze();
    let head = parse(&bytes)?;
    bytes.advance(head.size);
    Ok(Some((head, bytes)))
}

fn parse(bytes: &SlabBytes) -> Result<Head> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(size) = request.parse(bytes)? else { bail!("half a header") };
    let value = |name: &str| {
        let header = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        header.map(|header| header.value).with_context(|| format!("no {name}"))
    };
    let length = std::str::from_utf8(value("content-length")?)?.trim().parse()?;
    let host = bytes.slice_ref(value("host")?).tag("upload.host");
    Ok(Head { size, length, host, session: bytes.slice_ref(value("x-session")?) })
}

fn client(address: SocketAddr, number: u64, requests: u32) -> Result<()> {
    let socket = TcpStream::connect(address).context("the upload server")?;
    socket.set_nodelay(true)?;
    let mut answers = BufReader::new(socket.try_clone()?);
    let mut numbers = Numbers(number + 10);
    for request in 0..requests {
        let length = match numbers.below(4) {
            0 => 1 + numbers.below(4_000),
            _ => 100_000 + numbers.below(300_000),
        };
        let header = format!(
            "PUT /file/{request} HTTP/1.1\r\nHost: files-{number}.example\r\nX-Session: {number}-{request:016x}\r\n\
             Content-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n"
        );
        let mut out = header.into_bytes();
        out.resize(out.len() + length as usize, b'.');
        (&socket).write_all(&out)?;
        let mut line = String::new();
        let mut body_length = 0;
        loop {
            line.clear();
            ensure!(answers.read_line(&mut line)? > 0, "no answer");
            if let Some(value) = line.strip_prefix("Content-Length: ") {
                body_length = value.trim().parse()?;
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; body_length];
        std::io::Read::read_exact(&mut answers, &mut body)?;
        let expected = format!("{length} from files-{number}.example");
        ensure!(body == expected.as_bytes(), "answered {:?}, not {expected}", String::from_utf8_lossy(&body));
    }
    Ok(())
}
