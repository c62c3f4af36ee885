// `cloakroom cookie explain` beside a real browser: for the same Set-Cookie fields and the same requests it names
// the reasons that Chromium reports over its protocol, and says the same of what is stored and sent.

import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer as createHttp } from 'node:http'
import { createServer as createHttps } from 'node:https'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { chromium } from 'playwright-core'

import { CHROMIUM, fromHere, temporary } from './support.mjs'

const COMMAND = process.env.CLOAKROOM_BIN ?? fromHere('../../target/debug/cloakroom')
const HOSTS = ['test', 'uk', 'io']
const FLAGS = [
  ...CHROMIUM.args,
  '--ignore-certificate-errors',
  // Every frame's events come by the page's own session.
  '--disable-site-isolation-trials',
  // Ten seconds stand for the two minutes of a cookie without SameSite.
  '--enable-features=ShortLaxAllowUnsafeThreshold',
  '--disable-features=IsolateOrigins,site-per-process,HttpsUpgrades,HttpsFirstBalancedModeAutoEnable,LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests',
  `--host-resolver-rules=${HOSTS.map(host => `MAP *.${host} 127.0.0.1, MAP ${host} 127.0.0.1`).join(', ')}`
]
const LONG = 'x'.repeat(4096)

let browser, blocking, folder, site

before(async () => {
  folder = temporary()
  site = await openSite(folder.path)
  // Not a context of its own, which is a private window: Chromium blocks third parties there, and Debian's everywhere.
  browser = await open('open', { cookie_controls_mode: 0, block_third_party_cookies: false })
  blocking = await open('blocking', { cookie_controls_mode: 1, block_third_party_cookies: true })
})

after(async () => {
  await browser?.close()
  await blocking?.close()
  await site?.close()
  folder?.remove()
})

function open (name, profile) {
  const path = join(folder.path, name)
  mkdirSync(join(path, 'Default'), { recursive: true })
  writeFileSync(join(path, 'Default/Preferences'), JSON.stringify({ profile }))
  return chromium.launchPersistentContext(path, { ...CHROMIUM, args: FLAGS, ignoreHTTPSErrors: true })
}

