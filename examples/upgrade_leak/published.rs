//! The published curves: Node 0.8.20 with Socket.IO 0.9, February 2013, resident memory once a
//! second (github.com/jpallen/socket.io-memory-test).

use anyhow::{Context, Result};

const CSV: &str = include_str!("node-0.8-leak.csv");

/// A curve: seconds, and bytes above the curve's first value.
pub type Curve = Vec<(f64, f64)>;

/// The three curves without the patch that drops the head.
pub struct Published {
    pub both: Curve,
    pub uploads: Curve,
    pub websockets: Curve,
}

impl Published {
    pub fn read() -> Result<Published> {
        Ok(Published {
            both: growth("both_rss")?,
            uploads: growth("uploads_rss")?,
            websockets: growth("websockets_rss")?,
        })
    }

    /// Seconds that were measured.
    pub fn length(&self) -> f64 {
        self.both.last().map_or(0.0, |point| point.0)
    }
}

/// One column of the file, less its first value.
fn growth(column: &str) -> Result<Curve> {
    let mut lines = CSV.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let index = names
        .iter()
        .position(|name| *name == column)
        .with_context(|| format!("the published curves have no {column}"))?;
    let mut curve = Curve::new();
    for line in lines {
        let fields: Vec<&str> = line.split(',').collect();
        let number = |index: usize| -> Result<f64> {
            let field = fields.get(index).copied().unwrap_or_default();
            field.parse().with_context(|| format!("the published curves: {line}"))
        };
        curve.push((number(0)?, number(index)?));
    }
    let first = curve.first().map_or(0.0, |point| point.1);
    Ok(curve.into_iter().map(|(t, bytes)| (t, bytes - first)).collect())
}
