// Where the live slices lie in a slab: one strip for each slab, or several lines where there is room.

const COLOURS = 8;
const OTHERS = `c${COLOURS}`;
const NOBODY = `c${COLOURS + 1}`;
// A slice is drawn this wide at least, in pixels, or a 20-byte slice of a 10 MiB slab would not be seen.
const LEAST = 2;

// Which colour the slices of which group have: the first groups of a table have one each.
class Colours {
  constructor(table) {
    const named = groups[table].rows.filter((group) => group.number > 0 || table === 'thread');
    this.table = table;
    this.named = named.slice(0, COLOURS);
    this.others = groups[table].all - this.named.length - (groups[table].rows.length - named.length);
    this.nobody = table === 'thread' ? undefined : groups[table].rows.find((group) => group.number === 0);
    this.classes = new Map(this.named.map((group, at) => [group.number, `c${at}`]));
  }

  of(slab, index) {
    const number = GROUP_OF[this.table](slab, index * SLICE_NUMBERS);
    return this.classes.get(number) ?? (number === 0 ? NOBODY : OTHERS);
  }

  legend() {
    const item = (colour, name) => el('li', {}, el('i', { class: colour }), el('span', {}, name));
    const items = this.named.map((group, at) => item(`c${at}`, group.name));
    if (this.others > 0) items.push(item(OTHERS, count(this.others, 'other')));
    if (this.nobody) items.push(item(NOBODY, this.nobody.name));
    return el('ul', { class: 'key legend' }, ...items);
  }
}

// The facts of a slice, as pairs.
function sliceFacts(slab, slice) {
  const facts = [
    ['tag', tagName(slice.tag)],
    ['scope', scopeName(slice.scope)],
    ['made at', siteName(slice.site)],
    ['offset', `${grouped(slice.offset)} of ${grouped(slab.size)}`],
    ['length', slice.len < 1024 ? bytes(slice.len) : `${bytes(slice.len)} (${exact(slice.len)})`],
    ['kind', slice.kind],
    ['thread', String(slice.thread)],
    ['age', age(slice.age)],
  ];
  const [first, last] = slice.hints;
  if (first) facts.push([first === last ? 'hint' : 'first hint', first]);
  if (last && last !== first) facts.push(['last hint', last]);
  if (slice.stack) facts.push(['stack', String(slice.stack)]);
  return facts;
}

function factList(facts) {
  const pairs = facts.map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value)));
  return el('dl', {}, ...pairs);
}

// The box beside the pointer.
const tip = el('div', { id: 'tip', role: 'tooltip', hidden: true });

function showTip(slab, slice, also, x, y) {
  const more = also > 0 ? [el('p', {}, `and ${count(also, 'slice')} more here`)] : [];
  tip.replaceChildren(factList(sliceFacts(slab, slice)), ...more);
  tip.hidden = false;
  const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
  const below = y + 18 + tip.offsetHeight < window.innerHeight;
  tip.style.left = `${Math.max(8, Math.min(x + 12, room))}px`;
  tip.style.top = `${below ? y + 18 : Math.max(8, y - tip.offsetHeight - 12)}px`;
}

const hideTip = () => {
  tip.hidden = true;
};

// A picture of one slab. Pointing at a slice shows its facts; arrow keys go from slice to slice.
class SlabMap {
  constructor(slab, colours, { width, lines = 1, height, gap = 0, choose }) {
    Object.assign(this, { slab, colours, width, lines, height, gap, choose });
    this.tall = lines * height + (lines - 1) * gap;
    this.perLine = slab.size / lines;
    // The slice that is marked, and the one that stays so when nobody points at another.
    this.at = -1;
    this.chosen = -1;
    this.marks = svg('g', { class: 'marks' });
    this.picture = svg(
      'svg',
      { viewBox: `0 0 ${width} ${this.tall}`, preserveAspectRatio: 'none', height: this.tall, 'aria-hidden': 'true' },
      ...this.ground(),
      ...this.slices(),
      this.marks,
    );
    this.said = el('span', { class: 'unseen', role: 'status' });
    const label = `${slabName(slab)}, ${count(slab.all, 'slice')}; arrow keys go from slice to slice`;
    this.element = el(
      'div',
      {
        class: 'slab-map',
        role: 'group',
        'aria-label': label,
        tabindex: slab.listed > 0 ? '0' : undefined,
        pointermove: (event) => this.point(event),
        pointerdown: (event) => this.point(event),
        pointerleave: () => this.leave(),
        click: (event) => this.click(event),
        keydown: (event) => this.key(event),
        blur: () => this.leave(),
      },
      this.picture,
      this.said,
    );
  }

