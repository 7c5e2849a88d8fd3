// The slab map and what unfolds from it, held against the report's JSON.

import assert from 'node:assert/strict';
import { pixels } from './browser.mjs';
import { slabName } from './tables.mjs';

const rgb = (css) => css.match(/\d+/g).map(Number);
const same = (a, b) => a.every((value, at) => Math.abs(value - b[at]) <= 3);

// The colours that the legend promises.
async function legend(page) {
  const entries = await page.$$eval('.legend li', (items) =>
    items.map((item) => [item.textContent, getComputedStyle(item.querySelector('i')).backgroundColor]),
  );
  const colours = new Map(entries.map(([name, colour]) => [name, rgb(colour)]));
  const others = entries.find(([name]) => /^\d+ others?$/.test(name));
  return (tag) => colours.get(tag ?? '(untagged)') ?? rgb(others[1]);
}

// Every column of pixels of every strip on the first page.
export async function mapPixels(context, page, report) {
  const colourOf = await legend(page);
  const strips = await page.locator('.strip').all();
  assert(strips.length > 0);
  let coloured = 0;
  let bare = 0;
  for (const strip of strips) {
    const name = await strip.locator('.unfold').textContent();
    const slab = report.slabs.find((slab) => slabName(slab) === name);
    const drawing = strip.locator('.slab-map svg');
    const ground = rgb(await drawing.locator('.ground').evaluate((rect) => getComputedStyle(rect).fill));
    const image = await pixels(context, await drawing.screenshot());
    const middle = Math.floor(image.height / 2);
    const scale = image.width / slab.size;
    const spans = slab.slices.map((slice) => {
      const left = slice.offset * scale;
      const right = Math.max(left + 2, (slice.offset + slice.len) * scale);
      const back = Math.max(0, right - image.width);
      return { left: left - back, right: right - back, colour: colourOf(slice.tag) };
    });
    for (const { left, right } of spans) {
      const x = Math.min(image.width - 1, Math.floor((left + right) / 2));
      const pixel = image.at(x, middle);
      const here = spans.filter((span) => span.left < x + 1 && span.right > x);
      assert(!same(pixel, ground), `${name}: a slice lies at pixel ${x} of ${image.width} and nothing is drawn`);
      // Between slices of two colours a pixel may be a mixture.
      const clear = here.some((span) => span.left <= x - 1 && span.right >= x + 2) || right - left > 4;
      if (clear) assert(here.some((span) => same(pixel, span.colour)), `${name}: pixel ${x} is ${pixel}`);
      coloured++;
    }
    // The strip may begin at a fraction of a pixel.
    for (let x = 2; x < image.width - 2; x++) {
      if (spans.some((span) => span.left < x + 2 && span.right > x - 1)) continue;
      assert(same(image.at(x, middle), ground), `${name}: nothing lies at pixel ${x}, which is ${image.at(x, middle)}`);
      bare++;
    }
  }
  assert(coloured >= strips.length && bare > 1000, `${coloured} slices and ${bare} bare columns were looked at`);
}

const factsIn = (page, place) =>
  page.$$eval(`${place} dl > div`, (pairs) => Object.fromEntries(pairs.map((pair) => [...pair.children].map((each) => each.textContent))));

function assertFacts(facts, slice, slab) {
  const grouped = (n) => n.toLocaleString('en-US');
  const { file, line, column } = slice.site;
  assert.equal(facts.tag, slice.tag ?? '(untagged)');
  assert.equal(facts.scope, slice.scope ? `${slice.scope.kind} ${slice.scope.id}` : '(no scope)');
  assert.equal(facts['made at'], `${file}:${line}:${column}`);
  assert.equal(facts.offset, `${grouped(slice.offset)} of ${grouped(slab.size)}`);
  assert(facts.length.startsWith(`${slice.len} B`) || facts.length.includes(`(${grouped(slice.len)} bytes)`), facts.length);
  assert.equal(facts.thread, String(slice.thread));
  assert.equal(facts.kind, slice.kind === 'mut' ? 'writable' : slice.kind);
  assert(facts.age.length > 0);
  if (slice.first_hint && slice.first_hint !== slice.last_hint) {
    assert.deepEqual([facts['first hint'], facts['last hint']].map((hint) => hint.replaceAll('"', '')), [slice.first_hint, slice.last_hint]);
  }
}

const slabAt = async (page, report, at) => {
  const name = await page.locator('.strip > .unfold').nth(at).textContent();
  return report.slabs.find((slab) => slabName(slab) === name);
};