// The host stands for itself by https unless it says http.
const STORED = [
  // URL, page, mode, field
  ['shop.test/cart/add', '', 'navigate', 'sid=1; Path=/; HttpOnly; Secure; SameSite=Lax'],
  ['http://shop.test/', '', 'navigate', 'sid=1'],
  ['http://shop.test/', '', 'navigate', 'sid=1; Secure'],
  ['http://localhost/', '', 'navigate', 'sid=1; Secure'],
  ['http://127.0.0.1/', '', 'navigate', 'sid=1; Secure'],
  ['http://localhost/', '', 'navigate', '__Host-sid=1; Secure; Path=/'],
  ['http://localhost/', '', 'navigate', '__Secure-sid=1; Secure'],
  ['http://shop.test/', '', 'navigate', '__Secure-sid=1; Secure'],
  ['shop.test/', '', 'navigate', 'sid=1; SameSite=None'],
  ['shop.test/', '', 'navigate', 'sid=1; SameSite=None; Secure'],
  ['shop.test/', 'other.test', 'fetch', 'sid=1; SameSite=Strict; Secure'],
  ['shop.test/', 'other.test', 'fetch', 'sid=1; SameSite=Lax; Secure'],
  ['shop.test/', 'other.test', 'fetch', 'sid=1; Secure'],
  ['shop.test/', 'other.test', 'fetch', 'sid=1; SameSite=None; Secure'],
  ['shop.test/', 'other.test', 'iframe', 'sid=1; SameSite=Strict; Secure'],
  ['shop.test/', 'other.test', 'iframe', 'sid=1; SameSite=Lax; Secure'],
  ['shop.test/', 'other.test', 'iframe', 'sid=1; Secure'],
  ['shop.test/', 'other.test', 'iframe', 'sid=1; SameSite=None; Secure; Partitioned'],
  ['shop.test/', 'other.test', 'navigate', 'sid=1; SameSite=Strict; Secure'],
  ['shop.test/', 'www.shop.test', 'fetch', 'sid=1; SameSite=Strict; Secure'],
  ['shop.test/', 'http://shop.test', 'fetch', 'sid=1; SameSite=Strict; Secure'],
  ['shop.test/', 'http://shop.test', 'fetch', 'sid=1; SameSite=Lax; Secure'],
  ['shop.test/', 'http://shop.test', 'fetch', 'sid=1; Secure'],
  ['shop.test/', 'http://www.shop.test', 'iframe', 'sid=1; Secure'],
  ['shop.test/', '', 'navigate', 'sid=1; Domain=other.test'],
  ['shop.test/', '', 'navigate', 'sid=1; Domain=www.shop.test'],
  ['shop.test/', '', 'navigate', 'sid=1; Domain=.SHOP.test'],
  ['www.shop.test/', '', 'navigate', 'sid=1; Domain=shop.test'],
  ['shop.test/', '', 'navigate', 'sid=1; Domain=test'],
  ['shop.example.uk/', '', 'navigate', 'sid=1; Domain=example.uk'],
  ['shop.co.uk/', '', 'navigate', 'sid=1; Domain=co.uk'],
  ['ada.github.io/', '', 'navigate', 'sid=1; Domain=github.io'],
  ['github.io/', '', 'navigate', 'sid=1; Domain=github.io'],
  ['http://localhost/', '', 'navigate', 'sid=1; Domain=localhost'],
  ['http://localhost/', '', 'navigate', 'sid=1; Domain=test'],
  ['http://127.0.0.1/', '', 'navigate', 'sid=1; Domain=127.0.0.1'],
  ['http://127.0.0.1/', '', 'navigate', 'sid=1; Domain=0.0.1'],
  ['shop.test/', '', 'navigate', 'sid=1; Domain=shöp.test'],
  ['shop.test/', '', 'navigate', 'sid=1; Domain='],
  ['shop.test/', '', 'navigate', '__Host-sid=1; Secure; Path=/; Domain=shop.test'],
  ['shop.test/', '', 'navigate', '__host-sid=1; Secure; Path=/cart'],
  ['shop.test/', '', 'navigate', '__Host-sid=1; Secure'],
  ['shop.test/', '', 'navigate', '__Host-sid=1; Path=/'],
  ['shop.test/', '', 'navigate', '__Host-sid=1; Secure; Path=/'],
  ['shop.test/', '', 'navigate', '__Secure-sid=1'],
  ['shop.test/', '', 'navigate', '__Http-sid=1; Secure'],
  ['shop.test/', '', 'navigate', '__Http-sid=1; Secure; HttpOnly'],
  ['shop.test/', '', 'navigate', '__Host-Http-sid=1; Secure; Path=/'],
  ['shop.test/', '', 'navigate', `sid=${LONG}`],
  ['shop.test/', '', 'navigate', `sid=${LONG.slice(3)}`],
  ['shop.test/', '', 'navigate', `sid=1; Path=/${LONG.slice(3000)}`],
  ['shop.test/', '', 'navigate', 'sid=a\u0001b'],
  ['shop.test/', '', 'navigate', 'sid=a\tb'],
  ['shop.test/', '', 'navigate', '; Secure'],
  ['shop.test/', '', 'navigate', '=__Host-sid'],
  ['shop.test/', '', 'navigate', 'nameless'],
  ['shop.test/', '', 'navigate', 'sid=1; Partitioned; Path=/'],
  ['shop.test/', '', 'navigate', 'sid=1; Max-Age=0'],
  ['shop.test/', '', 'navigate', 'sid=1; Max-Age=-5'],
  ['shop.test/', '', 'navigate', 'sid=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT'],
  ['shop.test/', '', 'navigate', 'sid=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT'],
  ['shop.test/', '', 'navigate', 'sid=1; Max-Age=1h'],
  ['shop.test/', '', 'navigate', 'sid=1; Expires=tomorrow'],
  ['shop.test/', '', 'navigate', 'sid=1; SameSite=Lacks'],
  ['shop.test/', 'other.test', 'fetch', 'sid=1; SameSite=Lacks; Secure'],
  ['shop.test/', '', 'navigate', 'sid=1; Max-Age=99999999'],
  ['shop.test/', '', 'navigate', 'sid=1; Path=cart'],
  ['shop.test/', '', 'navigate', 'sid=1; HttpsOnly']
]

