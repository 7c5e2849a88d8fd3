//! What the servers have in common: reading from a socket into a pool's buffers, and numbers that look random.

use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;

use anyhow::Result;
use bufslab::{BufMut, SlabBytesMut, SlabPool};

/// Room for one read, as hyper and nginx have it.
pub const READ: usize = 16 * 1024;

/// A listener on a port that the system gives.
pub fn listen() -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// A server with a thread for each of so many connections, and a client for each, which is told the address and its number.
pub fn run(
    connections: u32,
    serve: impl Fn(TcpStream) -> Result<()> + Sync,
    client: impl Fn(SocketAddr, u64) -> Result<()> + Sync,
) -> Result<()> {
    let (listener, address) = listen()?;
    let (serve, client) = (&serve, &client);
    thread::scope(|scope| {
        let clients: Vec<_> =
            (0..connections).map(|number| scope.spawn(move || client(address, number.into()))).collect();
        let mut servers = Vec::new();
        for _ in 0..connections {
            let (socket, _) = listener.accept()?;
            socket.set_nodelay(true)?;
            servers.push(scope.spawn(move || serve(socket)));
        }
        for thread in clients.into_iter().chain(servers) {
            thread.join().expect("no thread panics")?;
        }
        Ok(())
    })
}

/// One read from a socket, in a buffer of its own. Empty at the end of the stream.
#[track_caller]
pub fn read(pool: &SlabPool, socket: &mut impl Read) -> io::Result<SlabBytesMut> {
    let mut buffer = pool.alloc(READ);
    let mut limited = (&mut buffer).limit(READ);
    read_into(&mut limited, socket)?;
    Ok(buffer)
}

/// Reads once into what room there is. The bytes go through a buffer on the stack: std reads into initialised memory only.
pub fn read_into(buffer: &mut impl BufMut, socket: &mut impl Read) -> io::Result<usize> {
    let mut bytes = [0; READ];
    let room = buffer.remaining_mut().min(READ);
    let n = loop {
        match socket.read(&mut bytes[..room]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    buffer.put_slice(&bytes[..n]);
    Ok(n)
}

/// Numbers that look random and are the same each time (a linear congruential generator with Knuth's constants).
pub struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}
