//! One measured point, and the files that they are kept in.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// Nanoseconds of one operation: the median of the rounds, the least and the most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    pub fn of(mut figures: Vec<f64>) -> Option<Spread> {
        figures.sort_unstable_by(f64::total_cmp);
        let (&min, &max) = (figures.first()?, figures.last()?);
        let middle = figures.len() / 2;
        let median =
            if figures.len() % 2 == 1 { figures[middle] } else { (figures[middle - 1] + figures[middle]) / 2.0 };
        Some(Spread { median, min, max })
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    pub series: String,
    pub x: f64,
    /// Processor time of one operation.
    pub ns: Spread,
    /// Operations a second of all threads together, by the clock on the wall; of runs with threads.
    pub per_second: Option<f64>,
    /// More threads than cores.
    pub oversubscribed: bool,
}

impl Point {
    pub fn new(series: &str, x: usize, figures: Vec<f64>) -> Option<Point> {
        let ns = Spread::of(figures)?;
        Some(Point { series: series.to_owned(), x: x as f64, ns, per_second: None, oversubscribed: false })
    }

    fn to_json(&self) -> Value {
        let series = crate::series::find(&self.series);
        let mut value = json!({
            "series": self.series,
            "x": self.x,
            "unit": series.map_or("", |series| series.axis.unit()),
            "ns": self.ns.median,
            "ns_min": self.ns.min,
            "ns_max": self.ns.max,
            "operation": series.map_or("", |series| series.operation),
        });
        if let (Some(per_second), Some(object)) = (self.per_second, value.as_object_mut()) {
            object.insert("ops_per_s".to_owned(), json!(per_second));
            object.insert("ops_per_cpu_s".to_owned(), json!(1e9 / self.ns.median));
            object.insert("wall_ns".to_owned(), json!(1e9 / per_second));
            object.insert("oversubscribed".to_owned(), json!(self.oversubscribed));
        }
        value
    }

    fn from_json(value: &Value) -> Option<Point> {
        let number = |name: &str| value.get(name)?.as_f64();
        Some(Point {
            series: value.get("series")?.as_str()?.to_owned(),
            x: number("x")?,
            ns: Spread { median: number("ns")?, min: number("ns_min")?, max: number("ns_max")? },
            per_second: number("ops_per_s"),
            oversubscribed: value.get("oversubscribed").and_then(Value::as_bool).unwrap_or(false),
        })
    }
}

/// What was measured, and where.
pub struct Results {
    pub points: Vec<Point>,
    /// One sentence on machine and settings.
    pub made: String,
}

const POINTS: &str = "scaling.json";
const MADE: &str = "made.json";

impl Results {
    pub fn save(&self, folder: &Path) -> Result<()> {
        let points: Vec<Value> = self.points.iter().map(Point::to_json).collect();
        let write = |name: &str, value: &Value| {
            let path = folder.join(name);
            let text = serde_json::to_string_pretty(value)? + "\n";
            fs::write(&path, text).with_context(|| path.display().to_string())
        };
        write(POINTS, &Value::from(points))?;
        write(MADE, &json!({ "made": self.made }))
    }

    pub fn load(folder: &Path) -> Result<Results> {
        let read = |name: &str| -> Result<Value> {
            let path = folder.join(name);
            let text = fs::read_to_string(&path).with_context(|| format!("--replay: {}", path.display()))?;
            Ok(serde_json::from_str(&text)?)
        };
        let value = read(POINTS)?;
        let points: Vec<Point> = value.as_array().into_iter().flatten().filter_map(Point::from_json).collect();
        ensure!(!points.is_empty(), "--replay: no points in {POINTS}");
        let made = read(MADE)?.get("made").and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Results { points, made })
    }

    /// The points of one series.
    pub fn of<'a>(&'a self, series: &'a str) -> impl Iterator<Item = &'a Point> {
        self.points.iter().filter(move |point| point.series == series)
    }
}