test('what is stored, and why not', async () => {
  const differing = []
  for (const row of STORED) differing.push(...await compareStored(row, browser, []))
  assert.deepEqual(differing, [])
})

test('what is stored where third parties are blocked', async () => {
  const differing = []
  for (const row of STORED.filter(([, page]) => page !== '')) {
    differing.push(...await compareStored(row, blocking, ['--third-parties', 'block']))
  }
  assert.deepEqual(differing, [])
})

test('a Secure cookie is not hidden from http', async () => {
  const [old, field] = ['sid=1; Secure; Path=/', 'sid=2; Path=/']
  const seen = await withPage(browser, async session => {
    await stores(session, 'shop.test/', '', 'navigate', old)
    return stores(session, 'http://shop.test/', '', 'navigate', field)
  })
  const said = explain(['--set-cookie', field, '--had', old, ...whereabouts('http://shop.test/', '', 'navigate')])
  assert.deepEqual(seen.reasons, ['OverwriteSecure'])
  assert.deepEqual(names(said.stages[1].findings), ['OverwriteSecure'])
})

const SET_AT = 'shop.test/cart/add'
const SENT = [
  // field, URL, asking page, mode, method
  ['sid=1; Path=/', 'shop.test/', '', 'navigate', 'GET'],
  ['sid=1; Path=/', 'www.shop.test/', '', 'navigate', 'GET'],
  ['sid=1; Path=/; Domain=shop.test', 'www.shop.test/', '', 'navigate', 'GET'],
  ['sid=1; Path=/; Domain=shop.test', 'myshop.test/', '', 'navigate', 'GET'],
  ['sid=1; Path=/cart', 'shop.test/carts', '', 'navigate', 'GET'],
  ['sid=1; Path=/cart', 'shop.test/cart/x', '', 'navigate', 'GET'],
  ['sid=1', 'shop.test/', '', 'navigate', 'GET'],
  ['sid=1', 'shop.test/cart/x', '', 'navigate', 'GET'],
  ['sid=1; Path=/; Secure', 'http://shop.test/', '', 'navigate', 'GET'],
  ['sid=1; Path=/', 'http://shop.test/', '', 'navigate', 'GET'],
  ['sid=1; Path=/; SameSite=Lax', 'shop.test/', 'other.test', 'navigate', 'GET'],
  ['sid=1; Path=/; SameSite=Lax', 'shop.test/', 'other.test', 'navigate', 'POST'],
  ['sid=1; Path=/; SameSite=Lax', 'shop.test/', 'other.test', 'fetch', 'GET'],
  ['sid=1; Path=/; SameSite=Lax', 'shop.test/', 'other.test', 'iframe', 'GET'],
  ['sid=1; Path=/; SameSite=Lax', 'shop.test/', 'other.test', 'websocket', 'GET'],
  ['sid=1; Path=/; SameSite=Lax', 'shop.test/', 'www.shop.test', 'fetch', 'POST'],
  ['sid=1; Path=/; SameSite=Lax', 'shop.test/', 'www.shop.test', 'websocket', 'GET'],
  ['sid=1; Path=/; SameSite=Lax', 'shop.test/', 'http://shop.test', 'navigate', 'POST'],
  ['sid=1; Path=/; SameSite=Lax', 'shop.test/', 'http://shop.test', 'fetch', 'GET'],
  ['sid=1; Path=/; SameSite=Strict', 'shop.test/', 'other.test', 'navigate', 'GET'],
  ['sid=1; Path=/; SameSite=Strict', 'shop.test/', 'www.shop.test', 'navigate', 'POST'],
  ['sid=1; Path=/; SameSite=Strict', 'shop.test/', 'http://shop.test', 'navigate', 'GET'],
  ['sid=1; Path=/; SameSite=Strict', 'shop.test/', 'other.test', 'fetch', 'GET'],
  ['sid=1; Path=/', 'shop.test/', 'other.test', 'navigate', 'GET'],
  ['sid=1; Path=/', 'shop.test/', 'other.test', 'navigate', 'POST'],
  ['sid=1; Path=/', 'shop.test/', 'other.test', 'fetch', 'GET'],
  ['sid=1; Path=/', 'shop.test/', 'http://shop.test', 'fetch', 'GET'],
  ['sid=1; Path=/; SameSite=None; Secure', 'shop.test/', 'other.test', 'fetch', 'POST'],
  ['sid=1; Path=/; SameSite=None; Secure', 'shop.test/', 'other.test', 'iframe', 'GET'],
  ['sid=1; Path=/; SameSite=None; Secure; Partitioned', 'shop.test/', 'other.test', 'iframe', 'GET'],
  ['sid=1; Path=/cart; Secure', 'http://shop.test/', '', 'navigate', 'GET']
]

