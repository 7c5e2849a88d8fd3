//! Asks for reports on a thread of its own, so that keys are heeded while a program takes its time.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use bufslab::PinReport;

use crate::args::TopArgs;
use crate::failure::Failure;

/// What is said to the thread.
enum Wish {
    /// Ask this often from now on.
    Every(Duration),
    /// Ask no more until told so.
    Pause(bool),
    /// Ask at once.
    Now,
}

/// The thread's other end. Dropping it ends the thread.
pub struct Feed {
    reports: Receiver<Result<PinReport, Failure>>,
    wishes: Sender<Wish>,
}

impl Feed {
    pub fn start(args: &TopArgs) -> Feed {
        let (say, reports) = mpsc::channel();
        let (wishes, heard) = mpsc::channel();
        let (source, ask, interval) = (args.source.clone(), args.ask.clone(), args.interval);
        thread::spawn(move || {
            let mut pace = Pace { interval, paused: false, next: Instant::now() + interval };
            while pace.wait(&heard) {
                pace.next = Instant::now() + pace.interval;
                if say.send(source.read_quietly(&ask)).is_err() {
                    return;
                }
            }
        });
        Feed { reports, wishes }
    }

    /// What has come since the last call.
    pub fn news(&self) -> impl Iterator<Item = Result<PinReport, Failure>> {
        self.reports.try_iter()
    }

    pub fn every(&self, interval: Duration) {
        let _ = self.wishes.send(Wish::Every(interval));
    }

    pub fn pause(&self, paused: bool) {
        let _ = self.wishes.send(Wish::Pause(paused));
    }

    pub fn now(&self) {
        let _ = self.wishes.send(Wish::Now);
    }
}

struct Pace {
    interval: Duration,
    paused: bool,
    next: Instant,
}

impl Pace {
    /// Waits until it is time to ask; false once nobody listens any more.
    fn wait(&mut self, heard: &Receiver<Wish>) -> bool {
        loop {
            let wish = if self.paused {
                heard.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                heard.recv_timeout(self.next.saturating_duration_since(Instant::now()))
            };
            match wish {
                Ok(Wish::Every(interval)) => {
                    self.interval = interval;
                    self.next = self.next.min(Instant::now() + interval);
                }
                Ok(Wish::Pause(paused)) => self.paused = paused,
                Ok(Wish::Now) | Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }
}
