// Chromium, and a page in it that remembers whatever went wrong.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const ARGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export const DESKTOP = { width: 1280, height: 900 };
export const PHONE = { width: 390, height: 844 };

// A browser of its own for `use`: offline unless `online`, with scripts unless `scripts` is false.
export async function browser({ scripts = true, online = false } = {}, use) {
  const profile = mkdtempSync(join(tmpdir(), 'bufslab-html-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ARGS,
    headless: true,
    javaScriptEnabled: scripts,
    offline: !online,
    viewport: DESKTOP,
    deviceScaleFactor: 1,
  });
  context.setDefaultTimeout(20_000);
  try {
    return await use(context);
  } finally {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  }
}

// A page with `requests` (all of them, the document included) and `complaints` (whatever the console got or was thrown).
export async function newPage(context) {
  const page = await context.newPage();
  const requests = [];
  const complaints = [];
  page.on('request', (request) => requests.push(request.url()));
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => complaints.push(`thrown: ${error.message}`));
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  return { page, requests, complaints };
}

// A function that tells the colour of a pixel of a PNG, as [red, green, blue].
export async function pixels(context, png) {
  const helper = await context.newPage();
  const image = await helper.evaluate(async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    const drawing = canvas.getContext('2d');
    drawing.drawImage(bitmap, 0, 0);
    const { data } = drawing.getImageData(0, 0, bitmap.width, bitmap.height);
    let text = '';
    for (let at = 0; at < data.length; at += 0x8000) text += String.fromCharCode(...data.subarray(at, at + 0x8000));
    return { width: bitmap.width, height: bitmap.height, data: btoa(text) };
  }, png.toString('base64'));
  await helper.close();
  const data = Buffer.from(image.data, 'base64');
  const at = (x, y) => [...data.subarray((y * image.width + x) * 4, (y * image.width + x) * 4 + 3)];
  return { width: image.width, height: image.height, at };
}
