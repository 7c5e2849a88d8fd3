//! Virtual time: the published experiment's seconds, passing `speed` times faster.

use std::thread;
use std::time::{Duration, Instant};

/// A clock that started when the run did.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    speed: f64,
}

impl Clock {
    pub fn start(speed: f64) -> Clock {
        Clock { start: Instant::now(), speed }
    }

    /// Virtual seconds since the start.
    pub fn now(&self) -> f64 {
        self.start.elapsed().as_secs_f64() * self.speed
    }

    /// Sleeps until `t` virtual seconds after the start; not at all if that is past.
    pub fn sleep_until(&self, t: f64) {
        let due = self.start + Duration::from_secs_f64(t / self.speed);
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}
