//! One thread of a timed run.

use super::ReplayError;
use super::plan::{Act, Place, What};
use super::threads::{Shared, Stopped};
use super::work::Work;
use std::time::{Duration, Instant};

/// What a thread says of a round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ran {
    pub(super) begun: Instant,
    pub(super) ended: Instant,
    pub(super) waited: Duration,
}

pub(super) enum Broken {
    Error(ReplayError),
    /// Because another thread had one.
    Stopped,
}

impl From<Stopped> for Broken {
    fn from(Stopped: Stopped) -> Broken {
        Broken::Stopped
    }
}

pub(super) struct Worker<'a, W: Work> {
    pub(super) thread: u32,
    pub(super) acts: &'a [Act],
    pub(super) shared: &'a Shared<W::Hand>,
    pub(super) work: W,
    pub(super) own: Vec<Option<W::Hand>>,
    /// Steps between two looks at memory; 0 for none.
    pub(super) look_every: u64,
}

/// Tells the others if a thread ends by an error or a panic, so that none of them waits for it.
struct Alarm<'a, H>(Option<&'a Shared<H>>);

impl<H> Drop for Alarm<'_, H> {
    fn drop(&mut self) {
        if let Some(shared) = self.0 {
            shared.fail();
        }
    }
}

impl<W: Work> Worker<'_, W> {
    /// Does all of this thread's steps.
    pub(super) fn round(&mut self) -> Result<Ran, Broken> {
        let mut alarm = Alarm(Some(self.shared));
        // What the round before left.
        self.own.iter_mut().for_each(|hand| *hand = None);
        let begun = Instant::now();
        let mut waited = Duration::ZERO;
        let mut allowed = 0;
        let mut acts = self.acts.iter().peekable();
        while let Some(act) = acts.next() {
            if act.index > allowed || allowed == 0 {
                allowed = self.shared.await_others(self.thread, act.index, &mut waited)?;
            }
            self.act(act, &mut waited)?;
            if self.look_every > 0 && act.index % self.look_every == 0 {
                self.work.look();
            }
            self.shared.arrive(self.thread, acts.peek().map_or(u64::MAX, |next| next.index));
        }
        let ended = Instant::now();
        alarm.0 = None;
        Ok(Ran { begun, ended, waited })
    }

    fn act(&mut self, act: &Act, waited: &mut Duration) -> Result<(), Broken> {
        match act.what {
            What::Alloc { len, filled } => {
                let hand = self.work.alloc(act, len, filled).map_err(Broken::Error)?;
                self.lay(act, hand, waited)
            }
            What::Derive { from, turn, offset, len, shared } => {
                let derive = |work: &mut W, hand: &mut Option<W::Hand>| {
                    work.derive(hand.as_mut().expect(THERE), act, offset, len, shared)
                };
                let made = match from {
                    Place::Own(place) => derive(&mut self.work, &mut self.own[place as usize]),
                    Place::Shared(cell) => self.shared.with(cell, turn, waited, |hand| derive(&mut self.work, hand))?,
                };
                self.lay(act, made, waited)
            }
            What::Free => {
                let hand = match act.place {
                    Place::Own(place) => self.own[place as usize].take(),
                    Place::Shared(cell) => self.shared.with(cell, act.turn, waited, Option::take)?,
                };
                self.work.free(hand.expect(THERE));
                Ok(())
            }
            What::Freeze { .. } | What::Resize { .. } | What::Tag | What::Retain => {
                let work = &mut self.work;
                let mut change = |hand: &mut Option<W::Hand>| work.change(hand.as_mut().expect(THERE), act);
                let changed = match act.place {
                    Place::Own(place) => change(&mut self.own[place as usize]),
                    Place::Shared(cell) => self.shared.with(cell, act.turn, waited, change)?,
                };
                changed.map_err(Broken::Error)
            }
        }
    }

    /// Puts a new handle where those that use it look for it.
    fn lay(&mut self, act: &Act, hand: W::Hand, waited: &mut Duration) -> Result<(), Broken> {
        match act.place {
            Place::Own(place) => self.own[place as usize] = Some(hand),
            Place::Shared(cell) => self.shared.with(cell, act.turn, waited, |place| *place = Some(hand))?,
        }
        Ok(())
    }
}

const THERE: &str = "a plan names no handle that is not there";
