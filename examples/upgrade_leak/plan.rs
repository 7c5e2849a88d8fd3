//! Which runs there are: a scenario, what happens to the `head`, and the size of the slabs.

use std::fmt;

use bufslab::Reuse;

use crate::size::size_name;

/// Node 0.8's TLS module read into slabs of this size.
pub const NODE_SLAB: usize = 10 * 1024 * 1024;
/// The remedy that was proposed at the time, and never measured.
pub const SMALL_SLAB: usize = 100 * 1024;

/// Which clients are at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Only the file uploads.
    Uploads,
    /// Only the WebSockets.
    Websockets,
    /// Both at once, which is when Node's memory grew.
    Both,
}

/// What the server does with the `head` of an upgrade request once it has read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The connection keeps the slice, as Socket.IO did, and the pool waits for whole slabs, as Node's did.
    Hold,
    /// The same server, but its pool goes on in slabs that are pinned, around the pins.
    Around,
    /// The connection keeps it through `retain_as`.
    Retain,
    /// The connection parks it: it is moved out of its slab if it outlives that.
    Park,
    /// As `Hold`, and the dead pages of pinned slabs go back to the system under the slices.
    Punch,
    /// The slice is dropped, as the published patch did.
    Release,
}

/// One run: a fresh server with a fresh pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    pub scenario: Scenario,
    pub mode: Mode,
    pub slab_size: usize,
}

/// The runs of a plain start, in the order in which they are made. The one that grows most comes
/// last, so that the memory it gives back does not blur the resident memory of the others.
pub const PLAN: [Case; 10] = [
    Case::new(Scenario::Uploads, Mode::Hold, NODE_SLAB),
    Case::new(Scenario::Websockets, Mode::Hold, NODE_SLAB),
    Case::new(Scenario::Both, Mode::Release, NODE_SLAB),
    Case::new(Scenario::Both, Mode::Retain, NODE_SLAB),
    Case::new(Scenario::Both, Mode::Around, NODE_SLAB),
    Case::new(Scenario::Both, Mode::Park, NODE_SLAB),
    Case::new(Scenario::Both, Mode::Retain, SMALL_SLAB),
    Case::new(Scenario::Both, Mode::Hold, SMALL_SLAB),
    Case::new(Scenario::Both, Mode::Punch, NODE_SLAB),
    Case::new(Scenario::Both, Mode::Hold, NODE_SLAB),
];

impl Case {
    pub const fn new(scenario: Scenario, mode: Mode, slab_size: usize) -> Case {
        Case { scenario, mode, slab_size }
    }
}

/// What the command line asks for; `None` leaves the choice to the plan.
#[derive(Clone, Copy, Debug, Default)]
pub struct Selection {
    pub scenario: Option<Scenario>,
    pub mode: Option<Mode>,
    pub slab_size: Option<usize>,
}

impl Selection {
    /// The planned runs that match. If none does, the one run that was asked for, with `both`,
    /// `hold` and Node's slab size for what was not said.
    pub fn cases(&self) -> Vec<Case> {
        let planned: Vec<Case> = PLAN.into_iter().filter(|case| self.matches(case)).collect();
        if !planned.is_empty() {
            return planned;
        }
        vec![Case::new(
            self.scenario.unwrap_or(Scenario::Both),
            self.mode.unwrap_or(Mode::Hold),
            self.slab_size.unwrap_or(NODE_SLAB),
        )]
    }

    fn matches(&self, case: &Case) -> bool {
        self.scenario.is_none_or(|scenario| scenario == case.scenario)
            && self.mode.is_none_or(|mode| mode == case.mode)
            && self.slab_size.is_none_or(|size| size == case.slab_size)
    }
}

impl Scenario {
    pub const ALL: [Scenario; 3] = [Scenario::Uploads, Scenario::Websockets, Scenario::Both];

    pub fn has_uploads(self) -> bool {
        self != Scenario::Websockets
    }

    pub fn has_websockets(self) -> bool {
        self != Scenario::Uploads
    }

    pub fn name(self) -> &'static str {
        match self {
            Scenario::Uploads => "uploads",
            Scenario::Websockets => "websockets",
            Scenario::Both => "both",
        }
    }
}

impl Mode {
    pub const ALL: [Mode; 6] = [Mode::Hold, Mode::Around, Mode::Park, Mode::Punch, Mode::Retain, Mode::Release];

    /// What the server's pool makes of pinned slabs.
    pub fn reuse(self) -> Reuse {
        match self {
            Mode::Around => Reuse::AroundThePin,
            Mode::Hold | Mode::Park | Mode::Punch | Mode::Retain | Mode::Release => Reuse::WholeSlab,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Mode::Hold => "hold",
            Mode::Around => "around",
            Mode::Park => "park",
            Mode::Punch => "punch",
            Mode::Retain => "retain",
            Mode::Release => "release",
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = size_name(self.slab_size);
        write!(f, "{}/{} with slabs of {size}", self.scenario.name(), self.mode.name())
    }
}
