// The demo shop in a real browser: what a visitor sees of a session, and what becomes of the cookie.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { startPace } from './pace.mjs';
import { fromHere, launch, openShop, submit, ticket, visit } from './shop.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const SCREENSHOTS = fromHere('../target/screenshots');
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0';
const SAFARI = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1';

let browser;
let shop;

before(async () => {
  shop = await openShop();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await shop?.close();
});

test('signing in changes the id and keeps the cart', async () => {
  await visit(browser, {}, async (page) => {
    await page.goto(shop.url);
    assert.equal(await ticket(page), undefined, 'a visitor who leaves nothing gets no cookie');
    await shop.addToCart(page, 'Wool scarf');
    const before = await ticket(page);
    await shop.signIn(page);
    const after = await ticket(page);
    assert.notEqual(after, before);
    assert.deepEqual(await shop.cartOf(after), { 'wool-scarf': 1 });
    assert.equal(await shop.statusOfMe(before), 401);
    assert.deepEqual(await shop.cartOf(before), {});
  });
});

test('a wrong password signs nobody in', async () => {
  await visit(browser, {}, async (page) => {
    assert.equal(await shop.signIn(page, 'difference-engine'), 401);
    await page.getByRole('alert').waitFor();
    await page.goto(`${shop.url}/profile`);
    await page.waitForURL(/\/login/);
  }, [/status of 401/]);
});

