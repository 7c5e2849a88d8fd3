//! The protocol of Redis, as much of it as redis-benchmark and a cache need. Keys and values are kept as they were cut from what
//! was read.

use std::collections::HashMap;
use std::io::Write as _;
use std::ops::Range;

use anyhow::{Result, bail};

use crate::buffers::{Buffers, Input};
use crate::connection::Connection;

/// All keys.
pub type Map<S> = HashMap<S, S>;

const MAX_ARGUMENTS: usize = 1024;
const MAX_ARGUMENT: usize = 16 << 20;
/// Digits of a length that is allowed, with some to spare.
const MAX_DIGITS: usize = 10;
/// Answers are written out when there are so many bytes of them.
const OUT: usize = 64 * 1024;

const OK: &[u8] = b"+OK\r\n";
const NULL: &[u8] = b"$-1\r\n";
const SYNTAX: &[u8] = b"-ERR syntax error\r\n";

/// What `parse` found.
enum Parsed {
    /// A command of so many bytes; its arguments were noted.
    Command(usize),
    /// At least so many bytes are missing.
    Missing(usize),
}

pub async fn serve<B: Buffers>(mut connection: Connection<B>) -> Result<()> {
    let (mut arguments, mut out) = (Vec::new(), Vec::new());
    loop {
        let parsed = parse(connection.input.unread(), &mut arguments);
        match parsed {
            Ok(Parsed::Command(size)) => {
                run(&mut connection, &arguments, size, &mut out);
                connection.shared.answered(1);
                if out.len() >= OUT && !connection.write(&mut out).await? {
                    return Ok(());
                }
            }
            Ok(Parsed::Missing(missing)) => {
                if !connection.write(&mut out).await? || !connection.more(missing).await? {
                    return Ok(());
                }
            }
            Err(error) => {
                out.extend_from_slice(format!("-ERR Protocol error: {error}\r\n").as_bytes());
                connection.write(&mut out).await?;
                return Err(error);
            }
        }
    }
}

/// Finds the command that `bytes` begins with, and where its arguments are.
fn parse(bytes: &[u8], arguments: &mut Vec<Range<usize>>) -> Result<Parsed> {
    arguments.clear();
    let Some((count, mut at)) = length(bytes, 0, b'*', MAX_ARGUMENTS)? else {
        return Ok(Parsed::Missing(1));
    };
    for _ in 0..count {
        let Some((len, start)) = length(bytes, at, b'$', MAX_ARGUMENT)? else {
            return Ok(Parsed::Missing(1));
        };
        let end = start + len;
        at = end + 2;
        if at > bytes.len() {
            return Ok(Parsed::Missing(at - bytes.len()));
        }
        if &bytes[end..at] != b"\r\n" {
            bail!("an argument is longer than was said");
        }
        arguments.push(start..end);
    }
    Ok(Parsed::Command(at))
}

/// Reads `$12\r\n` at `at`: the number, and where the line after it begins. `None` if it is not all there.
fn length(bytes: &[u8], at: usize, kind: u8, most: usize) -> Result<Option<(usize, usize)>> {
    let Some((&first, rest)) = bytes[at..].split_first() else {
        return Ok(None);
    };
    if first != kind {
        bail!("expected '{}', got '{}'", kind as char, first.escape_ascii());
    }
    let Some(digits) = rest.iter().take(MAX_DIGITS + 1).position(|&byte| byte == b'\r') else {
        if rest.len() > MAX_DIGITS {
            bail!("invalid length");
        }
        return Ok(None);
    };
    let number =
        std::str::from_utf8(&rest[..digits]).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let Some(number) = number.and_then(|text| text.parse::<usize>().ok()).filter(|&number| number <= most) else {
        bail!("invalid length");
    };
    match rest.get(digits + 1) {
        None => Ok(None),
        Some(b'\n') => Ok(Some((number, at + 1 + digits + 2))),
        Some(_) => bail!("invalid length"),
    }
}

