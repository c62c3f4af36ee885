// A login by OpenID Connect, in Chromium, with a real provider: the shop is at 127.0.0.1 and the provider at
// localhost, which are two sites.

import assert from 'node:assert/strict'
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import { exportJWK, SignJWT, UnsecuredJWT } from 'jose'
import { chromium } from 'playwright-core'

import { CHROMIUM, freePort, fromHere, ready, startExample, temporary } from './support.mjs'

const EVENT = { 'http://schemas.openid.net/event/backchannel-logout': {} }
/** The provider's pages name a font elsewhere. */
const ALONE = '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1'
const MODES = ['query', 'form_post']
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const strange = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey

let browser, sites, shop

before(async () => {
  browser = await chromium.launch({ ...CHROMIUM, args: [...CHROMIUM.args, ALONE] })
  sites = { query: await openSite([]), form_post: await openSite(['--form-post']) }
  shop = sites.form_post
})

after(async () => {
  await browser?.close()
  for (const site of Object.values(sites ?? {})) await site.stop()
})

for (const mode of MODES) {
  test(`a login by ${mode} gives another id, in a cookie that is SameSite=Strict`, async () => {
    const site = sites[mode]
    const page = await newPage()
    const callbacks = []
    page.on('request', request => { if (new URL(request.url()).pathname === '/callback') callbacks.push(request) })
    await page.goto(`${site.url}/private?a=b`)
    const before = await cookieOf(page, site)
    await signInThere(page, 'ada')
    assert.equal(page.url(), `${site.url}/private?a=b`)
    assert.equal(await page.textContent('h1'), 'Hello, ada')
    const cookie = await cookieOf(page, site)
    assert.equal(cookie.sameSite, 'Strict')
    assert.ok(cookie.httpOnly)
    assert.notEqual(cookie.value, before.value)
    // The provider's answer carries no cookie, and the login finds its state all the same.
    const [callback, ...others] = callbacks
    assert.deepEqual(others, [])
    assert.equal(callback.method(), mode === 'query' ? 'GET' : 'POST')
    assert.equal(await callback.headerValue('cookie'), null)
    assert.equal(new URL(callback.url()).searchParams.has('code'), mode === 'query')
    // What the planted id opened before the login is gone with it.
    await page.context().addCookies([before])
    assert.equal(await who(page, site), null)
  })

  test(`a logout at the provider, by ${mode}, ends the session that came from it and no other`, async () => {
    const site = sites[mode]
    const [here, elsewhere, other] = [await signedIn(site), await signedIn(site), await signedIn(site, 'grace')]
    await here.goto(`${site.issuer}/session/end`)
    await here.click('button[value=yes]')
    await here.waitForLoadState()
    assert.deepEqual(await site.sent(), { ok: 1, failed: 0 })
    assert.equal(await who(here, site), null)
    assert.equal(await who(elsewhere, site), 'ada')
    assert.equal(await who(other, site), 'grace')
  })
}

test('a logout here is one at the provider', async () => {
  const page = await signedIn(shop)
  await page.goto(shop.url)
  await page.click('text=Sign out')
  await page.click('button[value=yes]')
  await page.waitForURL(`${shop.url}/`)
  assert.equal(await who(page, shop), null)
  // It asks for the password again.
  await page.goto(`${shop.url}/private`)
  await page.waitForSelector('input[name=login]')
})

test('who is signed in at the provider signs in here without a password, and with one where it is asked for', async () => {
  const page = await signedIn(shop)
  await page.context().clearCookies({ name: 'connect.sid' })
  await page.goto(`${shop.url}/private`)
  await page.waitForURL(`${shop.url}/private`)
  const cookie = await cookieOf(page, shop)
  await page.goto(`${shop.url}/login?next=/settings&again=1`)
  await signInThere(page, 'ada')
  assert.equal(page.url(), `${shop.url}/settings`)
  assert.notEqual((await cookieOf(page, shop)).value, cookie.value)
})

test('a login that was to be asked for again, and was not, is refused', async () => {
  const page = await signedIn(shop)
  await shop.control({ careless: true })
  const cookie = await cookieOf(page, shop)
  await page.goto(`${shop.url}/login?next=/settings&again=1`)
  await page.waitForURL(`${shop.url}/login/finish`)
  assert.match(await page.textContent('[role=alert]'), /older than was asked for/)
  assert.equal((await cookieOf(page, shop)).value, cookie.value)
})

test('who comes by a link of another site is still signed in, by the session they had', async () => {
  const page = await signedIn(shop)
  const cookie = await cookieOf(page, shop)
  await page.goto(`${shop.issuer}/control`)
  const without = page.waitForRequest(`${shop.url}/private`)
  await page.evaluate(url => { location.href = url }, `${shop.url}/private`)
  assert.equal(await (await without).headerValue('cookie'), null)
  await page.waitForSelector('text=Hello, ada')
  assert.equal(page.url(), `${shop.url}/private`)
  assert.equal((await cookieOf(page, shop)).value, cookie.value)
})

