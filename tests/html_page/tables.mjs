// Sorting, filtering and tabs, each held against the report's JSON, which another part of the crate writes.

import assert from 'node:assert/strict';

const collator = new Intl.Collator('en', { numeric: true });

export const slabName = (slab) => `slab ${slab.id} gen ${slab.generation}`;

const firstCells = (page, table) =>
  page.$$eval(`[data-table=${table}] tbody tr:not(.detail)`, (rows) => rows.map((row) => row.cells[0].textContent));

const sortedBy = (page, table, title) =>
  page.$$eval(
    `[data-table=${table}] thead th`,
    (heads, title) => {
      const sorted = heads.filter((head) => head.hasAttribute('aria-sort'));
      return sorted.length === 1 && sorted[0].textContent === title ? sorted[0].getAttribute('aria-sort') : 'another';
    },
    title,
  );

// Clicks on the header `title` twice, and returns the names in the first column after each: downwards, upwards.
async function bothWays(page, table, title) {
  const head = page.locator(`[data-table=${table}] thead button`, { hasText: new RegExp(`^${title}$`) });
  const found = {};
  for (let clicks = 0; clicks < 2; clicks++) {
    await head.click();
    found[await sortedBy(page, table, title)] = await firstCells(page, table);
  }
  assert.deepEqual(Object.keys(found).sort(), ['ascending', 'descending'], `aria-sort after two clicks on ${title}`);
  return found;
}

// The names of `rows` in the order of `key`; equal ones stay as they are.
function expected(rows, name, key, sign) {
  const compare = (a, b) => (typeof key(a) === 'string' ? collator.compare(key(a), key(b)) : key(a) - key(b));
  return [...rows].sort((a, b) => sign * compare(a, b)).map(name);
}

async function sorts(page, table, rows, name, keys) {
  let moved = 0;
  for (const [title, key] of Object.entries(keys)) {
    const { ascending, descending } = await bothWays(page, table, title);
    const shown = ascending.length;
    assert(shown > 0 && shown === Math.min(rows.length, table === 'slabs' ? 25 : 15));
    assert.deepEqual(ascending, expected(rows, name, key, 1).slice(0, shown), `${title}, upwards`);
    assert.deepEqual(descending, expected(rows, name, key, -1).slice(0, shown), `${title}, downwards`);
    moved += ascending.join() !== descending.join();
  }
  assert(moved > 2, 'rows change places');
}

export function slabSorts(page, report) {
  return sorts(page, 'slabs', report.slabs, slabName, {
    slab: (slab) => slab.id,
    size: (slab) => slab.size,
    used: (slab) => slab.live_bytes,
    waste: (slab) => slab.waste_bytes,
    wasted: (slab) => slab.waste_bytes / slab.size,
    slices: (slab) => slab.slices.length,
    age: (slab) => slab.age_ms.max,
  });
}

const NAMELESS = { untagged: '(untagged)', untracked: '(untracked)', in_motion: '(in motion)' };
const tagOf = ({ holder }) => NAMELESS[holder.kind] ?? holder.tag;

export function blameSorts(page, report) {
  return sorts(page, 'tag', report.by_tag, tagOf, {
    tag: tagOf,
    slices: (blame) => blame.slices,
    used: (blame) => blame.live_bytes,
    slabs: (blame) => blame.slabs,
    alone: (blame) => blame.exclusive_bytes,
    shared: (blame) => blame.shared_bytes,
    amortised: (blame) => blame.amortised_bytes,
  });
}

const status = (page, place) => page.locator(`${place} .pager [role=status]`).first();

export async function filters(page, report) {
  const slabsOf = (tag) => report.slabs.filter((slab) => slab.slices.some((slice) => slice.tag?.includes(tag)));
  const named = report.by_tag.filter((blame) => blame.holder.kind === 'tag');
  const [first, second] = named.map(tagOf).filter((tag) => slabsOf(tag).length < report.slabs.length);

  // By text: in both boxes, for the map and the table.
  const boxes = page.locator('#map input, #slabs input');
  assert.equal(await boxes.count(), 2);
  await boxes.nth(1).fill(first.toUpperCase());
  const wanted = slabsOf(first);
  const says = (n) => new RegExp(`of ${n} slabs?, out of ${report.slabs.length}`);
  await page.waitForFunction(() => document.querySelector('#slabs [role=status]').textContent.includes('out of'));
  assert.match(await status(page, '#slabs').textContent(), says(wanted.length));
  assert.equal(await boxes.nth(0).inputValue(), first.toUpperCase(), 'the other box follows');
  const shown = await firstCells(page, 'slabs');
  const names = new Set(wanted.map(slabName));
  assert(shown.length > 0 && shown.every((name) => names.has(name)));
  const strips = await page.$$eval('.strip .unfold', (all) => all.map((each) => each.textContent));
  assert(strips.length > 0 && strips.every((name) => names.has(name)), 'the map is filtered too');
  await boxes.nth(1).fill('no such name');
  await page.waitForSelector('#slabs td.none');
  await boxes.nth(1).fill('');
  await page.waitForSelector('#slabs td.none', { state: 'detached' });

  // By a group: a click on its name in the table of blame.
  await page.fill('[data-table=tag] input', second);
  await page.waitForFunction(() => document.querySelector('[data-table=tag] [role=status]').textContent.includes('out of'));
  assert.deepEqual(await firstCells(page, 'tag'), named.map(tagOf).filter((tag) => tag.includes(second)).slice(0, 15));
  await page.locator('[data-table=tag]').getByRole('button', { name: second, exact: true }).click();
  const { slabs } = named.find((blame) => tagOf(blame) === second);
  assert.match(await status(page, '#slabs').textContent(), says(slabs));
  const chip = page.locator('#slabs .chip');
  assert.equal(await chip.textContent(), `only ${second} ×`);
  await chip.click();
  assert.match(await status(page, '#slabs').textContent(), new RegExp(`of ${report.slabs.length} slabs`));
  assert(await chip.isHidden());
}

export async function tabs(page) {
  const tab = page.getByRole('tab');
  assert.equal(await tab.count(), 5);
  const state = async () => {
    const all = await tab.evaluateAll((tabs) =>
      tabs.map((tab) => {
        const panel = document.getElementById(tab.getAttribute('aria-controls'));
        return [tab.getAttribute('aria-selected') === 'true', tab.tabIndex === 0, panel.checkVisibility()];
      }),
    );
    const chosen = all.map(([selected]) => selected);
    assert.deepEqual(all, chosen.map((is) => [is, is, is]), 'what is chosen is what is shown');
    return chosen.indexOf(true);
  };
  assert.equal(await state(), 0, 'tags first, where there are any');
  await tab.nth(3).click();
  assert.equal(await state(), 3);
  for (const [key, at] of [['ArrowRight', 4], ['ArrowRight', 0], ['ArrowLeft', 4], ['Home', 0], ['End', 4]]) {
    await page.keyboard.press(key);
    assert.equal(await state(), at, key);
    assert(await tab.nth(at).evaluate((element) => element === document.activeElement));
  }
}
