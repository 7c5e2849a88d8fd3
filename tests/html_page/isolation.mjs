// What the page may not do: the policy refuses it, whoever asks.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { browser, newPage } from './browser.mjs';

async function load(context, html, folder, use) {
  const path = join(folder, 'altered.html');
  writeFileSync(path, html);
  const { page, complaints } = await newPage(context);
  try {
    await page.goto(pathToFileURL(path).href);
    await use(page, complaints);
  } finally {
    await page.close();
    rmSync(path);
  }
}

export async function policy(context, html, folder) {
  // A script or a style that got into the page by a mistake in escaping.
  const stowaway = "<script>document.title='pwned'</script><p style=\"color:red\" onclick=\"1\">x</p><img src=\"x.png\">";
  await load(context, html.replace('<main>', `<main>${stowaway}`), folder, async (page, complaints) => {
    assert.notEqual(await page.title(), 'pwned');
    assert.equal(complaints.filter((text) => text.includes('Content Security Policy')).length >= 3, true, complaints.join('\n'));
    assert.equal(await page.evaluate(() => document.documentElement.classList.contains('js')), true, 'its own script runs');
  });
  // The page's own script and style, with a blank too many.
  await load(context, html.replace("'use strict';", "'use strict'; "), folder, async (page, complaints) => {
    assert.equal(await page.evaluate(() => document.documentElement.classList.contains('js')), false);
    assert(complaints.some((text) => text.includes('script-src')), complaints.join('\n'));
  });
  await load(context, html.replace('<style>', '<style> '), folder, async (page, complaints) => {
    assert(complaints.some((text) => text.includes('style-src')), complaints.join('\n'));
    assert.equal(await page.evaluate(() => getComputedStyle(document.body).maxWidth), 'none');
  });
  // What a script in the page would try.
  await load(context, html, folder, async (page) => {
    const refused = await page.evaluate(async () => {
      const found = [];
      document.addEventListener('securitypolicyviolation', (event) => found.push(event.effectiveDirective));
      await fetch('http://127.0.0.1:9/').catch(() => {});
      const settled = (element, attributes) =>
        new Promise((resolve) => {
          Object.assign(element, attributes, { onerror: resolve, onload: resolve });
          document.body.append(element);
          setTimeout(resolve, 300);
        });
      await settled(document.createElement('img'), { src: 'http://127.0.0.1:9/x.png' });
      await settled(document.createElement('script'), { src: 'http://127.0.0.1:9/x.js' });
      await settled(document.createElement('iframe'), { src: 'http://127.0.0.1:9/' });
      await settled(document.createElement('script'), { textContent: 'document.title = "pwned"' });
      try {
        new Function('document.title = "pwned"')();
      } catch {
        found.push('eval');
      }
      return { found, title: document.title };
    });
    assert.notEqual(refused.title, 'pwned');
    for (const directive of ['connect-src', 'img-src', 'script-src-elem', 'frame-src', 'eval']) {
      assert(refused.found.includes(directive), `${directive} is not among ${refused.found.join(', ')}`);
    }
  });
}

// From a server, as the admin endpoint hands it out: the page, and not even an icon beside it.
export async function servedOverHttp(html) {
  const asked = [];
  const server = createServer((request, response) => {
    asked.push(request.url);
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
    response.end(html);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await browser({ online: true }, async (context) => {
      const { page, complaints } = await newPage(context);
      await page.goto(`http://127.0.0.1:${server.address().port}/debug/slabs.html`);
      await page.locator('.strip .unfold').first().click();
      await page.waitForTimeout(500);
      assert.deepEqual(complaints, []);
    });
    assert.deepEqual(asked, ['/debug/slabs.html']);
  } finally {
    server.close();
  }
}
