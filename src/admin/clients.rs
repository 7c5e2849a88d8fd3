//! Who is connected: a bounded number of clients, each with a thread, all of which can be sent home.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::socket::Socket;
use crate::sync::Mutex;

/// The clients of one server.
pub(super) struct Clients {
    served: usize,
    turned_away: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    closed: bool,
    next: u64,
    clients: HashMap<u64, Client>,
}

struct Client {
    seat: Seat,
    /// To end what its thread waits for.
    socket: Socket,
    /// `None` until it has started.
    thread: Option<JoinHandle<()>>,
}

/// How a client is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seat {
    Served,
    /// There are too many.
    TurnedAway,
}

impl Clients {
    /// Room for so many that are served, and so many that are told that there is none.
    pub(super) fn new(served: usize, turned_away: usize) -> Clients {
        Clients { served, turned_away, state: Mutex::default() }
    }

    /// Starts a thread for a client. Without room, without a thread, or after [`close`](Clients::close) its connection
    /// is just closed.
    pub(super) fn seat(self: &Arc<Self>, socket: Socket, work: impl FnOnce(&Socket, Seat) + Send + 'static) {
        let Ok(own) = socket.try_clone() else { return };
        let (number, seat) = {
            let mut state = self.state.lock();
            let taken = |seat| state.clients.values().filter(|client| client.seat == seat).count();
            let seat = if taken(Seat::Served) < self.served {
                Seat::Served
            } else if taken(Seat::TurnedAway) < self.turned_away {
                Seat::TurnedAway
            } else {
                return;
            };
            if state.closed {
                return;
            }
            state.next += 1;
            let number = state.next;
            state.clients.insert(number, Client { seat, socket, thread: None });
            (number, seat)
        };
        let leaves = Leaves { clients: Arc::clone(self), number };
        let run = move || {
            // The seat becomes free also if this panics, and before the socket is closed.
            let _leaves = leaves;
            work(&own, seat);
        };
        // If there is no thread for it, what it would have run is dropped, and the seat is free again.
        let Ok(thread) = thread::Builder::new().name("bufslab-client".to_owned()).spawn(run) else { return };
        if let Some(client) = self.state.lock().clients.get_mut(&number) {
            client.thread = Some(thread);
        }
    }

    /// Lets nobody in any more, and ends all connections.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.clients.values().for_each(|client| client.socket.shut_down());
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    /// The threads that still run.
    pub(super) fn threads(&self) -> Vec<JoinHandle<()>> {
        self.state.lock().clients.values_mut().filter_map(|client| client.thread.take()).collect()
    }
}

/// Frees a client's seat.
struct Leaves {
    clients: Arc<Clients>,
    number: u64,
}

impl Drop for Leaves {
    fn drop(&mut self) {
        let left = self.clients.state.lock().clients.remove(&self.number);
        drop(left);
    }
}