  // The lines, and what the page does not know of them.
  ground() {
    const line = (at, from, to, name) =>
      svg('rect', { class: name, x: from, y: at * (this.height + this.gap), width: to - from, height: this.height });
    const rects = Array.from({ length: this.lines }, (_, at) => line(at, 0, this.width, 'ground'));
    if (this.slab.listed < this.slab.all || this.slab.all === 0) {
      const known = this.slab.listed > 0 ? sliceAt(this.slab, this.slab.listed - 1) : { offset: 0, len: 0 };
      for (const [at, from, to] of this.pieces(known.offset + known.len, this.slab.size)) {
        rects.push(line(at, from, to, 'unlisted'));
      }
    }
    return rects;
  }

  // A range of the slab as pieces of lines: [line, left, right].
  pieces(from, to) {
    const pieces = [];
    const first = Math.min(this.lines - 1, Math.floor(from / this.perLine));
    for (let at = first; at < this.lines && at * this.perLine < to; at++) {
      const begin = Math.max(0, (from / this.perLine - at) * this.width);
      const end = Math.min(this.width, (to / this.perLine - at) * this.width);
      pieces.push([at, begin, end]);
    }
    return pieces;
  }

  // One path for each colour, so that a slab with thousands of slices stays a handful of elements.
  slices() {
    const paths = new Map();
    for (let index = 0; index < this.slab.listed; index++) {
      const offset = this.slab.slices[index * SLICE_NUMBERS];
      const len = this.slab.slices[index * SLICE_NUMBERS + 1];
      const colour = this.colours.of(this.slab, index);
      if (!paths.has(colour)) paths.set(colour, { d: [], drawn: [] });
      const path = paths.get(colour);
      for (const [at, begin, end] of this.pieces(offset, offset + len)) {
        // A hair between neighbours, where they are wide enough for one.
        const wide = Math.max(LEAST, end - begin > 4 ? end - begin - 0.6 : end - begin);
        const left = Math.min(begin, this.width - wide);
        // What lies on what is already drawn adds nothing.
        const before = path.drawn[at] ?? -1;
        if (left + wide <= before + 0.01) continue;
        path.drawn[at] = left + wide;
        const y = at * (this.height + this.gap);
        path.d.push(`M${left.toFixed(2)} ${y}h${wide.toFixed(2)}v${this.height}h-${wide.toFixed(2)}z`);
      }
    }
    return [...paths].map(([colour, { d }]) => svg('path', { class: colour, d: d.join('') }));
  }

  // The slices under a pointer, or the nearest within two pixels.
  under(event) {
    const box = this.picture.getBoundingClientRect();
    const line = Math.floor((((event.clientY - box.top) / box.height) * this.tall) / (this.height + this.gap));
    const at = Math.max(0, Math.min(this.lines - 1, line));
    const perPixel = this.perLine / box.width;
    const offset = at * this.perLine + (event.clientX - box.left) * perPixel;
    const found = [];
    let nearest = 3 * perPixel;
    for (let index = 0; index < this.slab.listed; index++) {
      const from = this.slab.slices[index * SLICE_NUMBERS];
      const to = from + this.slab.slices[index * SLICE_NUMBERS + 1];
      const away = Math.max(from - offset, offset - to, 0);
      if (away < nearest) {
        nearest = away;
        found.length = 0;
      }
      if (away === nearest) found.push(index);
    }
    return found;
  }

  point(event) {
    const found = this.under(event);
    this.mark(found.length > 0 ? found[0] : -1);
    if (found.length === 0) hideTip();
    else showTip(this.slab, sliceAt(this.slab, found[0]), found.length - 1, event.clientX, event.clientY);
  }

  click(event) {
    const found = this.under(event);
    this.choose?.(found.length > 0 ? found[0] : undefined);
  }

  key(event) {
    const last = this.slab.listed - 1;
    const steps = { ArrowRight: this.at + 1, ArrowLeft: this.at < 0 ? last : this.at - 1, Home: 0, End: last };
    if (event.key === 'Escape') this.leave();
    else if (event.key === 'Enter') this.choose?.(this.at < 0 ? undefined : this.at);
    else if (event.key in steps) this.step(Math.max(0, Math.min(last, steps[event.key])));
    else return;
    event.preventDefault();
  }

  step(index) {
    this.mark(index);
    const slice = sliceAt(this.slab, index);
    const [mark] = this.marks.children;
    const box = mark.getBoundingClientRect();
    showTip(this.slab, slice, 0, box.left, box.bottom);
    const facts = sliceFacts(this.slab, slice).map(([name, value]) => `${name} ${value}`);
    this.said.textContent = `slice ${index + 1} of ${this.slab.listed}: ${facts.join(', ')}`;
  }

  leave() {
    this.mark(this.chosen);
    hideTip();
  }

  mark(index) {
    if (index === this.at) return;
    this.at = index;
    this.marks.replaceChildren();
    if (index < 0) return;
    const { offset, len } = sliceAt(this.slab, index);
    for (const [at, begin, end] of this.pieces(offset, offset + len)) {
      const wide = Math.max(LEAST, end - begin);
      const left = Math.min(begin, this.width - wide);
      const y = at * (this.height + this.gap);
      this.marks.append(svg('rect', { x: left - 1, y, width: wide + 2, height: this.height }));
    }
  }
}