test('two tabs sign in at once, and both arrive', async () => {
  const first = await newPage()
  const second = await first.context().newPage()
  await first.goto(`${shop.url}/login?next=/private`)
  await first.waitForSelector('input[name=login]')
  await second.goto(`${shop.url}/login?next=/settings`)
  await signInThere(second, 'ada')
  assert.equal(second.url(), `${shop.url}/settings`)
  await first.goto(`${shop.url}/login?next=/private`)
  await first.waitForSelector('text=Hello, ada')
  assert.equal(first.url(), `${shop.url}/private`)
})

test('an answer of another browser signs nobody in', async () => {
  const [attacker, victim] = [await newPage(), await newPage()]
  const answer = await answerTo(attacker, 'eve')
  // The victim has begun a login as well.
  await victim.goto(`${shop.url}/login`)
  await victim.waitForSelector('input[name=login]')
  assert.equal(await post(victim, '/login/finish', answer), 400)
  assert.equal(await who(victim, shop), null)
  // It was a good one.
  assert.equal(await post(attacker, '/login/finish', answer), 200)
  assert.equal(await who(attacker, shop), 'eve')
})

test('an answer is good once', async () => {
  const page = await newPage()
  const answer = await answerTo(page, 'ada')
  assert.equal(await post(page, '/login/finish', answer), 200)
  const cookie = await cookieOf(page, shop)
  assert.equal(await post(page, '/login/finish', answer), 400)
  assert.equal((await cookieOf(page, shop)).value, cookie.value)
  assert.equal(await who(page, shop), 'ada')
})

test('a code of another login is refused, whatever state it comes with', async () => {
  const [attacker, victim] = [await newPage(), await newPage()]
  const { code } = await answerTo(victim, 'ada')
  const { state } = await answerTo(attacker, 'eve')
  assert.equal(await post(attacker, '/login/finish', { state, code }), 403)
  assert.equal(await who(attacker, shop), null)
})

test('an answer of another provider is refused', async () => {
  const page = await newPage()
  const answer = await answerTo(page, 'ada')
  assert.equal(answer.iss, shop.issuer)
  assert.equal(await post(page, '/login/finish', { ...answer, iss: sites.query.issuer }), 400)
  assert.equal(await who(page, shop), null)
})

test('an ID token with another nonce is refused', async () => {
  await shop.control({ nonce: 'of another login' })
  const page = await newPage()
  await page.goto(`${shop.url}/private`)
  await signInThere(page, 'ada')
  assert.match(await page.textContent('[role=alert]'), /not valid/)
  assert.equal(await who(page, shop), null)
})

test('no other site ends a login', async () => {
  const page = await newPage()
  const answer = await answerTo(page, 'ada')
  const response = await fetch(`${shop.url}/login/finish`, {
    method: 'POST',
    headers: { origin: shop.issuer, 'sec-fetch-site': 'cross-site' },
    body: new URLSearchParams(answer)
  })
  assert.equal(response.status, 403)
})

test('a login whose logout comes first, while its code is exchanged, is over', async () => {
  await shop.control({ logout: true })
  const page = await newPage()
  await page.goto(`${shop.url}/private`)
  await signInThere(page, 'ada')
  assert.match(await page.textContent('[role=alert]'), /signed out at the provider/)
  assert.equal(await who(page, shop), null)
})

test('a logout token that is not the provider\'s, not for the shop or no such token ends nothing', async () => {
  const page = await signedIn(shop)
  const now = Math.floor(Date.now() / 1000)
  const good = { iss: shop.issuer, aud: 'shop', iat: now, exp: now + 60, sub: 'ada', events: EVENT }
  const { events, ...eventless } = good
  const { sub, ...subjectless } = good
  const publicPem = publicKey.export({ type: 'spki', format: 'pem' })
  const tokens = {
    'signed by another key': await signed(good, { key: strange }),
    'signed by a key that is not there': await signed(good, { key: strange, kid: 'other' }),
    'signed by the public key': await signed(good, { key: Buffer.from(publicPem), alg: 'HS256' }),
    'not signed': new UnsecuredJWT({ ...good, jti: randomUUID() }).encode(),
    'changed': (await signed(good)).replace(/\.[^.]+\./, `.${Buffer.from(JSON.stringify({ ...good, jti: 'x' })).toString('base64url')}.`),
    'for another client': await signed({ ...good, aud: 'bakery' }),
    'of another provider': await signed({ ...good, iss: sites.query.issuer }),
    'expired': await signed({ ...good, iat: now - 600, exp: now - 300 }),
    'without an end': await signed({ ...good, exp: undefined }),
    'without its event': await signed(eventless),
    'with a nonce': await signed({ ...good, nonce: 'of a login' }),
    'about nobody': await signed(subjectless),
    'without an id': await signed({ ...good, jti: undefined }),
    'an access token': await signed(good, { typ: 'at+jwt' }),
    'no token': 'a.b.c'
  }
  for (const [name, token] of Object.entries(tokens)) {
    const answer = await sendLogout(token)
    assert.equal(answer.status, 400, name)
    assert.equal((await answer.json()).error, 'invalid_request', name)
    assert.equal(answer.headers.get('cache-control'), 'no-store')
    assert.equal(await who(page, shop), 'ada', name)
  }
  // Each differs from this one in one thing.
  assert.equal((await sendLogout(await signed(good))).status, 200)
  assert.equal(await who(page, shop), null)
})

