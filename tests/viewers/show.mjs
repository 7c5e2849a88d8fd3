// node show.mjs FOLDER PICTURES VIEWER...
//
// Shows `base.heapsnapshot` and `target.heapsnapshot` of FOLDER to each VIEWER (`strict`, `devtools`, `memlab`), and ends
// with 1 when one of them refuses a file, complains about it or shows anything else than the reports beside it say.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';

import * as devtools from './devtools.mjs';
import * as expected from './expected.mjs';
import * as memlab from './memlab.mjs';
import { read } from './strict.mjs';

function strict(folder) {
  for (const name of ['base', 'target']) {
    const nodes = read(path.join(folder, `${name}.heapsnapshot`));
    const size = nodes.reduce((sum, node) => sum + node.size, 0);
    assert.equal(size, expected.report(folder, name).totals.pinned_bytes, 'sizes sum to what is pinned');
    console.log(`strict: ${name}: ${nodes.length} nodes, ${size} bytes`);
  }
}

const viewers = { strict, devtools: devtools.check, memlab: memlab.check };
const [folder, pictures, ...names] = process.argv.slice(2);
if (!names.length || names.some(name => !(name in viewers))) {
  console.error('usage: node show.mjs FOLDER PICTURES strict|devtools|memlab...');
  process.exit(2);
}
fs.mkdirSync(pictures, { recursive: true });
let viewer;
// memlab ends the process when it cannot read a file.
let ended = false;
process.on('exit', code => ended || (console.error(`refused: ${viewer} gave up`), process.exitCode = code || 1));
try {
  for (viewer of names) await viewers[viewer](folder, pictures);
  ended = true;
} catch (error) {
  console.error(`refused: ${error.stack ?? error}`);
  ended = true;
  process.exit(1);
}
