// Chromium's own DevTools: the front end that is bundled with the browser, opened as a page, with its panel Memory.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { chromium } from 'playwright-core';

import * as expected from './expected.mjs';

const PANEL = 'devtools://devtools/bundled/devtools_app.html?panel=heap-profiler';
/** Milliseconds for one step. A machine that does other things besides is slow. */
const STEP = 60_000;

function executable() {
  return process.env.CHROMIUM ?? execFileSync('sh', ['-c', 'command -v chromium'], { encoding: 'utf8' }).trim();
}

/** Runs `steps` with a browser of its own, which is gone afterwards, with its profile. */
async function withBrowser(steps) {
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'viewers-'));
  try {
    const browser = await chromium.launchPersistentContext(profile, {
      executablePath: executable(),
      headless: true,
      // As root there is no other way.
      chromiumSandbox: false,
      viewport: { width: 1280, height: 860 },
      locale: 'en-US',
      timeout: STEP,
      args: [
        '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update',
        '--disable-sync', '--disable-quic',
      ],
    });
    try {
      return await steps(browser);
    } finally {
      await browser.close();
    }
  } finally {
    fs.rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The panel Memory, and everything that goes wrong in it. */
class Panel {
  #page;
  #complaint = Promise.withResolvers?.() ?? deferred();

  static async open(browser) {
    const panel = new Panel();
    panel.#page = await browser.newPage();
    panel.#page.setDefaultTimeout(STEP);
    panel.#complaint.promise.catch(() => {});
    const complain = text => panel.#complaint.reject(new Error(`DevTools: ${text}`));
    panel.#page.on('pageerror', error => complain(error.message));
    panel.#page.on('crash', () => complain('crashed'));
    // A count that is wrong is only worth a warning to it.
    panel.#page.on('console', message => {
      if (['warning', 'error', 'assert'].includes(message.type())) complain(message.text().slice(0, 1000));
    });
    await panel.#page.goto(PANEL);
    await panel.#page.getByText('Select profiling type').waitFor();
    return panel;
  }

  /** `step`, unless DevTools complains first. */
  #calmly(step) {
    return Promise.race([step, this.#complaint.promise]);
  }

  #profile(name) {
    return this.#page.getByRole('treeitem').filter({ hasText: new RegExp(`^\\s*${name}\\b`) });
  }

  /** Loads a file as the button *Load profile* does. When it is read, its size is beside its name. */
  async load(file) {
    const name = path.basename(file, '.heapsnapshot');
    await this.#page.locator('input[type=file]').setInputFiles(file);
    const sized = this.#profile(name).filter({ hasText: /\([\d.,]+\s(k|M|G)?B\)/ });
    await this.#calmly(sized.waitFor());
  }

  /** Shows a snapshot that was loaded. The grids of the others stay where they are, hidden. */
  async select(name) {
    await this.#profile(name).click();
    await this.#page.locator('select[aria-label="Perspective"]:visible').waitFor();
  }

  async perspective(label) {
    await this.#page.locator('select[aria-label="Perspective"]:visible').selectOption({ label });
  }

  async compareWith(label) {
    await this.#page.locator('select[aria-label="Base snapshot"]:visible').selectOption({ label });
  }

  /** The rows of the grid with this first column, as soon as it has some that `isRight`; by the names of columns. */
  async grid(first, isRight = rows => rows.length > 0) {
    const tables = this.#page.locator('table:visible').filter({ hasText: first });
    const deadline = Date.now() + STEP / 2;
    for (;;) {
      const rows = await this.#calmly(tables.evaluateAll((tables, first) => {
        const text = cell => cell.innerText.replace(/\s+/g, ' ').trim();
        for (const table of tables) {
          const names = [...table.querySelectorAll('th')].map(text);
          if (names[0] !== first) continue;
          return [...table.querySelectorAll('tr.data-grid-data-grid-node')].map(row => ({
            ...Object.fromEntries([...row.cells].map((cell, at) => [names[at], text(cell)])),
            // Edge, `in`, node and id are elements of their own, without spaces between them.
            words: [...row.cells[0].querySelectorAll('span')].filter(span => !span.children.length).map(text).filter(Boolean),
          }));
        }
        return [];
      }, first));
      if (isRight(rows)) return rows;
      if (Date.now() > deadline) throw new Error(`the grid ${first} shows ${JSON.stringify(rows, null, 1)}`);
      await new Promise(resolve => setTimeout(resolve, 100));
    }
  }

  /** Opens a line of the grid of constructors, and selects the first one under it. */
  async openLine(text) {
    await this.#page.locator('tr.data-grid-data-grid-node:visible').filter({ hasText: text }).first().click();
    await this.#page.keyboard.press('ArrowRight');
    await this.grid('Constructor', rows => rows.filter(row => row.Constructor.startsWith(text)).length > 1);
    await this.#page.keyboard.press('ArrowDown');
  }

  async picture(file) {
    await this.#page.screenshot({ path: file });
    console.log(`DevTools: ${file}`);
  }

  /** Time enough for what its worker has to say. */
  async finish() {
    await this.#calmly(new Promise(resolve => setTimeout(resolve, 500)));
    await this.#page.close();
  }
}