/// Does what the command of `size` bytes at the beginning of the input says, and appends the answer to `out`.
fn run<B: Buffers>(connection: &mut Connection<B>, arguments: &[Range<usize>], size: usize, out: &mut Vec<u8>) {
    let Connection { shared, input, .. } = connection;
    let mut map = shared.map.borrow_mut();
    let bytes = &input.unread()[..size];
    let Some(name) = arguments.first().map(|name| &bytes[name.clone()]) else {
        return input.skip(size);
    };
    let is = |command: &str| name.eq_ignore_ascii_case(command.as_bytes());
    match &arguments[1..] {
        [key, value] if is("SET") => {
            set::<B>(&mut map, input, key.clone(), value.clone(), size);
            out.extend_from_slice(OK);
            return;
        }
        [_, _, _, ..] if is("SET") => out.extend_from_slice(SYNTAX),
        [key] if is("GET") => match map.get(&bytes[key.clone()]) {
            Some(value) => bulk(out, value),
            None => out.extend_from_slice(NULL),
        },
        [keys @ .., last] if is("DEL") => {
            let removed = keys.iter().chain([last]).filter(|key| map.remove(&bytes[(*key).clone()]).is_some());
            integer(out, removed.count() as i64);
        }
        [key] if is("INCR") => match incremented(&shared.buffers, &mut map, &bytes[key.clone()]) {
            Some(number) => integer(out, number),
            None => out.extend_from_slice(b"-ERR value is not an integer or out of range\r\n"),
        },
        [] if is("PING") => out.extend_from_slice(b"+PONG\r\n"),
        [text] if is("PING") => bulk(out, &bytes[text.clone()]),
        [get, name] if is("CONFIG") && bytes[get.clone()].eq_ignore_ascii_case(b"GET") => {
            // Nothing is configured; whoever asks hears so.
            out.extend_from_slice(b"*2\r\n");
            bulk(out, &bytes[name.clone()]);
            bulk(out, b"");
        }
        _ if is("COMMAND") => out.extend_from_slice(b"*0\r\n"),
        _ if is("INFO") => bulk(out, format!("# Keyspace\r\ndb0:keys={}\r\n", map.len()).as_bytes()),
        _ if ["SET", "GET", "DEL", "INCR", "PING", "CONFIG"].into_iter().any(is) => {
            out.extend_from_slice(b"-ERR wrong number of arguments, or no such subcommand\r\n");
        }
        _ => out.extend_from_slice(format!("-ERR unknown command '{}'\r\n", name.escape_ascii()).as_bytes()),
    }
    input.skip(size);
}

/// Keeps the value, and the key if it is new.
fn set<B: Buffers>(map: &mut Map<B::Slice>, input: &mut B::Input, key: Range<usize>, value: Range<usize>, size: usize) {
    let known = map.get_mut(&input.unread()[key.clone()]);
    let new = if known.is_none() {
        input.skip(key.start);
        let kept = B::keep(input.take(key.len()));
        input.skip(value.start - key.end);
        Some(kept)
    } else {
        input.skip(value.start);
        None
    };
    let kept = B::keep(input.take(value.len()));
    input.skip(size - value.end);
    match (known, new) {
        (Some(known), _) => *known = kept,
        (None, Some(new)) => drop(map.insert(new, kept)),
        (None, None) => {}
    }
}

fn incremented<B: Buffers>(buffers: &B, map: &mut Map<B::Slice>, key: &[u8]) -> Option<i64> {
    let known = map.get_mut(key);
    let old = match &known {
        Some(value) => std::str::from_utf8(value).ok()?.parse::<i64>().ok()?,
        None => 0,
    };
    let number = old.checked_add(1)?;
    let value = buffers.copied(number.to_string().as_bytes());
    match known {
        Some(known) => *known = value,
        None => drop(map.insert(buffers.copied(key), value)),
    }
    Some(number)
}

fn bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    let _ = write!(out, "${}\r\n", bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

fn integer(out: &mut Vec<u8>, number: i64) {
    let _ = write!(out, ":{number}\r\n");
}
