// node malformed.mjs FOLDER
//
// Spoils the good snapshot in FOLDER in one way after the other, shows it to the viewers as `show.mjs` does, and ends with 1
// if one of those that should notice does not: a check that nothing can fail is none.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import * as expected from './expected.mjs';

const FIELDS = 7;
const [NAME, ID, SIZE, COUNT] = [1, 2, 3, 4];

/** With its keys in this order. */
function ordered(file, keys) {
  return Object.fromEntries([...keys, ...Object.keys(file).filter(key => !keys.includes(key))].map(key => [key, file[key]]));
}

function leaked(file) {
  const name = file.strings.indexOf(expected.CLASS);
  return [...file.nodes.keys()].filter(at => at % FIELDS === NAME && file.nodes[at] === name).map(at => at - NAME);
}

/** How it is spoilt, who has to notice, and by what words. `change` returns a file or its text. */
const variants = [
  {
    name: 'cut off',
    change: file => JSON.stringify(file).slice(0, -2000),
    strict: /no JSON/, devtools: /Incomplete JSON/, memlab: /memlab gave up/,
  }, {
    name: 'strings first',
    change: file => ordered(file, ['snapshot', 'strings']),
    strict: /keys are/, devtools: /Token "strings" not found/,
  }, {
    name: 'edges before nodes',
    change: file => ordered(file, ['snapshot', 'edges']),
    strict: /keys are/, devtools: /Token "edges" not found/,
  }, {
    name: 'a string that is not there',
    change: file => void (file.nodes[leaked(file)[0] + NAME] = file.strings.length + 1000),
    strict: /string \d+ of/, devtools: /undefined/,
  }, {
    name: 'an edge that no node counts',
    change: file => void (file.nodes[FIELDS + COUNT] -= 1),
    strict: /more edges than/, devtools: /unreachable/,
  }, {
    name: 'an edge counted that is not there',
    change: file => void (file.nodes[FIELDS + COUNT] += 1),
    strict: /fewer edges than/, memlab: /TypeError/,
  }, {
    name: 'an edge that the head does not count',
    change: file => void (file.snapshot.edge_count -= 1),
    strict: /figures for \d+ edges/, devtools: /unreachable/,
  }, {
    name: 'a node too many in the head',
    change: file => void (file.snapshot.node_count += 1),
    strict: /figures for \d+ nodes/,
  }, {
    name: 'an edge into the middle of a node',
    change: file => void (file.edges[2] += 1),
    strict: /edge to/, devtools: /Invalid toNodeIndex/, memlab: /memlab gave up/,
  }, {
    name: 'a size that has no 32 bits',
    change: file => void (file.nodes[leaked(file)[0] + SIZE] += 2 ** 32),
    strict: /has no 32 bits/,
  }, {
    name: 'a size that is not true',
    change: file => void (file.nodes[leaked(file)[0] + SIZE] += 2 ** 20),
    strict: /sizes sum/, devtools: /its size is/, memlab: /what is pinned/,
  }, {
    name: 'one id for two',
    change: file => void (file.nodes[leaked(file)[0] + ID] = file.nodes[leaked(file)[1] + ID]),
    strict: /id \d+ twice/,
  }, {
    name: 'ids of this snapshot alone',
    change: file => leaked(file).forEach((at, count) => (file.nodes[at + ID] = 2 * count + 2)),
    devtools: /are new/, memlab: /ids that memlab has not seen/,
  }, {
    name: 'slabs that the pool keeps alive',
    change: file => file.edges.forEach((type, at) => at % 3 === 0 && type === 6 && (file.edges[at] = 2)),
    memlab: /what scope .* retains/,
  },
];

const [folder] = process.argv.slice(2);
const here = path.dirname(fileURLToPath(import.meta.url));
const good = fs.readFileSync(path.join(folder, 'target.heapsnapshot'), 'utf8');

/** Shows the good files, but for this target, to a viewer. */
async function show(target, viewer) {
  const bad = fs.mkdtempSync(path.join(os.tmpdir(), 'malformed-'));
  try {
    for (const name of fs.readdirSync(folder)) fs.copyFileSync(path.join(folder, name), path.join(bad, name));
    fs.writeFileSync(path.join(bad, 'target.heapsnapshot'), target);
    const command = [path.join(here, 'show.mjs'), bad, path.join(bad, 'pictures'), viewer];
    return await new Promise(resolve => {
      const options = { encoding: 'utf8', timeout: 150_000 };
      execFile(process.execPath, command, options, (error, stdout, stderr) => {
        resolve({ status: error ? error.code ?? error.signal : 0, stdout, stderr });
      });
    });
  } finally {
    fs.rmSync(bad, { recursive: true, force: true });
  }
}

const jobs = [];
// Written anew, and not spoilt, it is let pass: what is refused is refused for what was done to it.
for (const viewer of ['strict', 'devtools', 'memlab']) {
  jobs.push({ name: 'not spoilt', target: JSON.stringify(JSON.parse(good)), viewer, code: 0, words: /^/ });
}
for (const { name, change, ...noticed } of variants) {
  const file = JSON.parse(good);
  const changed = change(file) ?? file;
  const target = typeof changed === 'string' ? changed : JSON.stringify(changed);
  for (const [viewer, words] of Object.entries(noticed)) jobs.push({ name, target, viewer, code: 1, words });
}

let unnoticed = 0;
async function work() {
  for (let job = jobs.shift(); job; job = jobs.shift()) {
    const { name, target, viewer, code, words } = job;
    const { status, stdout, stderr } = await show(target, viewer);
    const said = stderr.split('\n').find(line => words.test(line));
    if (status === code && said !== undefined) {
      console.log(`${name}: ${viewer}: ${status ? said.trim().slice(0, 150) : 'passed'}`);
    } else {
      unnoticed += 1;
      console.error(`${name}: ${viewer} ended with ${status}, not with ${code} and ${words}:\n${stdout}${stderr}`);
    }
  }
}
// Browsers wait more than they work.
await Promise.all([work(), work(), work()]);
console.log(`${variants.length} spoilt files, ${unnoticed} times not as it should be`);
process.exit(unnoticed ? 1 : 0);
