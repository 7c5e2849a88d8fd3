//! An echo server with framing: a length of four bytes, then so many bytes. Each connection keeps its last few messages, as a chat
//! does, and splits messages off what it reads; half a message at the end of a read stays in its buffer until the rest is there.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, Result, ensure};
use bufslab::{Buf, BufMut, SlabBytes, SlabPool};

use crate::wire::{self, Numbers, READ, read_into};

const CONNECTIONS: u32 = 4;
/// Messages that a client sends at most before it reads the answers.
const BURST: u64 = 4;
/// The last of every so many messages that a connection keeps.
const HISTORY: usize = 16;
const KEPT_OF: u32 = 20;
const HEADER: usize = 4;

pub fn run(pool: &SlabPool, messages: u32) -> Result<()> {
    let each = messages / CONNECTIONS;
    wire::run(CONNECTIONS, |socket| serve(pool, socket), |address, number| client(address, number, each))
}

/// Until the client has no more to say.
fn serve(pool: &SlabPool, mut socket: TcpStream) -> Result<()> {
    let mut buffer = pool.alloc(READ);
    let mut history: VecDeque<SlabBytes> = VecDeque::new();
    let mut number = 0;
    loop {
        if buffer.is_empty() {
            // What is left of a read that was split up goes first: it may be the last that keeps its slab.
            drop(buffer);
            buffer = pool.alloc(READ);
        } else if buffer.capacity() - buffer.len() < READ / 4 {
            buffer.reserve(READ);
        }
        let room = buffer.capacity() - buffer.len();
        if read_into(&mut (&mut buffer).limit(room), &mut socket)? == 0 {
            ensure!(buffer.is_empty(), "the client left in the middle of a message");
            return Ok(());
        }
        while let Some(length) = buffer.first_chunk::<HEADER>().map(|&length| u32::from_be_bytes(length) as usize) {
            if buffer.len() < HEADER + length {
                break;
            }
            let message = buffer.split_to(HEADER + length).freeze();
            socket.write_all(&message)?;
            number += 1;
            if number % KEPT_OF == 0 {
                history.push_back(message.slice(HEADER..).tag("echo.history"));
                if history.len() > HISTORY {
                    history.pop_front();
                }
            }
        }
    }
}

fn client(address: SocketAddr, number: u64, messages: u32) -> Result<()> {
    let mut socket = TcpStream::connect(address).context("the echo server")?;
    socket.set_nodelay(true)?;
    let mut numbers = Numbers(number);
    let mut sent = 0;
    while sent < messages {
        let burst = (1 + numbers.below(BURST) as u32).min(messages - sent);
        let mut out = Vec::new();
        for _ in 0..burst {
            // Most messages are short, some are not.
            let length = match numbers.below(20) {
                0 => 2_000 + numbers.below(6_000),
                _ => 20 + numbers.below(400),
            };
            out.put_u32(length as u32);
            out.resize(out.len() + length as usize, number as u8);
        }
        socket.write_all(&out)?;
        let mut back = vec![0; out.len()];
        socket.read_exact(&mut back)?;
        ensure!(back == out, "the echo is not what was said");
        sent += burst;
    }
    socket.shutdown(std::net::Shutdown::Write)?;
    let mut rest = Vec::new();
    io::copy(&mut socket, &mut rest)?;
    ensure!(!rest.as_slice().has_remaining(), "more than was said");
    Ok(())
}
