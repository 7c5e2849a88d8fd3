//! Charts made of characters.

use bufslab::report::{Holder, PinnedSlab};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::state::holds;
use super::theme::Theme;

/// From nothing to a full cell.
const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Draws `values` as columns that end at the right edge; the largest fills the height. What is not 0 can be seen.
pub fn columns(values: &[usize], area: Rect, style: Style, buffer: &mut Buffer) {
    let shown = &values[values.len().saturating_sub(usize::from(area.width))..];
    let most = shown.iter().copied().max().unwrap_or(0);
    let left = area.right() - shown.len() as u16;
    for (x, &value) in (left..).zip(shown) {
        let all = usize::from(area.height) * 8;
        let mut eighths = scaled(value, most, all).max(usize::from(value > 0));
        for y in (area.top()..area.bottom()).rev() {
            let here = eighths.min(8);
            eighths -= here;
            if here > 0 {
                buffer[(x, y)].set_char(EIGHTHS[here]).set_style(style);
            }
        }
    }
}

fn scaled(value: usize, most: usize, all: usize) -> usize {
    if most == 0 { 0 } else { (value as u128 * all as u128).div_ceil(most as u128) as usize }
}

/// The shape of `values` on one line, `width` characters wide. A change of less than a hundredth is none.
pub fn trend(values: &[usize], width: usize) -> String {
    let (least, most) = (values.iter().copied().min().unwrap_or(0), values.iter().copied().max().unwrap_or(0));
    let is_flat = most - least <= most / 100;
    let level = |value: usize| match (most, is_flat) {
        (0, _) => 0,
        (_, true) => 1,
        _ => 1 + scaled(value - least, most - least, 7),
    };
    let line: String = values.iter().map(|&value| EIGHTHS[level(value)]).collect();
    format!("{line:>width$}")
}

/// A bar of `width` cells, split in proportion to `parts`; a part that is not nothing gets a cell if there are enough.
pub fn bar(parts: &[(usize, char, Style)], width: usize) -> Vec<Span<'static>> {
    let all: u128 = parts.iter().map(|part| part.0 as u128).sum();
    let cells = |bytes: usize| (bytes as u128 * width as u128).checked_div(all).unwrap_or(0) as usize;
    let mut sizes: Vec<usize> = parts.iter().map(|part| cells(part.0).max(usize::from(part.0 > 0))).collect();
    // What was rounded, the largest part gives or takes.
    if let Some(largest) = (0..sizes.len()).max_by_key(|&at| parts[at].0) {
        let others: usize = sizes.iter().sum::<usize>() - sizes[largest];
        sizes[largest] = width.saturating_sub(others);
    }
    let spans = parts.iter().zip(sizes);
    spans.map(|(&(_, mark, style), size)| Span::styled(mark.to_string().repeat(size.min(width)), style)).collect()
}

/// Where in a slab live slices lie, in `width` cells: the higher, the more of a cell's bytes are covered; what the
/// selected group covers is marked.
pub fn map(slab: &PinnedSlab, selected: Option<&Holder>, width: usize, theme: Theme) -> Vec<Span<'static>> {
    if width == 0 || slab.size == 0 {
        return Vec::new();
    }
    let mut covered = vec![0_usize; width];
    let mut ours = vec![false; width];
    let start = |cell: usize| (slab.size as u128 * cell as u128 / width as u128) as usize;
    let cell_of = |byte: usize| ((byte as u128 * width as u128 / slab.size as u128) as usize).min(width - 1);
    let mut end = 0;
    for slice in slab.slices.iter().filter(|slice| slice.len > 0) {
        let is_ours = selected.is_some_and(|holder| holds(holder, slice));
        let (from, to) = (slice.offset, slice.offset + slice.len);
        for cell in cell_of(from)..=cell_of(to - 1) {
            ours[cell] |= is_ours;
            // Overlaps once: slices come by offset.
            let (first, last) = (start(cell).max(from).max(end), start(cell + 1).min(to));
            covered[cell] += last.saturating_sub(first);
        }
        end = end.max(to);
    }
    let cells = (0..width).map(|cell| {
        let size = start(cell + 1) - start(cell);
        // A slab may have fewer bytes than the map has cells, and a slice may begin behind a cell's rounded start.
        let level = scaled(covered[cell].min(size), size, 8);
        let style = if ours[cell] { theme.accent() } else { theme.good() };
        match level {
            0 if ours[cell] => Span::styled("▁", style),
            0 => Span::styled("·", theme.faint()),
            level => Span::styled(EIGHTHS[level].to_string(), style),
        }
    });
    cells.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bufslab::SlabPool;

    fn text(spans: &[Span<'_>]) -> String {
        spans.iter().map(|span| span.content.as_ref()).collect()
    }

    #[test]
    fn columns_end_at_the_right_and_fill_the_height() {
        let area = Rect::new(0, 0, 4, 2);
        let mut buffer = Buffer::empty(area);
        columns(&[9, 9, 0, 8, 16, 1], area, Style::new(), &mut buffer);
        let rows: Vec<String> = (0..2).map(|y| (0..4).map(|x| buffer[(x, y)].symbol().to_owned()).collect()).collect();
        assert_eq!(rows, ["  █ ", " ██▁"]);
        columns(&[0, 0], area, Style::new(), &mut buffer);
        columns(&[], Rect::new(0, 0, 0, 0), Style::new(), &mut buffer);
    }

    #[test]
    fn trends_show_change_and_not_noise() {
        assert_eq!(trend(&[0, 50, 100], 5), "  ▁▅█");
        assert_eq!(trend(&[1000, 1001, 1000], 3), "▁▁▁");
        assert_eq!(trend(&[0, 0], 3), "   ");
        assert_eq!(trend(&[], 2), "  ");
    }

    #[test]
    fn bars_are_as_long_as_they_should_be() {
        let styled = |parts: [usize; 3]| {
            let parts: Vec<_> = parts.into_iter().zip("uwi".chars()).map(|(n, c)| (n, c, Style::new())).collect();
            text(&bar(&parts, 10))
        };
        assert_eq!(styled([1, 100_000, 0]), "uwwwwwwwww");
        assert_eq!(styled([50, 25, 25]), "uuuuuuwwii");
        assert_eq!(styled([0, 0, 7]), "iiiiiiiiii");
    }

    #[test]
    fn maps_show_where_slices_lie() {
        let pool = SlabPool::builder().slab_size(1000).build().unwrap();
        let mut read = pool.alloc(1000);
        read.resize(1000, 0);
        let read = read.freeze();
        let kept = (read.slice(..20), read.slice(300..500), read.slice(999..));
        drop(read);
        let report = pool.report();
        let theme = Theme { colours: false };
        assert_eq!(text(&map(&report.slabs[0], None, 10, theme)), "▂··██····▁");
        assert_eq!(text(&map(&report.slabs[0], None, 1, theme)), "▂");
        assert_eq!(map(&report.slabs[0], None, 5_000, theme).len(), 5_000, "more cells than bytes");
        drop(kept);
    }
}