function deferred() {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
}

/** `44,040 kB91 %`: thousands of bytes, rounded, in a column of the summary. */
function assertBytes(cell, bytes, what) {
  const kB = /^([\d,]+)\.?\d* kB/.exec(cell);
  assert(kB && Math.abs(Number(kB[1].replaceAll(',', '')) * 1000 - bytes) <= 1000, `${what} is ${cell}, not ${bytes} bytes`);
}

/** `+40.9 MB` in the comparison. */
function assertMegabytes(cell, bytes, what) {
  assert.equal(cell.replace('+', ''), `${(bytes / 1e6).toFixed(1)} MB`, what);
}

async function checkSummary(panel, report, pictures) {
  const { count, bytes } = expected.leak(report);
  // The leak is the first line.
  const rows = await panel.grid('Constructor', rows => rows[0]?.Constructor === `${expected.CLASS}×${count}`);
  assertBytes(rows[0]['Shallow size'], bytes, 'its size');
  assertBytes(rows[0]['Retained size'], bytes, 'what it retains');
  await panel.openLine(expected.CLASS);
  const isWhole = rows => rows.at(-1)?.Object.includes(`pool ${report.pool.name}`);
  const retainers = await panel.grid('Object', isWhole);
  const words = retainers.map(({ words }) => words.filter(word => !/^@\d+$/.test(word)).join(' '));
  expected.isSentence(words, report);
  console.log(`DevTools: Retainers: ${words.join(' ← ')}`);
  await panel.picture(path.join(pictures, 'retainers.png'));
}

/** A name that would be trouble where it is not taken for mere text. */
async function checkStrangeName(panel, report) {
  const strange = report.by_tag.map(({ holder }) => holder.tag ?? '').find(tag => tag.includes('</script>'));
  assert(strange, 'the base has a strange name');
  await panel.grid('Constructor', rows => rows.some(row => row.Constructor.includes('</script>')));
}

async function checkComparison(panel, base, target, pictures) {
  await panel.perspective('Comparison');
  await panel.compareWith('base');
  const rows = await panel.grid('Constructor', rows => rows.length > 0 && rows[0]['# New'] !== undefined);
  const { fresh, gone, freshBytes, goneBytes } = expected.growth(base, target);
  const [first] = rows;
  assert.equal(first.Constructor, expected.CLASS, 'what grew most is the first line');
  assert.equal(first['# New'], String(fresh), `${first['# New']} are new, not ${fresh}`);
  assert.equal(first['# Deleted'], String(gone), `${first['# Deleted']} are gone, not ${gone}`);
  assert.equal(first['# Delta'], `+${fresh - gone}`);
  assertMegabytes(first['Alloc. size'], freshBytes, 'what came');
  assertMegabytes(first['Freed size'], goneBytes, 'what went');
  assertMegabytes(first['Size delta'], freshBytes - goneBytes, 'the growth');
  assert(rows.length > 2, `other things changed as well: ${JSON.stringify(rows)}`);
  console.log(`DevTools: Comparison: ${first.Constructor}: ${first['# Delta']}, ${first['Size delta']}`);
  await panel.openLine(expected.CLASS);
  await panel.grid('Object', rows => rows.at(-1)?.Object.includes(`pool ${target.pool.name}`));
  await panel.picture(path.join(pictures, 'comparison.png'));
}

/** A size that no single node can have. */
async function checkGiant(browser, folder) {
  const panel = await Panel.open(browser);
  await panel.load(path.join(folder, 'giant.heapsnapshot'));
  await panel.select('giant');
  const [row] = await panel.grid('Constructor');
  assert.equal(row.Constructor, `pinned by ${expected.TAG}×5`);
  assertBytes(row['Shallow size'], 5 * 2 ** 30, 'a slab of 5 GiB');
  await panel.finish();
  console.log('DevTools: a slab of 5 GiB is one');
}

export async function check(folder, pictures) {
  const [base, target] = ['base', 'target'].map(name => expected.report(folder, name));
  await withBrowser(async browser => {
    const panel = await Panel.open(browser);
    await panel.load(path.join(folder, 'base.heapsnapshot'));
    await panel.load(path.join(folder, 'target.heapsnapshot'));
    await panel.select('base');
    await checkStrangeName(panel, base);
    await panel.select('target');
    await checkSummary(panel, target, pictures);
    await checkComparison(panel, base, target, pictures);
    await panel.finish();
    await checkGiant(browser, folder);
  });
}
