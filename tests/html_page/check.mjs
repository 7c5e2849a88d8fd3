// Looks at the pages of tests/html_page_data.rs in Chromium: node check.mjs FOLDER, where the pages are and to where the
// screenshots go.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { DESKTOP, PHONE, browser, newPage } from './browser.mjs';
import { audit } from './audit.mjs';
import { blameSorts, filters, slabSorts, tabs } from './tables.mjs';
import { keyboard, mapPixels, pointing, unfolding } from './slabs.mjs';
import { policy, servedOverHttp } from './isolation.mjs';

const folder = resolve(process.argv[2] ?? 'target/html');
const NAMES = ['empty', 'leak', 'many', 'hostile', 'stacks', 'aged', 'big'];
const html = (name) => readFileSync(join(folder, `${name}.html`), 'utf8');
const url = (name) => pathToFileURL(join(folder, `${name}.html`)).href;
const report = (name) => JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8'));

let failures = 0;

async function check(what, run) {
  const started = performance.now();
  try {
    await run();
    console.log(`ok    ${what} (${Math.round(performance.now() - started)} ms)`);
  } catch (error) {
    failures++;
    console.log(`FAIL  ${what}\n${error.stack}`);
  }
}

// Opens a page from its file and gives it to `use`. Nothing but the file may be asked for, and nobody may complain.
async function open(context, name, use) {
  const { page, requests, complaints } = await newPage(context);
  try {
    await page.goto(url(name));
    await use(page);
    assert.deepEqual(requests, [url(name)], 'requests');
    assert.deepEqual(complaints, [], 'complaints');
  } finally {
    await page.close();
  }
}

const rowsOf = (page, table, rows) =>
  page.$$eval(
    `[data-table=${table}] tbody tr:not(.detail)`,
    (lines, rows) => lines.slice(0, rows).map((line) => [...line.cells].map((cell) => cell.textContent.trim())),
    rows,
  );

const TABLES = ['tag', 'site', 'kind', 'scope', 'thread', 'slabs'];

// What the page says without a script, to be compared with what the script makes of it.
async function withoutScript(context, name) {
  const { page, requests } = await newPage(context);
  await page.goto(url(name));
  const said = { requests, heading: await page.textContent('h1'), tables: {}, visible: {} };
  for (const table of TABLES) {
    said.tables[table] = await rowsOf(page, table, 15);
    said.visible[table] = await page.isVisible(`[data-table=${table}]`);
  }
  said.advice = await page.$$eval('.advice li', (items) => items.map((item) => item.textContent));
  said.controls = await page.$$eval('button, input, select', (all) => all.filter((each) => each.checkVisibility()).length);
  await page.close();
  return said;
}

async function screenshots(context, name) {
  await open(context, name, async (page) => {
    const unfold = page.locator('.strip .unfold');
    if ((await unfold.count()) > 0) await unfold.last().click();
    for (const scheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme: scheme });
      for (const [device, size] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
        await page.setViewportSize(size);
        await page.screenshot({ path: join(folder, `${name}-${device}-${scheme}.png`), fullPage: true });
        const found = await page.evaluate(audit);
        assert.deepEqual(found.faint, [], `contrast, ${scheme}`);
        assert.deepEqual(found.nameless, [], 'controls without a name');
        assert.equal(found.tooWide, 0, `wider than a ${device}`);
        assert(found.texts > 10, `${found.texts} texts were looked at`);
        assert(found.elements < 12_000, `${found.elements} elements`);
      }
    }
  });
}

// The theme follows the system until the reader chooses.
async function themes(page) {
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.emulateMedia({ colorScheme: 'light' });
  const light = await ground();
  await page.emulateMedia({ colorScheme: 'dark' });
  const dark = await ground();
  assert.notEqual(light, dark);
  const toggle = page.locator('#theme');
  await page.emulateMedia({ colorScheme: 'light' });
  for (const [label, colour] of [['Theme: dark', dark], ['Theme: light', light], ['Theme: auto', light]]) {
    await toggle.click();
    assert.equal(await toggle.textContent(), label);
    assert.equal(await ground(), colour, label);
  }
}

async function paper(page) {
  await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
  const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  assert.equal(ground, 'rgb(255, 255, 255)', 'paper is white');
  assert.equal(await page.locator('input:visible').count(), 0, 'no controls on paper');
  assert(await page.locator('.slab-map:visible').count() > 0);
  const pdf = await page.pdf({ format: 'A4', printBackground: true });
  assert(pdf.subarray(0, 5).toString() === '%PDF-' && pdf.length > 10_000);
  writeFileSync(join(folder, 'leak.pdf'), pdf);
}

