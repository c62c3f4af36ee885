// The operators' console in a real browser, beside a shop on the same store: what an operator sees and ends, who is
// refused, and how the pages look.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { chromium } from 'playwright-core';

import { CHROMIUM, FLAGS, PROGRAM, answered, freePort, fromHere, launch, openShop, submit, ticket, visit } from './shop.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const SCREENSHOTS = fromHere('../target/screenshots');
const SECRET = 'pM1tP1j8w9h1sX5bC0cZb0Q6m8rT7nK2uY4vE3aL9dGfHiJk';
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0';
const SAFARI = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1';
// A browser says so of every page that has an error's status.
const STATUS = /the server responded with a status of 4\d\d/;

/** The console, beside a shop on its store. */
class Desk {
  #folder = mkdtempSync(join(tmpdir(), 'cloakroom-console-'));
  #server;
  #out = '';

  static async open(store, ...flags) {
    const desk = new Desk();
    desk.store = store ?? `sqlite:${join(desk.#folder, 'sessions.db')}`;
    desk.shop = await openShop('--store', desk.store, '--secret', SECRET);
    desk.addr = `127.0.0.1:${await freePort()}`;
    desk.url = `http://${desk.addr}`;
    await desk.start(...flags);
    return desk;
  }

  async start(...flags) {
    const words = ['console', '--addr', this.addr, '--operator', 'grace', '--audit', join(this.#folder, 'acts.jsonl'), ...flags];
    const { CLOAKROOM_AUDIT, SESSION_SECRET_FILE, ...env } = process.env;
    this.#out = '';
    this.#server = spawn(PROGRAM, words, {
      env: { ...env, CLOAKROOM_STORE: this.store, SESSION_SECRET: SECRET },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#server.stdout.on('data', (text) => { this.#out += text; });
    await answered(this.url, this.#server);
  }

  async stop() {
    if (this.#server.exitCode !== null || this.#server.signalCode !== null) return;
    this.#server.kill('SIGKILL');
    await once(this.#server, 'exit');
  }

  async close() {
    await this.stop();
    await this.shop.close();
    rmSync(this.#folder, { recursive: true });
  }

  /** The latest link that the terminal shows; each is good for one browser. */
  async link(used) {
    for (let tries = 0; tries < 200; tries += 1) {
      const link = this.#out.match(/http:\S+#token=\S+/g)?.at(-1);
      if (link && link !== used) return link;
      await sleep(20);
    }
    return assert.fail(`no link: ${this.#out}`);
  }

  /** Opens the console as the operator at the terminal does. */
  async enter(page) {
    const link = await this.link();
    await page.goto(link);
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    await this.link(link);
  }

  /** A visitor of the shop who has signed in, on a page that is open. */
  async visitor(page, name = 'ada', password) {
    await this.shop.signIn(page, password, name);
    await page.goto(`${this.shop.url}/cart`);
    await page.waitForLoadState('networkidle');
  }
}

let browser;
let desk;

before(async () => {
  [browser, desk] = await Promise.all([launch(), Desk.open(undefined, '--reveal')]);
});

after(async () => {
  await browser?.close();
  await desk?.close();
});

async function redis() {
  const port = await freePort();
  const words = ['--port', port, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', tmpdir()];
  const server = spawn('redis-server', words, { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  for await (const text of server.stdout) {
    said += text;
    if (/Ready to accept connections/.test(said)) break;
  }
  return { url: `redis://127.0.0.1:${port}`, stop: () => { server.kill('SIGKILL'); return once(server, 'exit'); } };
}

test('the link of the terminal opens the console in one browser, and is gone from its address', async () => {
  await visit(browser, {}, async (page) => {
    const link = await desk.link();
    await page.goto(link);
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    assert.equal(page.url(), `${desk.url}/`);
    const cookies = await page.context().cookies();
    const { httpOnly, sameSite, path } = cookies.find(({ name }) => name.startsWith('cloakroom_console_'));
    assert.deepEqual({ httpOnly, sameSite, path }, { httpOnly: true, sameSite: 'Strict', path: '/' });
    await page.goBack();
    assert.ok(!page.url().includes('token'), 'nor is it in the history');
    const next = await desk.link(link);
    await page.goto(next);
    await page.waitForURL(`${desk.url}/`);
    await page.goto(`${desk.url}/sessions`);
    await page.goto(next.replace('/#', '/sessions#'));
    await page.waitForURL(`${desk.url}/sessions`);
    assert.equal(await desk.link(), next, 'whoever has entered uses none up');
    await visit(browser, {}, async (other) => {
      await other.goto(link);
      await other.getByRole('alert').waitFor();
      assert.equal(await other.getByRole('heading', { name: 'Overview' }).count(), 0);
    }, [STATUS]);
  }, [STATUS]);
});

for (const store of ['SQLite', 'Redis']) {
  test(`an operator finds a visitor and ends the session: browser and socket are out, on ${store}`, async () => {
    const server = store === 'Redis' ? await redis() : undefined;
    const own = server ? await Desk.open(server.url) : desk;
    try {
      await visit(browser, { userAgent: SAFARI }, async (phone) => {
        await own.visitor(phone);
        await visit(browser, { userAgent: FIREFOX }, async (other) => {
          await own.visitor(other);
          const [ended, kept] = [await ticket(phone), await ticket(other)];
          await visit(browser, {}, async (page) => {
            await own.enter(page);
            await search(page, 'ada');
            await page.getByRole('heading', { name: 'ada' }).waitFor();
            await page.getByRole('link', { name: 'Safari on iPhone' }).first().click();
            await page.getByLabel('Reason').fill('stolen phone');
            assert.equal(await submit(page, page.getByRole('button', { name: 'End this session' })), 303);
            await page.getByRole('status').filter({ hasText: '1 session ended.' }).waitFor();
            await page.getByRole('cell', { name: 'stolen phone' }).first().waitFor();
          }, [STATUS]);
          await phone.getByRole('heading', { name: 'You are signed out' }).waitFor();
          assert.equal(await own.shop.statusOfMe(ended), 401);
          assert.equal(await own.shop.statusOfMe(kept), 200);
          await visit(browser, {}, async (page) => {
            await own.enter(page);
            await search(page, 'ada');
            assert.equal(await submit(page, page.getByRole('button', { name: /^End \d+ session/ })), 303);
          }, [STATUS]);
          await other.getByRole('heading', { name: 'You are signed out' }).waitFor();
          assert.equal(await own.shop.statusOfMe(kept), 401);
        });
      });
    } finally {
      if (server) {
        await own.close();
        await server.stop();
      }
    }
  });
}

test('what one operator ends, another sees without a reload, and that the console is gone as well', async () => {
  const own = await Desk.open();
  try {
    await visit(browser, {}, async (visitor) => {
      await own.visitor(visitor);
      await visit(browser, {}, async (page) => {
        await own.enter(page);
        await page.goto(`${own.url}/ended`);
        await page.locator('#live[data-state="live"]').waitFor();
        await page.evaluate(() => { window.loadedOnce = true; });
        await visit(browser, {}, async (other) => {
          await own.enter(other);
          await other.goto(`${own.url}/user?name=ada`);
          assert.equal(await submit(other, other.getByRole('button', { name: 'End 1 session' })), 303);
        }, [STATUS]);
        await page.getByRole('cell', { name: 'user sessions ended' }).waitFor();
        assert.equal(await page.evaluate(() => window.loadedOnce), true);
        await own.stop();
        await page.getByText(/^Not live since/).waitFor();
        await picture(page, 'light', 'console-lost');
        // Its logins have ended with it.
        await own.start();
        await page.getByLabel('Token').waitFor();
      }, [STATUS, /ERR_/]);
    });
  } finally {
    await own.close();
  }
});

test('metrics count the live sessions, on a listener of their own', async () => {
  const port = await freePort();
  const own = await Desk.open(undefined, '--metrics-addr', `127.0.0.1:${port}`);
  try {
    await visit(browser, {}, async (visitor) => {
      await own.visitor(visitor);
      const begin = Date.now() / 1000;
      let text = '';
      for (let tries = 0; tries < 300 && !/^cloakroom_sessions_live 1$/m.test(text); tries += 1) {
        await sleep(100);
        text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      }
      assert.match(text, /^cloakroom_sessions_live 1$/m);
      assert.match(text, /^cloakroom_build_info\{version="[\d.]+"\} 1$/m);
      const [, counted] = text.match(/^cloakroom_sessions_counted_timestamp_seconds (\S+)$/m);
      assert.ok(Math.abs(Number(counted) - begin) < 120, counted);
      const refused = await fetch(`${own.url}/metrics`, { redirect: 'manual' });
      assert.notEqual(refused.status, 200);
    });
  } finally {
    await own.close();
  }
});

test('all that match end once their number was agreed to', async () => {
  await visit(browser, { userAgent: FIREFOX }, async (visitor) => {
    await desk.visitor(visitor, 'grace', 'nanoseconds');
    await visit(browser, {}, async (page) => {
      await desk.enter(page);
      await page.goto(`${desk.url}/sessions`);
      await page.getByText('Conditions').click();
      await page.getByLabel('A key has a value').fill('userId=grace');
      await page.getByRole('button', { name: 'Show' }).click();
      await page.getByRole('link', { name: 'End all that match…' }).click();
      await page.getByRole('heading', { name: 'End 1 session?' }).waitFor();
      await picture(page, 'light', 'console-confirm');
      // One more has signed in meanwhile.
      await visit(browser, {}, async (more) => { await desk.visitor(more, 'grace', 'nanoseconds'); });
      assert.equal(await submit(page, page.getByRole('button', { name: 'End 1 session' })), 409);
      await page.getByRole('alert').filter({ hasText: 'Nothing was ended' }).waitFor();
      assert.equal(await submit(page, page.getByRole('button', { name: 'End 2 sessions' })), 303);
    }, [STATUS]);
    await visitor.getByRole('heading', { name: 'You are signed out' }).waitFor();
  });
});

test('without JavaScript the token is pasted, and all but "live" works', async () => {
  await visit(browser, {}, async (visitor) => {
    await desk.visitor(visitor);
    await visit(browser, { javaScriptEnabled: false }, async (page) => {
      const link = await desk.link();
      await page.goto(desk.url);
      await page.getByLabel('Token').fill(link.split('token=')[1]);
      assert.equal(await submit(page, page.getByRole('button', { name: 'Enter' })), 303);
      await desk.link(link);
      await page.getByText('As of this page').waitFor();
      await search(page, 'ada');
      assert.equal(await submit(page, page.getByRole('button', { name: /^End \d+ session/ })), 303);
      await page.getByRole('status').filter({ hasText: 'ended.' }).waitFor();
      for (const path of ['/', '/sessions', '/user?name=ada', '/ended']) {
        await page.goto(desk.url + path);
        await as(await page.content(), (copy) => picture(copy, 'plain', `console-${path.match(/\w+|$/)[0] || 'overview'}`));
      }
      assert.equal(await submit(page, page.getByRole('button', { name: 'Sign out' })), 303);
      await page.getByLabel('Token').waitFor();
    }, [STATUS]);
    await visitor.getByRole('heading', { name: 'You are signed out' }).waitFor();
  });
});

test('a page of another port of this machine can neither read, nor end, nor frame it', async () => {
  const forms = ['/user/end', '/session/end', '/end', '/enter'];
  const page = `<!doctype html><title>x</title><link rel="icon" href="data:,">
    <iframe src="${desk.url}/"></iframe>
    ${forms.map((path) => `<form method="post" action="${desk.url}${path}" target="t"><input name="user" value="ada"><button>${path}</button></form>`).join('')}
    <iframe name="t"></iframe>`;
  const other = createServer((_, answer) => answer.setHeader('content-type', 'text/html').end(page)).listen(0, '127.0.0.1');
  await once(other, 'listening');
  try {
    await visit(browser, {}, async (visitor) => {
      await desk.visitor(visitor);
      await visit(browser, {}, async (tab) => {
        await desk.enter(tab);
        await tab.goto(`http://127.0.0.1:${other.address().port}/`);
        await tab.waitForLoadState('load');
        assert.ok(tab.frames().slice(1).every((frame) => !frame.url().startsWith(desk.url)), 'it is in a frame');
        for (const path of forms) {
          const [answer] = await Promise.all([
            tab.waitForResponse((response) => response.url() === desk.url + path),
            tab.getByRole('button', { name: path, exact: true }).click(),
          ]);
          assert.equal(answer.status(), 403, path);
        }
        const read = await tab.evaluate((url) => Promise.all(['/', '/sessions', '/live'].map((path) => fetch(url + path, { credentials: 'include' }).then(() => 'read', () => 'refused'))), desk.url);
        assert.deepEqual(read, ['refused', 'refused', 'refused']);
      }, [/./]);
      assert.equal(await desk.shop.statusOfMe(await ticket(visitor)), 200);
    });
  } finally {
    other.close();
    other.closeAllConnections();
  }
});

test('a foreign name that leads to this machine is refused, whatever its cookies are', async () => {
  const rebound = await chromium.launch({ executablePath: CHROMIUM, args: [...FLAGS, '--host-resolver-rules=MAP evil.example 127.0.0.1'] });
  try {
    await visit(rebound, {}, async (page) => {
      const link = await desk.link();
      const answer = await page.goto(link.replace('127.0.0.1', 'evil.example'));
      assert.equal(answer.status(), 403);
      await page.getByText('not known by this host name').waitFor();
      assert.equal(await desk.link(), link, 'the token is still good');
      await page.goto(link.replace('127.0.0.1', 'localhost'));
      await page.getByRole('heading', { name: 'Overview' }).waitFor();
      await desk.link(link);
    }, [STATUS, /evil\.example|origin was untrustworthy/]);
  } finally {
    await rebound.close();
  }
  const status = await new Promise((resolve) => {
    const [hostname, port] = desk.addr.split(':');
    request({ hostname, port, headers: { host: 'shop.example' } }, (answer) => resolve(answer.statusCode)).end();
  });
  assert.equal(status, 403);
});

test('a value is revealed one by one, and that is on the record', async () => {
  await visit(browser, {}, async (visitor) => {
    await desk.visitor(visitor);
    await desk.shop.addToCart(visitor, 'Felt hat');
    await visit(browser, {}, async (page) => {
      await desk.enter(page);
      await page.goto(`${desk.url}/user?name=ada`);
      await page.locator('tbody td:nth-child(2) a').first().click();
      assert.equal(await page.getByText('felt-hat').count(), 0);
      assert.equal(await submit(page, page.getByRole('button', { name: 'Reveal cart' })), 200);
      await page.getByText('felt-hat').waitFor();
      await picture(page, 'light', 'console-revealed');
      await page.goto(`${desk.url}/ended`);
      await page.getByRole('cell', { name: 'revealed a value' }).first().waitFor();
    }, [STATUS]);
  });
});

test('the keyboard reaches everything, and shows where it is', async () => {
  await visit(browser, {}, async (page) => {
    await desk.enter(page);
    await page.keyboard.press('Tab');
    assert.equal(await focused(page), 'Skip to content');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
    await page.goto(`${desk.url}/sessions`);
    const reached = [];
    for (let presses = 0; presses < 20 && !reached.includes('Conditions'); presses += 1) {
      await page.keyboard.press('Tab');
      reached.push(await focused(page));
      const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
      assert.notEqual(outline, 'none', `${reached.at(-1)} shows no focus`);
    }
    for (const name of ['Overview', 'Sessions', 'Ended by operators', 'Search', 'Sign out', 'Conditions']) {
      assert.ok(reached.includes(name), `${name} is not among ${reached}`);
    }
    await page.getByText('Conditions').focus();
    await picture(page, 'light', 'console-focus');
    await page.keyboard.press('Enter');
    await page.getByLabel('User agent has').waitFor();
  }, [STATUS]);
});

function focused(page) {
  return page.evaluate(() => document.activeElement.textContent.trim());
}

const LOOKS = {
  light: { colorScheme: 'light' },
  dark: { colorScheme: 'dark' },
  phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
  // A window of 1280 by 800 at 200 %.
  zoom: { viewport: { width: 640, height: 400 }, deviceScaleFactor: 2 },
};

for (const [look, options] of Object.entries(LOOKS)) {
  test(`every page of the console fits its window, and axe finds nothing: ${look}`, async () => {
    await visit(browser, { userAgent: FIREFOX }, async (visitor) => {
      await desk.visitor(visitor);
      await visit(browser, options, async (page) => {
        await page.goto(desk.url);
        await picture(page, look, 'console-enter');
        await desk.enter(page);
        await page.getByText('Counted one by one').waitFor();
        await picture(page, look, 'console-overview');
        for (const summary of await page.getByText('Numbers').all()) await summary.click();
        await picture(page, look, 'console-numbers');
        await page.goto(`${desk.url}/sessions`);
        await page.getByText('Conditions').click();
        await picture(page, look, 'console-sessions');
        for (const [name, path] of [
          ['wrong', '/sessions?older=soon'],
          ['search', '/search?q=ad'],
          ['user', '/user?name=ada'],
          ['nobody', '/user?name=nobody-of-this-name'],
          ['confirm', '/end?user=ada'],
          ['ended', '/ended'],
          ['missing', '/nowhere'],
        ]) {
          await page.goto(desk.url + path);
          await picture(page, look, `console-${name}`);
        }
        await page.goto(`${desk.url}/user?name=ada`);
        await page.locator('tbody td:nth-child(2) a').first().click();
        await page.getByRole('heading', { name: 'End this session' }).waitFor();
        await picture(page, look, 'console-session');
      }, [STATUS]);
    });
  });
}

/** A page as it is without its scripts, in a browser in which axe can look at it. */
async function as(content, look) {
  await visit(browser, {}, async (page) => {
    const body = content.replaceAll(/<script.*?<\/script>/g, '');
    await page.route('**/copy', (route) => route.fulfill({ contentType: 'text/html', body }));
    await page.goto(`${desk.url}/copy`);
    await look(page);
  });
}

async function search(page, text) {
  await page.getByRole('searchbox').fill(text);
  await Promise.all([page.waitForEvent('load'), page.getByRole('button', { name: 'Search' }).click()]);
}

/** Takes a picture of a page, which is no wider than its window and in which axe finds nothing. */
async function picture(page, look, name) {
  await page.waitForLoadState('load');
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}-${look}.png`), fullPage: true });
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(content <= window, `${name} is ${content} px wide in a window of ${window} px`);
  const { violations } = await page.evaluate(`${AXE}; axe.run()`);
  const found = violations.map(({ id, nodes }) => `${name}: ${id} at ${nodes.map(({ target }) => target).join(', ')}`);
  assert.deepEqual(found, []);
}
