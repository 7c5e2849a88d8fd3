//! A heap snapshot of V8, for Chrome DevTools and memlab, described in `docs/heap_snapshot.md`.
//!
//! | file | part |
//! |---|---|
//! | `mod` | the file: its keys in the order that readers demand, nodes and edges as rows of figures |
//! | `graph` | what the nodes and edges are, and the texts they refer to |
//! | `texts` | how things are called |
//! | `ids` | numbers by which a viewer knows a thing again in the next snapshot |
//!
//! Nothing is written twice and nothing is kept that can be said again from the report: beside the report a writer
//! needs some 40 bytes for each slice.

mod graph;
mod ids;
mod texts;

use core::fmt::{self, Write};
use std::io;

use super::model::PinReport;
use super::stream::stream;
use graph::{Graph, Node};
use texts::json_ascii;

/// What stands before the counts: the fields of a node and of an edge, and the names of their types, as V8 has them.
const META: &str = concat!(
    r#"{"snapshot":{"meta":{"#,
    r#""node_fields":["type","name","id","self_size","edge_count","trace_node_id","detachedness"],"#,
    r#""node_types":[["hidden","array","string","object","code","closure","regexp","number","native","synthetic","#,
    r#""concatenated string","sliced string","symbol","bigint","object shape"],"#,
    r#""string","number","number","number","number","number"],"#,
    r#""edge_fields":["type","name_or_index","to_node"],"#,
    r#""edge_types":[["context","element","property","internal","hidden","shortcut","weak"],"string_or_number","node"],"#,
    r#""trace_function_info_fields":["function_id","name","script_name","script_id","line","column"],"#,
    r#""trace_node_fields":["id","function_info_index","count","size","children"],"#,
    r#""sample_fields":["timestamp_us","last_assigned_id"],"#,
    r#""location_fields":["object_index","script_id","line","column"]}"#,
);

/// Figures of a node: an edge names its target by the place of the first of them.
const NODE_FIELDS: u32 = 7;

/// More nodes than this cannot be named by an edge, whose figures have 32 bits.
const MAX_NODES: u64 = (u32::MAX / NODE_FIELDS) as u64;

impl PinReport {
    /// A heap snapshot of V8, for Chrome DevTools and memlab: [`docs::heap_snapshot`](crate::docs::heap_snapshot) says
    /// what is in it and how to read it there.
    ///
    /// Load it in the panel *Memory* of DevTools. *Summary* groups the pinned memory by who pins it; the pane
    /// *Retainers* of a line says in words which slice holds it, and who owns that. Between two snapshots of one pool,
    /// *Comparison* shows what grew.
    ///
    /// It is written in pieces of about 8 KiB, so that a large one is never in memory as a whole.
    ///
    /// ```
    /// let pool = bufslab::SlabPool::builder().slab_size(4096).build()?;
    /// let mut read = pool.alloc(4096);
    /// read.extend_from_slice(&[0; 4096]);
    /// let head = read.freeze().slice(..20).tag("req.head");
    ///
    /// let mut file = Vec::new(); // or the file `pins.heapsnapshot`
    /// pool.report().write_heap_snapshot(&mut file)?;
    /// assert!(String::from_utf8(file)?.contains("\"pinned by req.head\""));
    /// # drop(head);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The first error of `out`, after which nothing more is written. [`InvalidInput`](io::ErrorKind::InvalidInput),
    /// with nothing written, for a report of more than 600 million slabs and slices: the format cannot number them.
    pub fn write_heap_snapshot(&self, out: &mut (impl io::Write + ?Sized)) -> io::Result<()> {
        let graph = Graph::of(self);
        if graph.node_count() > MAX_NODES {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many slices for a heap snapshot"));
        }
        stream(out, |out| document(&graph, out))
    }
}

/// The whole file. Readers look for the keys in this order, and for `strings` last.
fn document(graph: &Graph<'_>, out: &mut impl Write) -> fmt::Result {
    let (nodes, edges) = (graph.node_count(), graph.edge_count());
    write!(out, "{META},\"node_count\":{nodes},\"edge_count\":{edges},\"trace_function_count\":0}},\n\"nodes\":[")?;
    let mut rows = Rows::new(out);
    graph.nodes(&mut |node| {
        let Node { kind, name, id, self_size, edge_count } = node;
        // No stack of an allocation, and neither attached to a document nor detached.
        rows.row(&[kind as u32, name, id, self_size, edge_count, 0, 0])
    })?;
    rows.end("],\n\"edges\":[")?;
    graph.edges(&mut |edge| rows.row(&[edge.kind as u32, edge.name, edge.to * NODE_FIELDS]))?;
    rows.end(
        "],\n\"trace_function_infos\":[],\n\"trace_tree\":[],\n\"samples\":[],\n\"locations\":[],\n\"strings\":[",
    )?;
    graph.strings(&mut |text| {
        rows.begin()?;
        json_ascii(text, &mut rows.text);
        Ok(())
    })?;
    rows.end("]}\n")
}

/// The rows of one array after the other, handed on many at a time.
struct Rows<'a, W> {
    out: &'a mut W,
    text: String,
    /// Whether a row of the present array is there already.
    follows: bool,
}

impl<'a, W: Write> Rows<'a, W> {
    /// Bytes that are worth handing on.
    const ENOUGH: usize = 8 * 1024;

    fn new(out: &'a mut W) -> Self {
        Rows { out, text: String::new(), follows: false }
    }

    fn begin(&mut self) -> fmt::Result {
        if self.text.len() >= Self::ENOUGH {
            self.out.write_str(&self.text)?;
            self.text.clear();
        }
        if self.follows {
            self.text.push_str(",\n");
        }
        self.follows = true;
        Ok(())
    }

    fn row(&mut self, figures: &[u32]) -> fmt::Result {
        self.begin()?;
        for (at, figure) in figures.iter().enumerate() {
            if at > 0 {
                self.text.push(',');
            }
            push_number(*figure, &mut self.text);
        }
        Ok(())
    }

    /// Ends an array, and whatever comes before the next one.
    fn end(&mut self, text: &str) -> fmt::Result {
        self.out.write_str(&self.text)?;
        self.text.clear();
        self.follows = false;
        self.out.write_str(text)
    }
}

/// What `{}` writes, without going through `fmt`: millions of them are most of a file.
fn push_number(mut n: u32, out: &mut String) {
    let mut digits = [0; 10];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    // Digits are always text.
    out.push_str(core::str::from_utf8(&digits[first..]).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_as_fmt_writes_them() {
        for n in (0..=10).flat_map(|exponent| [10_u64.pow(exponent) - 1, 10_u64.pow(exponent)]).chain([4_294_967_295]) {
            let mut text = String::new();
            super::push_number(n as u32, &mut text);
            assert_eq!(text, (n as u32).to_string());
        }
    }
}