async function hostile(page) {
  // Fold out everything there is, so that every name has been put somewhere.
  for (const select of ['tag', 'scope', 'site']) await page.selectOption('select', select);
  for (const button of await page.locator('.unfold').all()) await button.click();
  const found = await page.evaluate(() => ({
    title: document.title,
    scripts: document.scripts.length,
    strangers: document.querySelectorAll('img, b b, iframe, object, form, style ~ style, base, template').length,
    handlers: [...document.querySelectorAll('*')].filter((element) =>
      [...element.attributes].some((attribute) => attribute.name.startsWith('on') || attribute.name === 'autofocus'),
    ).length,
    bold: [...document.querySelectorAll('b')].some((element) => element.textContent === 'bold'),
    text: document.body.innerText,
  }));
  assert(found.title.includes("<script>document.title='p…"), `the title is ${found.title}`);
  assert.equal(found.scripts, 2);
  assert.equal(found.strangers, 0);
  assert.equal(found.handlers, 0);
  assert.equal(found.bold, false);
  for (const name of ["<script>document.title='pwned'</script>", '<img src=x', '</style><b>bold</b>', '&lt;b&gt;&#60;']) {
    assert(found.text.includes(name), `${name} is shown as it is`);
  }
  assert(!/[\u202e\u2028\u2029\u200b\0]/.test(found.text), 'what reorders or breaks a line is spelt out');
}

// The page after everything has been unfolded holds no payload either.
async function payload(page, name) {
  for (const button of await page.locator('.unfold').all()) await button.click();
  const canary = Buffer.from('canary-7f3a9c-secret-payload');
  const bodies = [html(name), await page.evaluate(() => document.documentElement.outerHTML)];
  const needles = [canary.toString(), canary.toString('hex'), canary.subarray(7, 20).toString()];
  for (const skip of [0, 1, 2]) {
    const rest = canary.subarray(skip);
    needles.push(rest.subarray(0, Math.floor(rest.length / 3) * 3).toString('base64'));
  }
  for (const body of bodies) {
    const lower = body.toLowerCase();
    for (const needle of needles) assert(!body.includes(needle) && !lower.includes(needle.toLowerCase()), needle);
  }
}

async function big(page) {
  const loaded = await page.evaluate(() => performance.getEntriesByType('navigation')[0].loadEventEnd);
  assert(loaded < 20_000, `it took ${loaded} ms to open`);
  const status = () => page.textContent('#slabs .pager [role=status]');
  assert.match(await status(), /^1 to 25 of 100,000 slabs; \d+ more are not in this page$/);
  await page.click('#slabs [aria-label="last page"]');
  assert.match(await status(), /^99,976 to 100,000 of/);
  const sorting = performance.now();
  await page.click('#slabs th:has-text("age")');
  await page.click('#slabs th:has-text("pinned by")');
  console.log(`      big: opened in ${Math.round(loaded)} ms, sorted twice in ${Math.round(performance.now() - sorting)} ms`);
  await page.fill('#slabs input', 'conn 4711');
  await page.waitForFunction(() => document.querySelector('#slabs [role=status]').textContent.includes('out of'));
  assert.match(await status(), /^1 to (\d+) of \1 slabs, out of 100,000/);
  const found = await page.evaluate(audit);
  assert(found.elements < 6_000, `${found.elements} elements`);
}

await browser({ scripts: false }, async (plain) => {
  await browser({}, async (context) => {
    for (const name of NAMES) {
      await check(`${name}: no requests, no complaints, the same with and without a script`, async () => {
        const said = await withoutScript(plain, name);
        assert.deepEqual(said.requests, [url(name)]);
        assert.equal(said.controls, 0, 'without a script there is nothing to press in vain');
        await open(context, name, async (page) => {
          assert.equal(await page.textContent('h1'), said.heading);
          if (name === 'empty') {
            assert.match(said.heading, /^No slab is pinned/);
            return;
          }
          assert(Object.values(said.visible).every((visible) => visible), 'every table stands there');
          assert(said.advice.length > 0 || name === 'big', 'there is advice');
          for (const table of TABLES) {
            assert(said.tables[table].length > 0);
            assert.deepEqual(await rowsOf(page, table, 15), said.tables[table], table);
          }
        });
      });
      await check(`${name}: contrast, names of controls and width, dark and light, desktop and phone`, () =>
        screenshots(context, name));
    }
    const on = (name, what, run) => check(`${name}: ${what}`, () => open(context, name, (page) => run(page, report(name))));
    await on('leak', 'a click on a header sorts slabs, both ways', slabSorts);
    await on('many', 'a click on a header sorts slabs, both ways', slabSorts);
    await on('many', 'a click on a header sorts groups, both ways', blameSorts);
    await on('leak', 'filters', filters);
    await on('many', 'filters', filters);
    await on('leak', 'tabs', tabs);
    await on('leak', 'the map has colour where slices lie, and only there', (page, json) => mapPixels(context, page, json));
    await on('many', 'the map has colour where slices lie, and only there', (page, json) => mapPixels(context, page, json));
    await on('leak', 'pointing at a slice names it', pointing);
    await on('leak', 'a slab unfolds', unfolding);
    await on('stacks', 'a slab unfolds', unfolding);
    await on('leak', 'the keyboard reaches everything', keyboard);
    await on('leak', 'the theme', themes);
    await on('hostile', 'names are text', hostile);
    for (const name of ['leak', 'hostile', 'stacks']) await on(name, 'no payload', (page) => payload(page, name));
    await check('big: opens, turns pages, sorts and filters', () => open(context, 'big', big));
    await on('leak', 'paper', paper);
    await check('the policy holds', () => policy(context, html('leak'), folder));
  });
});
await check('served over HTTP it asks for nothing more', () => servedOverHttp(html('leak')));

console.log(failures === 0 ? 'all checks passed' : `${failures} checks failed`);
process.exit(failures === 0 ? 0 : 1);