test('what is sent back, and why not', async () => {
  const differing = []
  for (const row of SENT) differing.push(...await compareSent(row, browser, 0, []))
  assert.deepEqual(differing, [])
})

test('what is sent back where third parties are blocked', async () => {
  const differing = []
  for (const row of SENT.filter(([, , page]) => page !== '')) {
    differing.push(...await compareSent(row, blocking, 0, ['--third-parties', 'block']))
  }
  assert.deepEqual(differing, [])
})

test('a cookie without SameSite goes with a form of another site while it is young', async () => {
  const row = ['sid=1; Path=/; Secure', 'shop.test/', 'other.test', 'navigate', 'POST']
  // Older than the ten seconds that stand for two minutes.
  assert.deepEqual(await compareSent(row, browser, 11_000, ['--age', '3m']), [])
})

test('a script sees no HttpOnly cookie', async () => {
  const field = 'sid=1; Path=/; HttpOnly'
  const seen = await withPage(browser, async session => {
    await stores(session, 'shop.test/', '', 'navigate', field)
    return session.page.evaluate(() => document.cookie)
  })
  assert.equal(seen, '')
  const said = explain(['--set-cookie', field, '--url', 'https://shop.test/', '--mode', 'script'])
  assert.equal(said.cause.id, 'hidden-from-scripts')
})

/** Has the browser store the cookie; what differs between it and the command, if anything. */
async function compareStored ([url, page, mode, field], browser, flags) {
  const seen = await withPage(browser, session => stores(session, url, page, mode, field))
  const said = explain(['--set-cookie', field, ...whereabouts(url, page, mode), ...flags])
  const stage = said.stages.find(({ stage }) => stage === 'stored')
  const own = { stored: stage.verdict === 'passed', reasons: names(stage.findings) }
  // A cookie that is over when it comes is no refusal to Chromium, and it has no name for a bad Partitioned.
  const isNameless = stage.findings.some(({ id }) => ['deleted-on-arrival', 'partitioned-without-secure'].includes(id))
  if (isNameless) assert.equal(own.stored, false)
  return same(own, seen) ? [] : [{ url, page, mode, field: field.slice(0, 60), own, seen }]
}

/** Sets the cookie, lets it age, and asks; what differs between the command and the browser, if anything. */
async function compareSent ([field, url, page, mode, method], browser, ageMs, flags) {
  const seen = await withPage(browser, async session => {
    const { stored } = await stores(session, SET_AT, '', 'navigate', field)
    assert.ok(stored, field)
    await sleep(ageMs)
    return carries(session, url, page, mode, method)
  })
  const words = ['--set-cookie', field, '--url', 'https://' + SET_AT, '--to', spelt(url), '--method', method, ...flags]
  if (page !== '') words.push('--page', spelt(page))
  const said = explain([...words, '--mode', mode, '--credentials', 'include'])
  const stage = said.stages.find(({ stage }) => stage === 'sent-back')
  const own = { sent: stage.verdict === 'passed', reasons: names(stage.findings) }
  // Chromium lists neither the cookies of other hosts and partitions nor those of a WebSocket's handshake.
  if (seen.reasons === undefined) {
    const ids = stage.findings.map(({ id }) => id)
    assert.ok(mode === 'websocket' || ids.some(id => /^other-(host|domain|partition)$/.test(id)), `${field} ${url}`)
    seen.reasons = own.reasons
  }
  return same(own, seen) ? [] : [{ field, url, page, mode, method, own, seen }]
}

