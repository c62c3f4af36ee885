// V2, V3: requests that another tab sent with the id of before, and that arrive after it was replaced.
// They never sign out whoever just signed in, and their answers never carry a session's cookie.
// `ROUNDS=200` plays each case that often.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { launch, openShop, PASSWORD, ticket, visit } from './shop.mjs';
import { openSlowLine } from './slow_line.mjs';

const ROUNDS = Number(process.env.ROUNDS ?? 5);
const ROUND_TRIP_MS = 100;
const RENEWAL_S = 1;
const COMPLAINTS = [/Failed to load resource/, /WebSocket/];
/** What a tab has under way: pages, a form with a token, a change, connections. */
const LATE = ['/profile?late', '/login?late', '/cart?late', '/ws?late', '/socket.io/?late&EIO=4&transport=polling'];

let browser;

before(async () => {
  browser = await launch();
});

after(async () => {
  await browser?.close();
});

describe('a late request after a change of the id', () => {
  let shop;
  let line;

  before(async () => {
    shop = await openShop();
    line = await openSlowLine(shop.url, ROUND_TRIP_MS);
  });

  after(async () => {
    await line?.close();
    await shop?.close();
  });

  rounds('V2: a login', async (page) => {
    await post(page, '/cart', { sku: 'wool-scarf' });
    return () => login(page);
  });

  rounds('V2: a step-up', async (page) => {
    await login(page);
    return () => login(page);
  });

  rounds('V2: a change of the password', async (page) => {
    await login(page);
    return () => post(page, '/password', { current: PASSWORD, password: PASSWORD });
  });

  rounds('V2: a logout and a login', async (page) => {
    await login(page);
    return async () => {
      await post(page, '/logout');
      await login(page);
    };
  });

  function rounds(name, begin) {
    test(`${name}, ${ROUNDS} times`, async () => {
      for (let round = 1; round <= ROUNDS; round++) {
        await visit(browser, {}, (page) => play(line, page, begin, `round ${round}`), COMPLAINTS);
      }
    });
  }
});

describe('a late request after a renewal', () => {
  let shop;
  let line;

  before(async () => {
    shop = await openShop('--renewal-timeout', `${RENEWAL_S}s`);
    line = await openSlowLine(shop.url, ROUND_TRIP_MS);
  });

  after(async () => {
    await line?.close();
    await shop?.close();
  });

  test(`V3: it goes on in the successor, ${ROUNDS} times`, async () => {
    for (let round = 1; round <= ROUNDS; round++) {
      await visit(browser, {}, async (page) => {
        const renew = async () => {
          await login(page);
          return () => page.evaluate(() => fetch('/me').then((answer) => answer.status));
        };
        const late = await play(line, page, renew, `round ${round}`, RENEWAL_S * 1000 + 50);
        const status = Object.fromEntries(late.map(({ path, status }) => [path, status]));
        assert.equal(status['/profile?late'], 200, `round ${round}: the page`);
        assert.equal(status['/cart?late'], 200, `round ${round}: the change`);
      }, COMPLAINTS);
    }
  });
});

/**
 * Has one tab change the id while what the other has sent with the old one is still on its way; it
 * arrives while the answer with the new cookie does. The id is `age` ms old by then, and the exchanges
 * that were late are returned.
 */
async function play(line, page, begin, where, age = 0) {
  line.release();
  await page.goto(`${line.url}/how`);
  const change = await begin(page);
  const tab = await page.context().newPage();
  await tab.goto(`${line.url}/how`);
  await sleep(age);
  const before = await ticket(page);

  line.forget();
  line.hold();
  await tab.evaluate(send, LATE);
  const isLate = ({ path }) => path.includes('late');
  await line.seen(LATE.length, isLate, `${where}: requests on their way`);
  const changing = change();
  await line.seen(1, (exchange) => !isLate(exchange) && renames(exchange, before), `${where}: another id`);
  line.release();
  await changing;
  const late = await line.seen(LATE.length, (exchange) => isLate(exchange) && exchange.status, `${where}: late answers`);
  await sleep(2 * ROUND_TRIP_MS);

  for (const { path, cookie, cookies } of late) {
    assert.ok(cookie?.includes(before), `${where}: ${path} was sent with the id of before`);
    assert.deepEqual(cookies, [], `${where}: ${path} is answered with a cookie`);
  }
  await page.goto(`${line.url}/profile`);
  assert.equal(await page.getByRole('heading', { name: 'ada' }).count(), 1, `${where}: signed out`);
  return late;
}

/** Whether an answer gives the browser a session's cookie that is not the one before. */
function renames({ cookies }, before) {
  return cookies?.some((field) => /^connect\.sid=[^;]/.test(field) && !field.includes(before)) ?? false;
}

/** In the page: sends all of them, and waits for none. */
function send(paths) {
  for (const path of paths) {
    if (path.startsWith('/ws')) {
      new WebSocket(`ws://${location.host}${path}`);
    } else if (path.startsWith('/cart')) {
      const headers = { 'content-type': 'application/json' };
      fetch(path, { method: 'POST', headers, body: '{"sku":"felt-hat"}' }).catch(() => {});
    } else {
      fetch(path, { headers: { accept: 'text/html' } }).catch(() => {});
    }
  }
}

function login(page) {
  return post(page, '/login', { username: 'ada', password: PASSWORD });
}

/** As a script of the page does. */
async function post(page, path, body) {
  const status = await page.evaluate(async ([path, body]) => {
    const headers = { 'content-type': 'application/json', accept: 'application/json' };
    return (await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) })).status;
  }, [path, body]);
  assert.ok(status < 300, `${path}: ${status}`);
}