test('a logout token ends what there is, once', async () => {
  const iat = Math.floor(Date.now() / 1000)
  const token = await signed({ iss: shop.issuer, aud: ['shop'], iat, exp: iat + 60, sub: 'hedy', events: EVENT })
  const [one, other] = [await signedIn(shop, 'hedy'), await signedIn(shop, 'grace')]
  assert.equal((await sendLogout(token)).status, 200)
  assert.equal(await who(one, shop), null)
  assert.equal(await who(other, shop), 'grace')
  const later = await signedIn(shop, 'hedy')
  assert.equal((await sendLogout(token)).status, 400)
  assert.equal(await who(later, shop), 'hedy')
})

/** A provider, and a shop that knows it. */
async function openSite (flags) {
  const [port, app] = [await freePort(), await freePort()]
  const url = `http://127.0.0.1:${app}`
  const key = JSON.stringify({ ...await exportJWK(privateKey), kid: 'key', alg: 'RS256', use: 'sig' })
  const listening = /^listening on (.*)$/
  const provider = await ready(process.execPath, [fromHere('./identity.mjs'), port, url, key].map(String), {}, listening)
  const folder = temporary()
  const server = await startExample('../oidc', 'memory:', [
    '--addr', `127.0.0.1:${app}`, '--url', url, '--ledger', join(folder.path, 'oidc.db'), '--issuer', provider.url,
    '--client-id', 'shop', '--client-secret', 'a secret between the provider and the shop', ...flags
  ])
  return {
    url,
    issuer: provider.url,
    control: orders => fetch(`${provider.url}/control`, { method: 'POST', body: JSON.stringify(orders) }),
    sent: async () => (await fetch(`${provider.url}/control`)).json(),
    stop: async () => {
      await server.stop()
      await provider.stop()
      folder.remove()
    }
  }
}

/** A browser of its own. */
async function newPage () {
  const context = await browser.newContext()
  return context.newPage()
}

async function signedIn (site, user = 'ada') {
  const page = await newPage()
  await page.goto(`${site.url}/private`)
  await signInThere(page, user)
  assert.equal(await who(page, site), user)
  return page
}

/** Fills in the provider's form, and waits for a page of the shop that is there to be read. */
async function signInThere (page, user) {
  await page.fill('input[name=login]', user)
  await page.fill('input[name=password]', 'any')
  await page.click('button[type=submit]')
  await page.waitForSelector('h1:text-matches("^(Hello|You are not)")')
}

/** The provider's answer to a login, which the browser does not get to send on. */
async function answerTo (page, user) {
  const answered = new Promise(resolve => page.route('**/login/finish', route => {
    resolve(Object.fromEntries(new URLSearchParams(route.request().postData())))
    return route.fulfill({ contentType: 'text/html', body: '<h1>Hello?</h1>' })
  }, { times: 1 }))
  await page.goto(`${shop.url}/login`)
  await signInThere(page, user)
  return answered
}

/** Sends a form from a page of the shop; the status of the page it leads to. */
async function post (page, path, fields) {
  const at = await page.context().newPage()
  await at.goto(`${shop.url}/me`)
  const answer = at.waitForResponse(response => response.status() < 300 || response.status() >= 400)
  await at.evaluate(([action, fields]) => {
    const form = document.createElement('form')
    Object.assign(form, { method: 'post', action })
    for (const [name, value] of Object.entries(fields)) form.append(Object.assign(document.createElement('input'), { name, value }))
    document.body.append(form)
    // Once this has returned: the page goes with it.
    setTimeout(() => form.submit())
  }, [path, fields])
  // The page stays open: one that is closed while it loads may never report it.
  return (await answer).status()
}

/** The user by the browser's cookies: `null` for nobody. */
async function who (page, site) {
  const response = await page.context().request.get(`${site.url}/me`)
  return (await response.json()).user
}

async function cookieOf (page, site) {
  const cookies = await page.context().cookies(site.url)
  return cookies.find(cookie => cookie.name === 'connect.sid')
}

function signed (claims, { key = privateKey, kid = 'key', alg = 'RS256', typ = 'logout+jwt' } = {}) {
  const token = new SignJWT({ jti: randomUUID(), ...claims })
  return token.setProtectedHeader({ alg, kid, typ }).sign(key)
}

function sendLogout (token) {
  return fetch(`${shop.url}/backchannel-logout`, { method: 'POST', body: new URLSearchParams({ logout_token: token }) })
}
