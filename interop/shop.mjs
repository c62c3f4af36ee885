// The demo shop as tests open it, and the browser in which they visit it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

export const PROGRAM = process.env.CLOAKROOM_BIN ?? fromHere('../target/debug/cloakroom');
export const CHROMIUM = '/usr/bin/chromium';
const COOKIE = 'connect.sid';
const START_LIMIT_MS = 20_000;
const TIMEOUT_MS = 10_000;
export const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export const PASSWORD = 'analytical-engine';

/** Starts Debian's browser. */
export function launch() {
  return chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
}

/** Does `story` in a browser that nobody has used, and refuses what the console complains about. */
export async function visit(browser, options, story, expected = []) {
  const context = await browser.newContext(options);
  const complaints = [];
  try {
    context.setDefaultTimeout(TIMEOUT_MS);
    const page = await context.newPage();
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
    await story(page);
  } finally {
    await context.close();
  }
  const surprises = complaints.filter((text) => !expected.some((pattern) => pattern.test(text)));
  assert.deepEqual(surprises, []);
}

/** Presses `button` and waits for the page that follows; the status of the answer to the form. */
export async function submit(page, button) {
  const [answer] = await Promise.all([
    page.waitForResponse((response) => response.request().method() === 'POST'),
    page.waitForEvent('load'),
    button.click(),
  ]);
  return answer.status();
}

/** The value of the session's cookie, where the browser has one. */
export async function ticket(page) {
  const cookies = await page.context().cookies();
  return cookies.find(({ name }) => name === COOKIE)?.value;
}

/** A shop of our own, with these flags: a free port, an empty directory. */
export async function openShop(...flags) {
  const shop = new Shop(`127.0.0.1:${await freePort()}`, flags);
  await shop.start();
  return shop;
}

class Shop {
  #addr;
  #flags;
  #data = mkdtempSync(join(tmpdir(), 'cloakroom-browser-'));
  #server;

  constructor(addr, flags) {
    this.#addr = addr;
    this.#flags = flags;
    this.url = `http://${addr}`;
  }

  async start() {
    const { SESSION_SECRET, SESSION_STORE, ...env } = process.env;
    const words = ['demo', '--addr', this.#addr, '--data-dir', this.#data, ...this.#flags];
    this.#server = spawn(PROGRAM, words, { env, stdio: 'ignore' });
    this.#server.on('error', (error) => assert.fail(`${PROGRAM} does not start: ${error.message}`));
    await answered(this.url, this.#server);
  }

  async kill() {
    if (this.#server.exitCode !== null || this.#server.signalCode !== null) return;
    this.#server.kill('SIGKILL');
    await once(this.#server, 'exit');
  }

  async close() {
    await this.kill();
    rmSync(this.#data, { recursive: true });
  }

  async addToCart(page, product) {
    await page.goto(this.url);
    const name = new RegExp(`^Add .*: ${product}$`);
    assert.equal(await submit(page, page.getByRole('button', { name })), 303);
  }

  async signIn(page, password = PASSWORD, name = 'ada') {
    await page.goto(`${this.url}/login`);
    await page.getByLabel(/^(user ?)?name$/i).fill(name);
    await page.getByLabel('Password').fill(password);
    return submit(page, page.getByRole('button', { name: 'Sign in' }));
  }

  async signOut(page) {
    await page.goto(`${this.url}/profile`);
    const button = page.getByRole('button', { name: 'Sign out', exact: true });
    assert.equal(await submit(page, button), 303);
  }

  /** What whoever shows this cookie is answered with. */
  present(cookie, path) {
    return fetch(this.url + path, { headers: { cookie: `${COOKIE}=${cookie}` } });
  }

  async statusOfMe(cookie) {
    return (await this.present(cookie, '/me')).status;
  }

  async cartOf(cookie) {
    return (await this.present(cookie, '/cart')).json();
  }
}

export async function answered(url, server) {
  const end = Date.now() + START_LIMIT_MS;
  while (Date.now() < end && server.exitCode === null) {
    if (await fetch(url).then((response) => response.status < 500, () => false)) return;
    await sleep(50);
  }
  assert.fail(`${PROGRAM} does not answer (exit code ${server.exitCode})`);
}

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

export function fromHere(path) {
  return fileURLToPath(new URL(path, import.meta.url));
}
