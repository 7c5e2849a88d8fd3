//! What is compared: a `Vec` for each read, and pools by slab size and by what they make of a slab that a slice pins.

use std::fmt;
use std::str::FromStr;

use anyhow::{Error, Result, bail};
use bufslab::{Auto, Reuse, SlabSize};

use crate::size;

/// One kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// A `Vec` for each read.
    Vec,
    /// A pool with slabs of this size.
    Pool { size: SlabSize, reuse: Reuse },
}

pub const REUSES: [Reuse; 2] = [Reuse::WholeSlab, Reuse::AroundThePin];

/// All cases, for slabs of these sizes.
pub fn cases(sizes: &[usize]) -> Vec<Case> {
    let sizes = sizes.iter().map(|&bytes| SlabSize::Fixed(bytes)).chain([Auto.into()]);
    let pools = sizes.flat_map(|size| REUSES.map(|reuse| Case::Pool { size, reuse }));
    [Case::Vec].into_iter().chain(pools).collect()
}

impl Case {
    /// The size of the slabs in bytes, if there are slabs and their size is fixed.
    pub fn fixed_size(self) -> Option<usize> {
        match self {
            Case::Pool { size: SlabSize::Fixed(bytes), .. } => Some(bytes),
            _ => None,
        }
    }

    pub fn is_auto(self) -> bool {
        matches!(self, Case::Pool { size: SlabSize::Auto { .. }, .. })
    }

    pub fn reuse(self) -> Option<Reuse> {
        match self {
            Case::Vec => None,
            Case::Pool { reuse, .. } => Some(reuse),
        }
    }

    /// What stands in the table's first column.
    pub fn slabs(self) -> String {
        match (self, self.fixed_size()) {
            (_, Some(bytes)) => size::size_name(bytes),
            (Case::Vec, None) => "a `Vec` each".to_owned(),
            (_, None) => "`Auto`".to_owned(),
        }
    }
}

/// `vec`, `65536/whole_slab`, `auto/around_the_pin`.
impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.fixed_size(), self.reuse()) {
            (_, None) => f.pad("vec"),
            (Some(bytes), Some(reuse)) => write!(f, "{bytes}/{}", reuse.as_str()),
            (None, Some(reuse)) => write!(f, "auto/{}", reuse.as_str()),
        }
    }
}

impl FromStr for Case {
    type Err = Error;

    fn from_str(text: &str) -> Result<Case> {
        if text == "vec" {
            return Ok(Case::Vec);
        }
        let (size, reuse) = text.split_once('/').unwrap_or((text, ""));
        let Some(reuse) = REUSES.into_iter().find(|one| one.as_str() == reuse) else {
            bail!("{text}: not a case");
        };
        let size = match size {
            "auto" => Auto.into(),
            bytes => SlabSize::Fixed(size::parse("case", bytes)?),
        };
        Ok(Case::Pool { size, reuse })
    }
}
