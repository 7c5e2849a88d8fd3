//! A TCP proxy: for each connection and direction one thread reads into slabs, and another one writes and drops what was read.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, Scope, ScopedJoinHandle};

use anyhow::{Context, Result, ensure};
use bufslab::{SlabBytes, SlabPool};

use crate::wire::{Numbers, listen, read};

const CONNECTIONS: u64 = 2;
/// Reads that wait to be written, for each direction.
const QUEUE: usize = 16;

type Running<'scope> = Vec<ScopedJoinHandle<'scope, Result<()>>>;

pub fn run(pool: &SlabPool, requests: u32) -> Result<()> {
    let (backend, backend_address) = listen()?;
    let (proxy, address) = listen()?;
    let each = requests / CONNECTIONS as u32;
    thread::scope(|scope| {
        let mut running: Running<'_> = Vec::new();
        for number in 0..CONNECTIONS {
            running.push(scope.spawn(move || client(address, number, each)));
        }
        for _ in 0..CONNECTIONS {
            let near = proxy.accept()?.0;
            let far = TcpStream::connect(backend_address).context("the backend")?;
            let answering = accept(&backend)?;
            running.push(scope.spawn(move || answer(answering)));
            near.set_nodelay(true)?;
            far.set_nodelay(true)?;
            pass_on(scope, &mut running, pool, near.try_clone()?, far.try_clone()?);
            pass_on(scope, &mut running, pool, far, near);
        }
        for thread in running {
            thread.join().expect("no thread panics")?;
        }
        Ok(())
    })
}

fn accept(listener: &TcpListener) -> Result<TcpStream> {
    let (socket, _) = listener.accept()?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

/// One direction of one connection: a thread that reads and one that writes.
fn pass_on<'scope>(
    scope: &'scope Scope<'scope, '_>,
    running: &mut Running<'scope>,
    pool: &'scope SlabPool,
    from: TcpStream,
    to: TcpStream,
) {
    let (sender, receiver) = sync_channel(QUEUE);
    running.push(scope.spawn(move || read_all(pool, from, &sender)));
    running.push(scope.spawn(move || write_all(to, &receiver)));
}

fn read_all(pool: &SlabPool, mut from: TcpStream, sender: &SyncSender<SlabBytes>) -> Result<()> {
    loop {
        let piece = read(pool, &mut from)?.freeze();
        if piece.is_empty() || sender.send(piece.tag("proxy.queued")).is_err() {
            return Ok(());
        }
    }
}

fn write_all(mut to: TcpStream, receiver: &Receiver<SlabBytes>) -> Result<()> {
    for piece in receiver {
        to.write_all(&piece)?;
    }
    // The other side may have gone first.
    let _ = to.shutdown(Shutdown::Write);
    Ok(())
}

/// The backend: answers each request of 8 bytes with as many bytes as it asks for.
fn answer(mut socket: TcpStream) -> Result<()> {
    let mut request = [0; 8];
    let pattern = vec![7; 1 << 20];
    loop {
        if let Err(error) = socket.read_exact(&mut request) {
            ensure!(error.kind() == std::io::ErrorKind::UnexpectedEof, "the backend: {error}");
            return Ok(());
        }
        socket.write_all(&pattern[..u64::from_be_bytes(request) as usize])?;
    }
}

fn client(address: SocketAddr, number: u64, requests: u32) -> Result<()> {
    let mut socket = TcpStream::connect(address).context("the proxy")?;
    socket.set_nodelay(true)?;
    let mut numbers = Numbers(number + 20);
    for _ in 0..requests {
        // Small answers, and files.
        let length = match numbers.below(2) {
            0 => 100 + numbers.below(2_000),
            _ => 50_000 + numbers.below(500_000),
        };
        socket.write_all(&length.to_be_bytes())?;
        let mut body = vec![0; length as usize];
        socket.read_exact(&mut body)?;
        ensure!(body.iter().all(|&byte| byte == 7), "the answer is not the backend's");
    }
    socket.shutdown(Shutdown::Write)?;
    Ok(())
}
