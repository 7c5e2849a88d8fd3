// The report, unpacked: what the rows mean is in src/report/html/data.rs.

const data = JSON.parse(document.getElementById('data').textContent);

const SLICE_NUMBERS = 12;
const KINDS = ['writable', 'shared', 'exported', 'parked'];

const nameOf = (names, number) => (number === 0 ? undefined : names[number - 1]);
const tagName = (number) => nameOf(data.tags, number) ?? '(untagged)';
const scopeName = (number) => nameOf(data.scopes, number)?.[0] ?? '(no scope)';
const kindOfScope = (number) => nameOf(data.scopes, number)?.[1] ?? 0;
const siteName = (number) => nameOf(data.sites, number) ?? '(no site)';

const stacks = new Map(
  data.traces.map(([id, frames]) => [id, frames.map((frame) => data.frames[frame - 1])]),
);

const slabs = data.slabs.map((row, rank) => {
  const [id, generation, size, live, state, level, handles, untracked, inMotion, min, max, all, allTags, tags, slices] =
    row;
  return {
    rank,
    id,
    generation,
    size,
    live,
    waste: size - live,
    attached: (state & 1) !== 0,
    suspect: (state & 2) !== 0,
    foreign: (state & 4) !== 0,
    level: nameOf(data.levels, level),
    handles,
    untracked,
    inMotion,
    age: [min, max],
    // Slices that the slab has, and those of them that the page lists.
    all,
    listed: slices.length / SLICE_NUMBERS,
    tags,
    allTags,
    slices,
  };
});

function sliceAt(slab, index) {
  const [offset, len, kind, tag, scope, site, thread, min, max, first, last, stack] = slab.slices.slice(
    index * SLICE_NUMBERS,
    (index + 1) * SLICE_NUMBERS,
  );
  return {
    index,
    offset,
    len,
    kind: KINDS[kind],
    tag,
    scope,
    site,
    thread,
    age: [min, max],
    hints: [first, last].map((hint) => nameOf(data.tags, hint)),
    stack,
  };
}

const slicesOf = (slab) => Array.from({ length: slab.listed }, (_, index) => sliceAt(slab, index));

const slabName = (slab) => `slab ${slab.id} gen ${slab.generation}`;

function pinnedBy(slab) {
  if (slab.all === 0) return 'unknown';
  const names = slab.tags.map(tagName).join(', ');
  return slab.allTags > slab.tags.length ? `${names} and ${slab.allTags - slab.tags.length} more` : names;
}

function remarks(slab) {
  const words = [];
  if (slab.attached) words.push('attached');
  if (slab.foreign) words.push('foreign');
  if (slab.suspect) words.push('suspect');
  if (slab.untracked > 0) words.push(`${slab.untracked} untracked`);
  if (slab.inMotion > 0) words.push(`${slab.inMotion} in motion`);
  return words.join(', ');
}

const groups = Object.fromEntries(
  Object.entries(data.blame).map(([table, { groups: all, rows }]) => [
    table,
    {
      all,
      rows: rows.map(([name, number, slices, live, slabs, alone, shared, amortised]) => ({
        table,
        name,
        number,
        slices,
        live,
        slabs,
        alone,
        shared,
        amortised,
      })),
    },
  ]),
);

// The number of a slice's group in each table.
const GROUP_OF = {
  tag: (slab, at) => slab.slices[at + 3],
  scope: (slab, at) => slab.slices[at + 4],
  kind: (slab, at) => kindOfScope(slab.slices[at + 4]),
  site: (slab, at) => slab.slices[at + 5],
  thread: (slab, at) => slab.slices[at + 6],
};

// Whether a slab has slices of a group.
function hasGroup(slab, group) {
  if (group.number < 0) return slab.untracked + slab.inMotion > 0;
  if (group.table === 'tag' && slab.tags.includes(group.number)) return true;
  const groupOf = GROUP_OF[group.table];
  for (let at = 0; at < slab.slices.length; at += SLICE_NUMBERS) {
    if (groupOf(slab, at) === group.number) return true;
  }
  return false;
}

// Whether a slab, or a name that it or one of its slices has, contains a text.
function textFilter(text) {
  const wanted = text.trim().toLowerCase();
  if (wanted === '') return () => true;
  const having = (names, name) => {
    const numbers = new Set();
    names.forEach((each, index) => {
      if (name(each).toLowerCase().includes(wanted)) numbers.add(index + 1);
    });
    return numbers;
  };
  const tags = having(data.tags, (name) => name);
  if ('(untagged)'.includes(wanted)) tags.add(0);
  const sites = having(data.sites, (name) => name);
  const scopes = having(data.scopes, ([name]) => name);
  return (slab) => {
    if (slabName(slab).includes(wanted) || remarks(slab).includes(wanted)) return true;
    if (slab.tags.some((tag) => tags.has(tag))) return true;
    const { slices } = slab;
    for (let at = 0; at < slices.length; at += SLICE_NUMBERS) {
      if (tags.has(slices[at + 3]) || scopes.has(slices[at + 4]) || sites.has(slices[at + 5])) return true;
      // A hint is not there if its number is 0.
      if ((slices[at + 9] && tags.has(slices[at + 9])) || (slices[at + 10] && tags.has(slices[at + 10]))) return true;
    }
    return false;
  };
}
