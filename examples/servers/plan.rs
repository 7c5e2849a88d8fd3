//! What is measured: each protocol with some loads, each on three kinds of buffers.

use std::fmt;
use std::str::FromStr;

use anyhow::{Error, Result, bail};

use crate::size::size_name;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    Echo,
    Http,
    Resp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Vec,
    Bytes,
    Slab,
}

pub const PROTOCOLS: [Protocol; 3] = [Protocol::Echo, Protocol::Http, Protocol::Resp];
/// Ours is the last.
pub const KINDS: [Kind; 3] = [Kind::Vec, Kind::Bytes, Kind::Slab];

/// What one server goes through, one stage after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Frames of so many bytes, each waited for.
    Echo { size: usize },
    /// `GET`, or uploads of so many bytes.
    Http { upload: Option<usize> },
    /// `SET` and then `GET` of values of so many bytes, so many at once.
    Resp { size: usize, pipeline: usize },
}

impl Protocol {
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Echo => "echo",
            Protocol::Http => "http",
            Protocol::Resp => "resp",
        }
    }

    pub fn loads(self) -> Vec<Load> {
        match self {
            Protocol::Echo => [64, 1024, 16384].map(|size| Load::Echo { size }).into(),
            Protocol::Http => {
                [None, Some(1024), Some(16384), Some(256 * 1024)].map(|upload| Load::Http { upload }).into()
            }
            Protocol::Resp => [64, 1024, 16384]
                .into_iter()
                .flat_map(|size| [1, 16].map(|pipeline| Load::Resp { size, pipeline }))
                .collect(),
        }
    }
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Vec => "vec",
            Kind::Bytes => "bytes",
            Kind::Slab => "slab",
        }
    }

    /// As it stands in tables.
    pub fn shown(self) -> &'static str {
        match self {
            Kind::Vec => "`Vec<u8>`",
            Kind::Bytes => "`BytesMut`",
            Kind::Slab => "`SlabBytesMut`",
        }
    }
}

impl Load {
    pub fn protocol(self) -> Protocol {
        match self {
            Load::Echo { .. } => Protocol::Echo,
            Load::Http { .. } => Protocol::Http,
            Load::Resp { .. } => Protocol::Resp,
        }
    }

    /// The rows that it gives: one for each stage.
    pub fn stages(self) -> Vec<String> {
        match self {
            Load::Echo { size } => vec![format!("echo, {}", size_name(size))],
            Load::Http { upload: None } => vec!["HTTP, GET".to_owned()],
            Load::Http { upload: Some(size) } => vec![format!("HTTP, POST {}", size_name(size))],
            Load::Resp { size, pipeline } => {
                let depth = if pipeline > 1 { format!(", {pipeline} at once") } else { String::new() };
                ["SET", "GET"].map(|command| format!("RESP, {command} {}{depth}", size_name(size))).into()
            }
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Protocol {
    type Err = Error;

    fn from_str(text: &str) -> Result<Protocol> {
        match PROTOCOLS.into_iter().find(|protocol| protocol.name() == text) {
            Some(protocol) => Ok(protocol),
            None => bail!("{text}: must be echo, http or resp"),
        }
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Kind> {
        match KINDS.into_iter().find(|kind| kind.name() == text) {
            Some(kind) => Ok(kind),
            None => bail!("{text}: must be vec, bytes or slab"),
        }
    }
}