export async function pointing(page, report) {
  let hinted = 0;
  for (const at of [0, 1, 5, 8]) {
    const slab = await slabAt(page, report, at);
    const [slice] = slab.slices;
    const map = page.locator('.strip > .slab-map').nth(at);
    await map.scrollIntoViewIfNeeded();
    const box = await map.boundingBox();
    const x = box.x + ((slice.offset + slice.len / 2) / slab.size) * box.width;
    await page.mouse.move(x + 0.5, box.y + box.height / 2);
    assertFacts(await factsIn(page, '#tip'), slice, slab);
    hinted += slice.first_hint !== null;
    // Beside it there is nothing to tell.
    await page.mouse.move(box.x + ((slice.offset / slab.size) * box.width + box.width / 2) % box.width, box.y + box.height / 2);
    assert(await page.locator('#tip').isHidden());
    await page.mouse.click(x + 0.5, box.y + box.height / 2);
    assertFacts(await factsIn(page, `.strip:nth-child(${at + 1}) .card`), slice, slab);
  }
  assert(hinted > 0, 'hints were among them');
}

export async function unfolding(page, report) {
  const row = page.locator('#slabs tbody tr').first();
  const [slab] = report.slabs;
  const unfold = row.locator('.unfold');
  assert.equal(await unfold.textContent(), slabName(slab), 'the most waste first');
  assert.equal(await unfold.getAttribute('aria-expanded'), 'false');
  await unfold.click();
  assert.equal(await unfold.getAttribute('aria-expanded'), 'true');
  const detail = page.locator('#slabs tr.detail');
  const offsets = await detail.locator('tbody tr th').allTextContents();
  assert.deepEqual(
    offsets.map((text) => Number(text.replaceAll(',', ''))),
    slab.slices.slice(0, 25).map((slice) => slice.offset),
  );
  const last = Math.min(slab.slices.length, 25) - 1;
  await detail.locator('tbody tr th button').nth(last).click();
  assertFacts(await factsIn(page, '#slabs .card'), slab.slices[last], slab);
  const trace = report.traces.find((trace) => trace.id === slab.slices[last].trace);
  assert.equal(await detail.locator('.calls li').count(), Math.min(64, trace?.frames.length ?? 0));
  if (trace) {
    const own = trace.frames.find((frame) => frame.function?.includes('html_page_data'));
    const calls = await detail.locator('.calls').textContent();
    assert(calls.includes('html_page_data') && calls.includes(`:${own.line}`), 'the stack leads to the test that made it');
    assert((await page.textContent('#stacks')).includes('html_page_data'));
  }
  await unfold.click();
  assert.equal(await detail.count(), 0);
}

export async function keyboard(page, report) {
  const reached = new Set();
  for (let presses = 0; presses < 400; presses++) {
    await page.keyboard.press('Tab');
    const at = await page.evaluate(() => {
      const element = document.activeElement;
      if (element === document.body) return null;
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      const place = element.closest('section, header')?.id ?? '';
      const what = element.getAttribute('role') ?? element.tagName.toLowerCase();
      const kind = element.closest('thead') ? 'header' : element.className.split(' ')[0] || what;
      return { name: `${place} ${kind}`.trim(), outlined: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1 };
    });
    if (at === null) break;
    assert(at.outlined, `${at.name} shows no focus`);
    reached.add(at.name);
  }
  const wanted = ['button', 'a', 'blame tab', 'blame input', 'blame header', 'blame link', 'map input', 'map select'];
  for (const name of [...wanted, 'map unfold', 'map slab-map', 'slabs input', 'slabs header', 'slabs unfold']) {
    assert(reached.has(name), `${name} cannot be reached: ${[...reached].join(', ')}`);
  }

  // A header is a button: the space bar sorts.
  await page.locator('#slabs thead button').first().focus();
  await page.keyboard.press('Space');
  assert.equal(await page.locator('#slabs thead th').first().getAttribute('aria-sort'), 'descending');

  const last = report.slabs.reduce((a, b) => (b.slices.length > a.slices.length ? b : a));
  const names = await page.locator('.strip > .unfold').allTextContents();
  const strip = page.locator('.strip').nth(names.indexOf(slabName(last)));
  const map = strip.locator('.slab-map').first();
  await map.focus();
  for (const [key, at] of [['ArrowRight', 0], ['ArrowRight', 1], ['ArrowLeft', 0], ['End', last.slices.length - 1]]) {
    await page.keyboard.press(key);
    assertFacts(await factsIn(page, '#tip'), last.slices[at], last);
    const said = await map.locator('[role=status]').textContent();
    assert(said.startsWith(`slice ${at + 1} of ${last.slices.length}: tag ${last.slices[at].tag}`), said);
  }
  await page.keyboard.press('Enter');
  assert.equal(await strip.locator('.unfold').first().getAttribute('aria-expanded'), 'true');
  assert.match(await strip.locator('h4').textContent(), new RegExp(`^Slice ${last.slices.length} of`));
  await page.keyboard.press('Escape');
  assert(await page.locator('#tip').isHidden());
}
