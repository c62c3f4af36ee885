// The demo shop in a real browser: what a visitor sees of a session, and what becomes of the cookie.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

const PROGRAM = process.env.CLOAKROOM_BIN ?? fromHere('../target/release/cloakroom');
const SCREENSHOTS = fromHere('../target/screenshots');
const CHROMIUM = '/usr/bin/chromium';
const COOKIE = 'connect.sid';
const START_LIMIT_MS = 20_000;
const TIMEOUT_MS = 10_000;
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0';
const SAFARI = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1';
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

let browser;
let shop;

before(async () => {
  shop = await openShop();
  browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
});

after(async () => {
  await browser?.close();
  await shop?.close();
});

test('signing in changes the id and keeps the cart', async () => {
  await visit({}, async (page) => {
    await page.goto(shop.url);
    assert.equal(await ticket(page), undefined, 'a visitor who leaves nothing gets no cookie');
    await addToCart(page, 'Wool scarf');
    const before = await ticket(page);
    await signIn(page);
    const after = await ticket(page);
    assert.notEqual(after, before);
    assert.deepEqual(await cartOf(after), { 'wool-scarf': 1 });
    assert.equal(await statusOfMe(before), 401);
    assert.deepEqual(await cartOf(before), {});
  });
});

test('a wrong password signs nobody in', async () => {
  await visit({}, async (page) => {
    assert.equal(await signIn(page, 'difference-engine'), 401);
    await page.getByRole('alert').waitFor();
    await page.goto(`${shop.url}/profile`);
    await page.waitForURL(/\/login/);
  }, [/status of 401/]);
});

test('a killed server loses neither the user nor the cart', async () => {
  await visit({}, async (page) => {
    await signIn(page);
    await addToCart(page, 'Wool scarf');
    await addToCart(page, 'Wool scarf');
    await addToCart(page, 'Felt hat');
    const cart = await cartOf(await ticket(page));
    assert.deepEqual(cart, { 'wool-scarf': 2, 'felt-hat': 1 });

    await shop.kill();
    await shop.start();

    await page.goto(`${shop.url}/profile`);
    await page.getByRole('heading', { name: 'ada' }).waitFor();
    await page.goto(`${shop.url}/cart`);
    assert.equal(await page.getByLabel('Quantity of Wool scarf').inputValue(), '2');
    assert.equal(await page.getByLabel('Quantity of Felt hat').inputValue(), '1');
  }, [/WebSocket connection/]);
});

test('a session that another browser ends says so without a reload', async () => {
  await visit({ userAgent: SAFARI }, async (phone) => {
    await signIn(phone);
    await addToCart(phone, 'Wool scarf');
    await phone.goto(`${shop.url}/cart`);
    await phone.evaluate(() => { window.loadedOnce = true; });
    const before = await ticket(phone);
    await visit({ userAgent: FIREFOX }, async (desk) => {
      await signIn(desk);
      await desk.goto(`${shop.url}/devices`);
      await desk.getByRole('heading', { name: 'Firefox on Linux this browser' }).waitFor();
      await picture(desk, 'light', 'devices', '/devices');
      const others = desk.getByRole('button', { name: /^Sign out ?: Safari on iPhone/ });
      assert.equal(await others.count(), 1, 'the phone is the only one of its kind');
      const ended = Date.now();
      assert.equal(await submit(desk, others), 303);
      await phone.getByRole('heading', { name: 'You are signed out' }).waitFor();
      const after = Date.now() - ended;
      assert.ok(after < 3000, `it took ${after} ms to say so`);
    });
    assert.equal(await phone.evaluate(() => window.loadedOnce), true, 'the page was not loaded again');
    assert.equal(await phone.locator('.count').count(), 0, 'the cart is empty');
    assert.equal(await phone.getByText('Wool scarf').count(), 0);
    await snapshot(phone, 'light', 'ended');
    assert.equal(await statusOfMe(before), 401);
    await submitLink(phone, phone.getByRole('link', { name: 'Sign in' }).last());
    assert.equal(await signIn(phone), 303);
  });
});

test('what one tab puts into the cart, the other shows', async () => {
  await visit({}, async (page) => {
    await addToCart(page, 'Wool scarf');
    const tab = await page.context().newPage();
    await tab.goto(`${shop.url}/how`);
    await addToCart(page, 'Felt hat');
    await tab.locator('nav .count', { hasText: '2' }).waitFor();
  });
});

test('a sign-in in one tab signs nobody out in the other', async () => {
  await visit({}, async (page) => {
    await addToCart(page, 'Wool scarf');
    const tab = await page.context().newPage();
    await tab.goto(`${shop.url}/cart`);
    await sleep(300);
    await signIn(page);
    await addToCart(page, 'Felt hat');
    await tab.locator('nav .count', { hasText: '2' }).waitFor();
    assert.equal(await tab.getByRole('heading', { name: 'You are signed out' }).count(), 0);
  });
});

test('a new password asks for the old one where it was given long ago, and signs the others out', async () => {
  await visit({}, async (page) => {
    await signIn(page);
    await visit({}, async (other) => {
      await signIn(other);
      await page.goto(`${shop.url}/password`);
      await page.getByLabel('New password').fill('analytical-engine');
      assert.equal(await submit(page, page.getByRole('button', { name: 'Change it' })), 303);
      await other.getByRole('heading', { name: 'You are signed out' }).waitFor();
    });
    await page.goto(`${shop.url}/profile`);
    await page.getByRole('heading', { name: 'ada' }).waitFor();
  });
});

test('after signing out, the old cookie opens nothing', async () => {
  await visit({}, async (page) => {
    await signIn(page);
    await addToCart(page, 'Wool scarf');
    const old = await ticket(page);
    assert.equal(await statusOfMe(old), 200);
    await signOut(page);
    assert.equal(await ticket(page), undefined);
    assert.equal(await statusOfMe(old), 401);
    assert.deepEqual(await cartOf(old), {});
  });
});