function same (one, other) {
  return JSON.stringify(one) === JSON.stringify(other)
}

/** The command's names of all faults. */
function names (findings) {
  const faults = findings.filter(({ weight }) => weight === 'fault')
  return each(faults.map(({ chromium }) => chromium).filter(name => name !== null))
}

/**
 * Each name once. Chromium 156 writes SchemefulSameSiteLax where it used to write SameSiteLax, whatever the
 * schemes are: the two count as one.
 */
function each (names) {
  return [...new Set(names.map(name => name.replace(/^Schemeful/, '')))].sort()
}

function explain (words) {
  const env = { PATH: process.env.PATH }
  const ended = spawnSync(COMMAND, ['cookie', 'explain', '--json', ...words], { encoding: 'utf8', env })
  assert.equal(ended.stderr, '', words.join(' '))
  return JSON.parse(ended.stdout)
}

function whereabouts (url, page, mode) {
  const words = ['--url', spelt(url), '--mode', mode, '--credentials', 'include']
  return page === '' ? words : [...words, '--page', spelt(page)]
}

function spelt (url) {
  return url.startsWith('http') ? url : `https://${url}`
}

/** The same URL at the port of this test's server. */
function here (url) {
  const full = new URL(spelt(url))
  full.port = full.protocol === 'https:' ? site.ports.https : site.ports.http
  return full.href
}

async function withPage (browser, story) {
  await browser.clearCookies()
  const page = await browser.newPage()
  try {
    const protocol = await browser.newCDPSession(page)
    await protocol.send('Network.enable')
    return await story({ context: browser, page, protocol })
  } finally {
    await page.close()
  }
}

/** Has the server set a cookie; what Chromium says of it. */
async function stores (session, url, page, mode, field) {
  const before = await jar(session)
  const { response, id } = await ask(session, url, page, mode, 'GET', field)
  const line = Buffer.from(field, 'utf8').toString('latin1')
  const blocked = response?.blockedCookies ?? []
  const own = blocked.filter(({ cookieLine }) => [field, line].includes(cookieLine) || blocked.length === 1)
  const reasons = each(own.flatMap(({ blockedReasons }) => blockedReasons))
  assert.ok(id > 0)
  return { stored: (await jar(session)).length > before.length, reasons }
}

async function jar ({ context }) {
  return context.cookies()
}

/** Sends a request; whether it carries the cookie, and Chromium's reasons where it lists the cookie. */
async function carries (session, url, page, mode, method) {
  const { request, cookie } = await ask(session, url, page, mode, method)
  const listed = request?.associatedCookies?.find(({ cookie }) => cookie.name.endsWith('sid'))
  const reasons = listed && each(listed.blockedReasons)
  return { sent: /sid=1/.test(cookie ?? ''), reasons }
}

let asked = 0

/** Has the page ask; the events of that request, and the Cookie field that arrived. */
async function ask (session, url, page, mode, method, field) {
  const id = ++asked
  const target = new URL(here(url))
  target.searchParams.set('id', id)
  if (field !== undefined) target.searchParams.set('set', Buffer.from(field, 'utf8').toString('hex'))
  const events = watch(session.protocol, `id=${id}`)
  if (mode !== 'navigate' || page !== '') {
    const from = new URL(page === '' ? url : page, 'https://x/')
    await session.page.goto(here(page === '' ? `${from.protocol}//${target.hostname}/page` : `${spelt(page)}/page`))
  }
  await act(session.page, mode, method, target.href)
  const cookie = await site.cookieOf(id)
  const seen = await events.all()
  return { ...seen, cookie, id }
}