test('a killed server loses neither the user nor the cart', async () => {
  await visit(browser, {}, async (page) => {
    await shop.signIn(page);
    await shop.addToCart(page, 'Wool scarf');
    await shop.addToCart(page, 'Wool scarf');
    await shop.addToCart(page, 'Felt hat');
    const cart = await shop.cartOf(await ticket(page));
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
  await visit(browser, { userAgent: SAFARI }, async (phone) => {
    await shop.signIn(phone);
    await shop.addToCart(phone, 'Wool scarf');
    await phone.goto(`${shop.url}/cart`);
    await phone.evaluate(() => { window.loadedOnce = true; });
    const before = await ticket(phone);
    await visit(browser, { userAgent: FIREFOX }, async (desk) => {
      await shop.signIn(desk);
      await desk.goto(`${shop.url}/devices`);
      await desk.getByRole('heading', { name: 'Firefox on Linux this browser' }).waitFor();
      await picture(desk, 'light', 'devices', '/devices');
      const others = desk.getByRole('button', { name: /^Sign out ?: Safari on iPhone/ });
      assert.equal(await others.count(), 1, 'the phone is the only one of its kind');
      const pace = await startPace();
      assert.equal(await submit(desk, others), 303);
      await phone.getByRole('heading', { name: 'You are signed out' }).waitFor();
      const [after, bound] = [pace.took(), await pace.allows(3000)];
      assert.ok(after < bound, `it took ${after} ms of ${bound} to say so`);
      pace.stop();
    });
    assert.equal(await phone.evaluate(() => window.loadedOnce), true, 'the page was not loaded again');
    assert.equal(await phone.locator('.count').count(), 0, 'the cart is empty');
    assert.equal(await phone.getByText('Wool scarf').count(), 0);
    await snapshot(phone, 'light', 'ended');
    assert.equal(await shop.statusOfMe(before), 401);
    await submitLink(phone, phone.getByRole('link', { name: 'Sign in' }).last());
    assert.equal(await shop.signIn(phone), 303);
  });
});

test('what one tab puts into the cart, the other shows', async () => {
  await visit(browser, {}, async (page) => {
    await shop.addToCart(page, 'Wool scarf');
    const tab = await page.context().newPage();
    await tab.goto(`${shop.url}/how`);
    await shop.addToCart(page, 'Felt hat');
    await tab.locator('nav .count', { hasText: '2' }).waitFor();
  });
});

test('Z10: the cart that one tab shows follows what another puts in, list and total alike', async () => {
  await visit(browser, {}, async (page) => {
    await shop.addToCart(page, 'Wool scarf');
    const tab = await page.context().newPage();
    await tab.goto(`${shop.url}/cart`);
    await tab.getByRole('heading', { name: 'Wool scarf' }).waitFor();
    await shop.addToCart(page, 'Felt hat');
    await tab.getByRole('heading', { name: 'Felt hat' }).waitFor();
    assert.deepEqual(await total(tab), await total(await reloaded(tab)));
  });
});

test('Z10: a quantity that is being typed is not taken away, and its form still works', async () => {
  await visit(browser, {}, async (page) => {
    await shop.addToCart(page, 'Wool scarf');
    const tab = await page.context().newPage();
    await tab.goto(`${shop.url}/cart`);
    await tab.getByLabel('Quantity of Wool scarf').fill('7');
    await shop.signIn(page);
    await tab.locator('nav', { hasText: 'ada' }).waitFor();
    assert.equal(await tab.getByLabel('Quantity of Wool scarf').inputValue(), '7');
    assert.equal(await submit(tab, tab.getByRole('button', { name: /^Update/ })), 303);
    assert.deepEqual(await shop.cartOf(await ticket(page)), { 'wool-scarf': 7 });
  });
});

for (const [whose, prepare] of [
  ['without a session', async () => {}],
  ['with a cart', (page) => shop.addToCart(page, 'Wool scarf')],
]) {
  test(`Z10: a tab ${whose} learns of a login and a logout in another`, async () => {
    await visit(browser, {}, async (page) => {
      await prepare(page);
      const tab = await page.context().newPage();
      await tab.goto(shop.url);
      await tab.getByRole('link', { name: 'Sign in' }).first().waitFor();
      await shop.signIn(page);
      await tab.getByRole('link', { name: 'Signed in as ada' }).waitFor();
      await shop.signOut(page);
      await tab.getByRole('heading', { name: 'You are signed out' }).waitFor();
    });
  });
}

test('Z10: sessions are ended after a question, which says how many they are', async () => {
  await visit(browser, {}, async (page) => {
    await shop.signIn(page);
    await visit(browser, {}, async (desk) => {
      await shop.signIn(desk, 'nanoseconds', 'grace');
      await desk.goto(`${shop.url}/admin`);
      const row = desk.getByRole('listitem').filter({ hasText: 'ada' });
      const button = row.getByRole('button', { name: /^End (1|all \d+) session/ });
      assert.equal(await button.isVisible(), false);
      await row.getByText('End every session').click();
      assert.equal(await submit(desk, button), 303);
    });
    await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
  });
});

test('a sign-in in one tab signs nobody out in the other', async () => {
  await visit(browser, {}, async (page) => {
    await shop.addToCart(page, 'Wool scarf');
    const tab = await page.context().newPage();
    await tab.goto(`${shop.url}/cart`);
    await sleep(300);
    await shop.signIn(page);
    await shop.addToCart(page, 'Felt hat');
    await tab.locator('nav .count', { hasText: '2' }).waitFor();
    assert.equal(await tab.getByRole('heading', { name: 'You are signed out' }).count(), 0);
  });
});

test('a new password asks for the old one, and signs the others out', async () => {
  await visit(browser, {}, async (page) => {
    await shop.signIn(page);
    await visit(browser, {}, async (other) => {
      await shop.signIn(other);
      await page.goto(`${shop.url}/password`);
      await page.getByLabel('Current password').fill('nanoseconds');
      await page.getByLabel('New password').fill('analytical-engine');
      assert.equal(await submit(page, page.getByRole('button', { name: 'Change it' })), 403);
      await page.getByRole('alert').waitFor();
      await page.getByLabel('Current password').fill('analytical-engine');
      await page.getByLabel('New password').fill('analytical-engine');
      assert.equal(await submit(page, page.getByRole('button', { name: 'Change it' })), 303);
      await other.getByRole('heading', { name: 'You are signed out' }).waitFor();
    });
    await page.goto(`${shop.url}/profile`);
    await page.getByRole('heading', { name: 'ada' }).waitFor();
  }, [/status of 403/]);
});

test('after signing out, the old cookie opens nothing', async () => {
  await visit(browser, {}, async (page) => {
    await shop.signIn(page);
    await shop.addToCart(page, 'Wool scarf');
    const old = await ticket(page);
    assert.equal(await shop.statusOfMe(old), 200);
    await shop.signOut(page);
    assert.equal(await ticket(page), undefined);
    assert.equal(await shop.statusOfMe(old), 401);
    assert.deepEqual(await shop.cartOf(old), {});
  });
});

test('everything works without JavaScript', async () => {
  await visit(browser, { javaScriptEnabled: false }, async (page) => {
    await shop.addToCart(page, 'Felt hat');
    await page.goto(`${shop.url}/cart`);
    await page.getByLabel('Quantity of Felt hat').fill('3');
    await submit(page, page.getByRole('button', { name: /^Update/ }));
    assert.equal(await page.getByLabel('Quantity of Felt hat').inputValue(), '3');
    await shop.signIn(page);
    assert.deepEqual(await shop.cartOf(await ticket(page)), { 'felt-hat': 3 });
    await page.goto(`${shop.url}/cart`);
    await submit(page, page.getByRole('button', { name: /^Remove/ }));
    await page.getByText('There is nothing in it yet').waitFor();
    await shop.signOut(page);
  });
});

const LOOKS = {
  light: { colorScheme: 'light' },
  dark: { colorScheme: 'dark' },
  phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
};

for (const [look, options] of Object.entries(LOOKS)) {
  test(`every page fits its window: ${look}`, async () => {
    await visit(browser, options, async (page) => {
      await picture(page, look, 'login', '/login');
      await shop.addToCart(page, 'Wool scarf');
      await shop.addToCart(page, 'Felt hat');
      await picture(page, look, 'front', '/');
      await picture(page, look, 'cart', '/cart');
      await shop.signIn(page);
      await picture(page, look, 'profile', '/profile');
      await picture(page, look, 'devices', '/devices');
      await picture(page, look, 'password', '/password');
      await picture(page, look, 'how', '/how');
      await picture(page, look, 'forbidden', '/admin');
      await picture(page, look, 'missing', '/nowhere');
      await shop.signIn(page, 'nanoseconds', 'grace');
      await picture(page, look, 'admin', '/admin');
      await page.getByText('End every session').first().click();
      await check(page, look, 'admin-asks');
    }, [/status of 40[34]/]);
  });
}

test('dark is dark and light is light', async () => {
  const brightness = async (colorScheme) => {
    let sum;
    await visit(browser, { colorScheme }, async (page) => {
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

async function submitLink(page, link) {
  await Promise.all([page.waitForEvent('load'), link.click()]);
}

async function picture(page, look, name, path) {
  await page.goto(shop.url + path);
  await check(page, look, name);
}

/** The page is no wider than its window, and axe finds nothing. */
async function check(page, look, name) {
  await page.waitForLoadState('load');
  await snapshot(page, look, name);
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(content <= window, `${name} is ${content} px wide in a window of ${window} px`);
  const { violations } = await page.evaluate(`${AXE}; axe.run()`);
  const found = violations.map(({ id, nodes }) => `${name}: ${id} at ${nodes.map(({ target }) => target).join(', ')}`);
  assert.deepEqual(found, []);
}

function total(page) {
  return page.locator('.total strong').textContent();
}

async function reloaded(page) {
  await page.reload();
  return page;
}

async function snapshot(page, look, name) {
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}-${look}.png`), fullPage: true });
}
