// V1: whoever comes at least once within the idle time-out stays signed in until the absolute one,
// whatever he does; whoever does not, is out. In real Chromium, whose cookies end when they say so, and
// in curl's jar.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

import { launch, openShop, PASSWORD, visit } from './shop.mjs';

const IDLE_S = 4;
const ABSOLUTE_S = 30;
/** How long a page may take on a busy machine. */
const PATIENCE_MS = 20_000;
const run = promisify(execFile);

let browser;
let shop;

before(async () => {
  shop = await openShop('--idle-timeout', `${IDLE_S}s`, '--absolute-timeout', `${ABSOLUTE_S}s`);
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await shop?.close();
});

// All at once: each of them takes as long as a session lasts.
describe('a session of four seconds, thirty at most', { concurrency: true }, () => {
  test('V1: a tab that only reads', () => staysUntilTheEnd({}, reads));
  test('V1: a tab that only reads, without JavaScript', () => staysUntilTheEnd({ javaScriptEnabled: false }, reads));
  test('V1: a tab that polls', () => staysUntilTheEnd({}, polls));
  test('V1: a tab that talks over a WebSocket', () => staysUntilTheEnd({}, talks));
  test('V1: a jar of curl', curlsJar);
  test('a tab that is left alone is out, and says so', leftAlone);
  test('a tab that is left alone without JavaScript is out', leftAloneWithoutScript);
});

/** How often somebody starts again who was kept from coming in time by the machine. */
const ATTEMPTS = 5;

/** Plays a story until nothing but the shop has decided it. */
async function unlessLate(story) {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    if (await story()) return;
  }
  assert.fail(`${ATTEMPTS} times there were more than ${IDLE_S} s between two looks`);
}

/** Signs in and does `look` each second: it says `ada` until the absolute time-out, and nobody after it. */
async function staysUntilTheEnd(options, look) {
  await unlessLate(() => stays(options, look));
}

async function stays(options, look) {
  let inTime;
  await visit(browser, options, async (page) => {
    page.setDefaultTimeout(PATIENCE_MS);
    // Before it, because the session begins somewhere within.
    const began = Date.now();
    assert.equal(await shop.signIn(page), 303);
    const surelyOver = Date.now() + (ABSOLUTE_S + 1) * 1000;
    inTime = await untilOver(began, surelyOver, look(page));
  }, [/status of 401/, /WebSocket/]);
  return inTime;
}

/** `false` where a look took so long that it may have come too late: that says nothing of the shop. */
async function untilOver(began, surelyOver, look) {
  let last = Date.now();
  for (let second = 1; ; second++) {
    await sleep(began + second * 1000 - Date.now());
    const asked = Date.now();
    if (asked - began > (ABSOLUTE_S - 1) * 1000) break;
    const name = await look();
    const gap = (Date.now() - last) / 1000;
    if (name !== 'ada' && gap > IDLE_S) return false;
    assert.equal(name, 'ada', `after ${(asked - began) / 1000} s`);
    last = asked;
  }
  await sleep(surelyOver - Date.now());
  assert.equal(await look(), undefined, 'the absolute time-out is over');
  return true;
}

/** The name in the head of a page, which is loaded for it. */
function reads(page) {
  return async () => {
    await page.goto(`${shop.url}/how`, { waitUntil: 'domcontentloaded' });
    const link = page.locator('nav a[href="/profile"]');
    return (await link.count()) === 1 ? (await link.innerText()).split(/\s/).at(-1) : undefined;
  };
}

function polls(page) {
  return () => page.evaluate(async () => {
    const answer = await fetch('/me', { headers: { accept: 'application/json' } });
    return answer.ok ? (await answer.json()).userId : undefined;
  });
}

/** What the shop answers to a message on one connection, which is kept for all of them. */
function talks(page) {
  return () => page.evaluate(() => new Promise((resolve) => {
    window.line ??= new WebSocket(`ws://${location.host}/ws`);
    window.line.onmessage = ({ data }) => resolve(JSON.parse(data).userId ?? undefined);
    window.line.onclose = () => resolve(undefined);
    if (window.line.readyState === WebSocket.OPEN) window.line.send('cart');
    if (window.line.readyState >= WebSocket.CLOSING) resolve(undefined);
  }));
}

async function curlsJar() {
  await unlessLate(curls);
}

async function curls() {
  const folder = mkdtempSync(join(tmpdir(), 'cloakroom-curl-'));
  const jar = join(folder, 'jar');
  const curl = async (...words) => {
    const { stdout } = await run('curl', ['--silent', '-b', jar, '-c', jar, '-H', 'accept: application/json', ...words]);
    return JSON.parse(stdout).userId;
  };
  try {
    const began = Date.now();
    const body = JSON.stringify({ username: 'ada', password: PASSWORD });
    const headers = ['-H', 'content-type: application/json', '-H', `origin: ${shop.url}`];
    assert.equal(await curl(...headers, '-d', body, `${shop.url}/login`), 'ada');
    return await untilOver(began, Date.now() + (ABSOLUTE_S + 1) * 1000, () => curl(`${shop.url}/me`));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function leftAlone() {
  await visit(browser, {}, async (page) => {
    page.setDefaultTimeout(PATIENCE_MS);
    assert.equal(await shop.signIn(page), 303);
    await page.getByRole('heading', { name: 'Your time was up' }).waitFor();
    await page.goto(`${shop.url}/profile`);
    assert.equal(new URL(page.url()).pathname, '/login');
  }, [/WebSocket/]);
}

async function leftAloneWithoutScript() {
  await visit(browser, { javaScriptEnabled: false }, async (page) => {
    page.setDefaultTimeout(PATIENCE_MS);
    await shop.signIn(page);
    await page.goto(`${shop.url}/how`);
    await sleep((IDLE_S + 1) * 1000);
    await page.goto(`${shop.url}/profile`);
    assert.equal(new URL(page.url()).pathname, '/login');
  });
}
