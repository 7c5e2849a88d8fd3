// What memlab makes of the snapshots: through its API (retained sizes, the path to the root) and through its command, as
// somebody would use it who looks for what leaked between two snapshots.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';

import * as expected from './expected.mjs';

const require = createRequire(import.meta.url);

async function load(file) {
  const { getFullHeapFromFile } = require('@memlab/heap-analysis');
  const quiet = require('@memlab/core').config;
  quiet.muteConsole = true;
  const heap = await getFullHeapFromFile(file);
  const nodes = [];
  heap.nodes.forEach(node => void nodes.push(node));
  return nodes;
}

const bytes = node => Number(node.retainedSize);

/** Retained sizes are those that the report gives. */
async function sizes(folder, name) {
  const report = expected.report(folder, name);
  const nodes = await load(path.join(folder, `${name}.heapsnapshot`));
  const pool = nodes.filter(node => node.name === `pool ${report.pool.name}`);
  assert.equal(pool.length, 1, 'one pool');
  assert.equal(bytes(pool[0]), report.totals.pinned_bytes, 'the pool retains what is pinned');
  const seen = new Map();
  for (const scope of nodes.filter(node => node.name.startsWith('scope '))) {
    seen.set(scope.name, bytes(scope));
    for (const { toNode: tag } of scope.references) seen.set(`${scope.name} / ${tag.name}`, bytes(tag));
  }
  const wanted = expected.retained(report);
  assert(wanted.size > 8, 'the planted report is rich');
  for (const [key, size] of wanted) assert.equal(seen.get(key), size, `what ${key} retains`);
  const memory = nodes.filter(node => node.name === expected.CLASS);
  assert.equal(memory.length, expected.leak(report).count);
  assert.equal(memory.reduce((sum, node) => sum + node.self_size, 0), expected.leak(report).bytes);

  // From the memory up to the pool.
  const words = [];
  for (let node = memory[0]; node.pathEdge; node = node.pathEdge.fromNode) {
    words.push(`${node.pathEdge.name_or_index} in ${node.pathEdge.fromNode.name}`);
  }
  expected.isSentence(words.slice(0, -1), report);
  console.log(`memlab: ${name}: ${nodes.length} nodes, ${wanted.size} retained sizes as in the report`);
  return new Set(memory.map(node => node.id));
}

/** `memlab find-leaks` finds the planted slabs, and names their path. */
function findLeaks(folder) {
  const work = fs.mkdtempSync(path.join(os.tmpdir(), 'memlab-'));
  try {
    const cli = path.join(path.dirname(require.resolve('memlab/package.json')), 'bin', 'memlab');
    const file = name => path.join(folder, `${name}.heapsnapshot`);
    const run = spawnSync(
      process.execPath,
      [cli, 'find-leaks', '--baseline', file('base'), '--target', file('target'), '--final', file('target'),
        '--trace-all-objects', '--work-dir', work],
      { encoding: 'utf8', timeout: 120_000, killSignal: 'SIGKILL', env: { ...process.env, HOME: work } });
    assert.equal(run.status, 0, `memlab find-leaks: ${run.error ?? ''} ${run.stdout}${run.stderr}`);
    // It talks on both.
    const text = run.stdout + run.stderr;
    const { freshBytes } = expected.growth(expected.report(folder, 'base'), expected.report(folder, 'target'));
    const size = /Retained size of leaked objects: ([\d.]+)MB/.exec(text);
    assert(size, `memlab names no size: ${text.slice(-2000)}`);
    // It rounds down. The largest leak comes first.
    assert.equal(Number(size[1]), Math.floor(freshBytes / 1e5) / 10, 'bytes that leaked');
    for (const words of [`[pool tls]`, `[scope ${expected.KIND} `, `[tag ${expected.TAG}]`, `[${expected.CLASS}]`]) {
      assert(text.includes(words), `the trace lacks ${words}: ${text.slice(-2000)}`);
    }
    console.log(`memlab: find-leaks names the tag, the scope and ${size[1]} MB`);
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
}

export async function check(folder) {
  const before = await sizes(folder, 'base');
  const after = await sizes(folder, 'target');
  const { fresh } = expected.growth(expected.report(folder, 'base'), expected.report(folder, 'target'));
  assert.equal([...after].filter(id => !before.has(id)).length, fresh, 'ids that memlab has not seen before');
  findLeaks(folder);
}