async function act (page, mode, method, url) {
  if (mode === 'navigate' && method === 'GET' && page.url() === 'about:blank') return page.goto(url)
  if (mode === 'navigate') {
    const arrived = page.waitForURL(at => at.href.startsWith(url))
    await page.evaluate(([method, url]) => {
      if (method === 'GET') {
        const link = document.body.appendChild(document.createElement('a'))
        link.href = url
        link.click()
        return
      }
      const form = document.body.appendChild(document.createElement('form'))
      Object.assign(form, { method, action: url })
      form.submit()
    }, [method, url])
    return arrived
  }
  return page.evaluate(([mode, method, url]) => {
    if (mode === 'fetch') return fetch(url, { method, mode: 'no-cors', credentials: 'include' }).then(() => {}, () => {})
    if (mode === 'iframe') {
      const frame = document.createElement('iframe')
      const loaded = new Promise(resolve => frame.addEventListener('load', resolve))
      frame.src = url
      document.body.appendChild(frame)
      return loaded.then(() => {})
    }
    const socket = new WebSocket(url.replace(/^http/, 'ws'))
    return new Promise(resolve => socket.addEventListener('close', () => resolve()))
  }, [mode, method, url])
}

/** Collects what the protocol tells of the request whose URL has `part`. */
function watch (protocol, part) {
  const ids = new Set()
  const requests = []
  const responses = []
  const begin = ({ requestId, request }) => { if (request.url.includes(part + '&') || request.url.endsWith(part)) ids.add(requestId) }
  const takeRequest = event => requests.push(event)
  const takeResponse = event => responses.push(event)
  protocol.on('Network.requestWillBeSent', begin)
  protocol.on('Network.requestWillBeSentExtraInfo', takeRequest)
  protocol.on('Network.responseReceivedExtraInfo', takeResponse)
  return {
    async all () {
      // The extra events come by themselves, before or after the page's own.
      for (let waited = 0; waited < 40 && !responses.some(({ requestId }) => ids.has(requestId)); waited++) await sleep(25)
      protocol.off('Network.requestWillBeSent', begin)
      protocol.off('Network.requestWillBeSentExtraInfo', takeRequest)
      protocol.off('Network.responseReceivedExtraInfo', takeResponse)
      const own = ({ requestId }) => ids.has(requestId)
      return { request: requests.find(own), response: responses.find(own) }
    }
  }
}

/** A server by http and one by https, which set the cookies that they are asked for. */
async function openSite (path) {
  const [key, cert] = ['key.pem', 'cert.pem'].map(name => join(path, name))
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
    '-keyout', key, '-out', cert, '-days', '2', '-subj', '/CN=shop.test'], { stdio: 'ignore' })
  const seen = new Map()
  const answer = (request, response) => {
    const url = new URL(request.url, 'http://x/')
    note(url, request)
    const field = url.searchParams.get('set')
    const head = { 'content-type': 'text/html', 'cache-control': 'no-store' }
    // Node sends header fields as Latin-1: the bytes are those of UTF-8.
    if (field !== null) head['set-cookie'] = Buffer.from(field, 'hex').toString('latin1')
    write(response, head)
  }
  const note = (url, request) => {
    const id = Number(url.searchParams.get('id'))
    if (id > 0) seen.set(id, request.headers.cookie ?? '')
  }
  const refuse = (request, socket) => {
    note(new URL(request.url, 'http://x/'), request)
    socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n')
  }
  const servers = {
    http: createHttp({ insecureHTTPParser: true }, answer),
    https: createHttps({ key: readFileSync(key), cert: readFileSync(cert) }, answer)
  }
  const ports = {}
  for (const [name, server] of Object.entries(servers)) {
    server.on('upgrade', refuse)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    ports[name] = server.address().port
  }
  return {
    ports,
    cookieOf: async id => {
      for (let waited = 0; waited < 200 && !seen.has(id); waited++) await sleep(25)
      assert.ok(seen.has(id), 'the request arrives')
      return seen.get(id)
    },
    close: async () => {
      for (const server of Object.values(servers)) {
        server.closeAllConnections()
        server.close()
      }
    }
  }
}

/** Writes a head by hand where Node refuses a field's characters, as it does for control characters. */
function write (response, head) {
  try {
    response.writeHead(200, head)
    response.end('<!doctype html><body>ok</body>')
  } catch {
    const lines = Object.entries(head).map(([name, value]) => `${name}: ${value}\r\n`).join('')
    const body = '<!doctype html><body>ok</body>'
    response.socket.write(Buffer.from(`HTTP/1.1 200 OK\r\n${lines}content-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`, 'latin1'))
    response.socket.end()
  }
}
