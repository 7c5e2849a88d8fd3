// What the viewers have to show, computed from the reports as JSON: another form of output, which does not know of nodes.
import fs from 'node:fs';
import path from 'node:path';

/** The leak that `tests/viewers_data.rs` plants. */
export const TAG = 'req.head';
export const KIND = 'ws_session';
/** What its memory is called. */
export const CLASS = `pinned by ${TAG} in ${KIND}`;

export function report(folder, name) {
  return JSON.parse(fs.readFileSync(path.join(folder, `${name}.json`), 'utf8'));
}

const bytes = slabs => slabs.reduce((sum, slab) => sum + slab.size, 0);

/** The slabs that slices like these pin, and nothing else does. */
export function alone(report, isLikeThese) {
  return report.slabs.filter(
    slab => slab.slices.length > 0 && slab.handles === slab.slices.length && slab.slices.every(isLikeThese));
}

export const isLeaked = slice => slice.tag === TAG && slice.scope?.kind === KIND;

/** Figures of the planted leak in one report. */
export function leak(report) {
  const slabs = alone(report, isLeaked);
  return { count: slabs.length, bytes: bytes(slabs) };
}

/** What of it came and went from one report to the other. A slab's life has a number and a generation. */
export function growth(base, target) {
  const life = slab => `${slab.id} gen ${slab.generation}`;
  const [before, after] = [base, target].map(report => new Map(alone(report, isLeaked).map(slab => [life(slab), slab])));
  const fresh = [...after].filter(([key]) => !before.has(key)).map(([, slab]) => slab);
  const gone = [...before].filter(([key]) => !after.has(key)).map(([, slab]) => slab);
  return { fresh: fresh.length, gone: gone.length, freshBytes: bytes(fresh), goneBytes: bytes(gone) };
}

/** What every scope, and every tag in its scope, retains: name of the node (a tag's after its scope's) and bytes. */
export function retained(report) {
  const all = new Map();
  const add = (key, isLikeThese) => all.has(key) || all.set(key, bytes(alone(report, isLikeThese)));
  const same = (a, b) => a?.kind === b?.kind && a?.id === b?.id;
  for (const { scope, tag } of report.slabs.flatMap(slab => slab.slices)) {
    // Names that are shown as they are; the others are quoted, and looked at elsewhere.
    const isPlain = name => /^[\w.]+$/.test(name);
    if (!scope || !isPlain(scope.kind)) continue;
    const owner = `scope ${scope.kind} ${scope.id}`;
    add(owner, slice => same(slice.scope, scope));
    if (tag && isPlain(tag)) add(`${owner} / tag ${tag}`, slice => same(slice.scope, scope) && slice.tag === tag);
  }
  return all;
}

/** Checks retainers as a viewer shows them, from a leaked slab's memory up: they are of one slab and slice of the report. */
export function isSentence(words, report) {
  const forms = [
    /^memory in slab (\d+) gen (\d+) \(.+ used, .+ old(, attached)?\)$/,
    /^pin in slice (\d+) B at (\d+)$/,
    new RegExp(`^made at (\\S+), touched at upgraded in tag ${TAG}$`),
    new RegExp(`^tag in scope ${KIND} (\\d+)$`),
    new RegExp(`^scope in pool ${report.pool.name}$`),
  ];
  const parts = forms.map((form, at) => form.exec(words[at] ?? ''));
  if (words.length !== forms.length || parts.includes(null)) throw new Error(`retainers are ${JSON.stringify(words, null, 1)}`);
  const [[, id, generation], [, len, offset], [, site], [, session]] = parts;
  const slab = report.slabs.find(slab => slab.id === Number(id) && slab.generation === Number(generation));
  const slice = slab?.slices.find(slice => slice.offset === Number(offset) && slice.len === Number(len));
  const wanted = slice && `${slice.site.file}:${slice.site.line}:${slice.site.column}`;
  if (site !== wanted || slice.scope.id !== Number(session) || !isLeaked(slice)) {
    throw new Error(`no slice of the report is ${words.join(' ← ')}`);
  }
}