test('everything works without JavaScript', async () => {
  await visit({ javaScriptEnabled: false }, async (page) => {
    await addToCart(page, 'Felt hat');
    await page.goto(`${shop.url}/cart`);
    await page.getByLabel('Quantity of Felt hat').fill('3');
    await submit(page, page.getByRole('button', { name: /^Update/ }));
    assert.equal(await page.getByLabel('Quantity of Felt hat').inputValue(), '3');
    await signIn(page);
    assert.deepEqual(await cartOf(await ticket(page)), { 'felt-hat': 3 });
    await page.goto(`${shop.url}/cart`);
    await submit(page, page.getByRole('button', { name: /^Remove/ }));
    await page.getByText('There is nothing in it yet').waitFor();
    await signOut(page);
  });
});

const LOOKS = {
  light: { colorScheme: 'light' },
  dark: { colorScheme: 'dark' },
  phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
};

for (const [look, options] of Object.entries(LOOKS)) {
  test(`every page fits its window: ${look}`, async () => {
    await visit(options, async (page) => {
      await picture(page, look, 'login', '/login');
      await addToCart(page, 'Wool scarf');
      await addToCart(page, 'Felt hat');
      await picture(page, look, 'front', '/');
      await picture(page, look, 'cart', '/cart');
      await signIn(page);
      await picture(page, look, 'profile', '/profile');
      await picture(page, look, 'devices', '/devices');
      await picture(page, look, 'password', '/password');
      await signIn(page, 'nanoseconds', 'grace');
      await picture(page, look, 'admin', '/admin');
    });
  });
}

test('dark is dark and light is light', async () => {
  const brightness = async (colorScheme) => {
    let sum;
    await visit({ colorScheme }, async (page) => {
      await page.goto(shop.url);
      const color = await page.evaluate(() => {
        const canvas = new OffscreenCanvas(1, 1).getContext('2d');
        canvas.fillStyle = getComputedStyle(document.body).backgroundColor;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
      });
      assert.equal(color[3], 255, 'the page has a background of its own');
      sum = color[0] + color[1] + color[2];
    });
    return sum;
  };
  assert.ok((await brightness('dark')) < 255);
  assert.ok((await brightness('light')) > 510);
});

/** Does `story` in a browser that nobody has used, and refuses what the console complains about. */
async function visit(options, story, expected = []) {
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

async function addToCart(page, product) {
  await page.goto(shop.url);
  const name = new RegExp(`^Add .*: ${product}$`);
  assert.equal(await submit(page, page.getByRole('button', { name })), 303);
}

async function signIn(page, password = 'analytical-engine', name = 'ada') {
  await page.goto(`${shop.url}/login`);
  await page.getByLabel(/^(user ?)?name$/i).fill(name);
  await page.getByLabel('Password').fill(password);
  return submit(page, page.getByRole('button', { name: 'Sign in' }));
}

async function signOut(page) {
  await page.goto(`${shop.url}/profile`);
  const button = page.getByRole('button', { name: 'Sign out', exact: true });
  assert.equal(await submit(page, button), 303);
}

/** Presses `button` and waits for the page that follows; the status of the answer to the form. */
async function submit(page, button) {
  const [answer] = await Promise.all([
    page.waitForResponse((response) => response.request().method() === 'POST'),
    page.waitForEvent('load'),
    button.click(),
  ]);
  return answer.status();
}

async function submitLink(page, link) {
  await Promise.all([page.waitForEvent('load'), link.click()]);
}

/** The value of the session's cookie, where the browser has one. */
async function ticket(page) {
  const cookies = await page.context().cookies();
  return cookies.find(({ name }) => name === COOKIE)?.value;
}

function present(cookie, path) {
  return fetch(shop.url + path, { headers: { cookie: `${COOKIE}=${cookie}` } });
}

async function statusOfMe(cookie) {
  return (await present(cookie, '/me')).status;
}

async function cartOf(cookie) {
  return (await present(cookie, '/cart')).json();
}

async function picture(page, look, name, path) {
  await page.goto(shop.url + path);
  await snapshot(page, look, name);
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(content <= window, `${path} is ${content} px wide in a window of ${window} px`);
}

async function snapshot(page, look, name) {
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}-${look}.png`), fullPage: true });
}

/** A shop of our own: a free port, an empty directory. */
async function openShop() {
  const data = mkdtempSync(join(tmpdir(), 'cloakroom-browser-'));
  const addr = `127.0.0.1:${await freePort()}`;
  const url = `http://${addr}`;
  let server;

  async function start() {
    const { SESSION_SECRET, ...env } = process.env;
    server = spawn(PROGRAM, ['demo', '--addr', addr, '--data-dir', data], { env, stdio: 'ignore' });
    server.on('error', (error) => assert.fail(`${PROGRAM} does not start: ${error.message}`));
    await answered(url, server);
  }

  async function kill() {
    if (server.exitCode !== null || server.signalCode !== null) return;
    server.kill('SIGKILL');
    await once(server, 'exit');
  }

  async function close() {
    await kill();
    rmSync(data, { recursive: true });
  }

  await start();
  return { url, start, kill, close };
}

async function answered(url, server) {
  const end = Date.now() + START_LIMIT_MS;
  while (Date.now() < end && server.exitCode === null) {
    if (await fetch(url).then((response) => response.ok, () => false)) return;
    await sleep(50);
  }
  assert.fail(`${PROGRAM} does not answer (exit code ${server.exitCode})`);
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

function fromHere(path) {
  return fileURLToPath(new URL(path, import.meta.url));
}
