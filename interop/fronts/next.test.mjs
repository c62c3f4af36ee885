// The gate before a real Next.js application, built and started as in production.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { request as httpRequest } from 'node:http'
import { after, before, beforeEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { chromium } from 'playwright-core'
import { WebSocket } from 'ws'

import { CHROMIUM, freePort, fromHere, PASSWORDS, ready, startExample, startRedis, Visitor } from './support.mjs'
import { startRecorder } from './recorder.mjs'

const APP = fromHere('../next')
const NEXT = fromHere('../next/node_modules/next/dist/bin/next')
const ENV = { ...process.env, NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: 'production' }

let redis, next, recorder, gate

before(async () => {
  execFileSync(process.execPath, [NEXT, 'build'], { cwd: APP, env: ENV, stdio: 'pipe' })
  redis = await startRedis()
  const port = await freePort()
  const words = [NEXT, 'start', '--hostname', '127.0.0.1', '--port', String(port)]
  next = await ready(process.execPath, words, { cwd: APP, env: ENV }, /Ready in/)
  // It stands where Next would: it writes down what reaches Next.
  recorder = await startRecorder(port)
  const flags = ['--upstream', recorder.url]
  gate = await startExample('next_gate', redis.url, flags)
})

after(async () => {
  for (const server of [gate, recorder, next, redis]) await server?.stop()
})

beforeEach(() => recorder.forget())

test('who is signed out reaches nothing: a page is the way to the login, anything else 401', async () => {
  const visitor = new Visitor()
  for (const path of ['/', '/slow?a=1', '/no/such/page', '/_next/image?url=%2Fx', '/_next/data/x']) {
    const response = await raw(path, { accept: 'text/html' })
    assert.equal(response.statusCode, 303, path)
    const to = new URL(response.headers.location, gate.url)
    assert.equal(to.pathname, '/login')
    assert.equal(to.searchParams.get('next'), path)
  }
  for (const path of ['/_next/static/../secret', '/_next/static/%2e%2e/secret', '/_next/static//secret', '/_next/static/..\\secret']) {
    assert.equal((await raw(path, { accept: 'text/html' })).statusCode, 400, path)
  }
  const forged = { 'x-session-user': 'eve', x_session_user: 'eve', 'x-middleware-subrequest': 'middleware:middleware' }
  assert.equal((await raw('/', { accept: 'text/html', ...forged })).statusCode, 303)
  for (const headers of [{}, { rsc: '1', accept: '*/*' }, { accept: 'application/json' }, forged]) {
    assert.equal((await visitor.fetch(`${gate.url}/api/hello`, { headers })).status, 401)
  }
  assert.equal((await visitor.submit(`${gate.url}/api/hello`, {})).status, 401)
  assert.equal((await visitor.page(`${gate.url}/login`)).status, 200)
  assert.equal(await socketFailure({ origin: gate.url }), 401)
  assert.equal(await socketFailure({}), 403, 'a handshake that names no page')
  visitor.cookies.set('connect.sid', 's%3AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.forged')
  assert.equal((await navigation(visitor)).statusCode, 303)
  assert.deepEqual(recorder.requests, [])
})

test('after the login the page greets by name, and Next is told by nobody else', async () => {
  const visitor = await signedIn()
  visitor.cookies.set('theme', 'dark')
  const forged = { 'x-session-user': 'eve', x_session_user: 'eve', 'X-Session_User': 'eve', 'x-forwarded-host': 'evil.example' }
  const page = await visitor.page(gate.url, forged)
  assert.equal(page.status, 200)
  assert.match(await page.text(), /Hello (<!-- -->)?ada/)
  assert.equal(page.headers.get('cache-control').includes('no-store') || page.headers.get('cache-control').includes('private'), true)
  const [seen] = recorder.requests
  const names = seen.rawHeaders.filter((_, index) => index % 2 === 0).map(name => name.toLowerCase().replaceAll('_', '-'))
  assert.equal(names.filter(name => name === 'x-session-user').length, 1)
  assert.equal(seen.headers['x-session-user'], 'ada')
  assert.equal(seen.headers['x-forwarded-host'], new URL(gate.url).host)
  assert.equal(seen.headers.cookie, 'theme=dark', 'the ticket stays at the gate')
})

test('a duplicate, or a Connection that names it, does not move the header', async () => {
  const visitor = await signedIn()
  const headers = { ...visitor.header(), 'X-Session-User': ['eve', 'mallory'], Connection: 'close, X-Session-User' }
  const response = await raw('/api/hello', headers)
  assert.equal(response.statusCode, 200)
  assert.deepEqual(JSON.parse(response.body), { user: 'ada', cookie: null })
})

test('what a build names by its content is public, cached, and costs no session', async () => {
  const page = await (await (await signedIn()).page(gate.url)).text()
  const [script] = page.match(/\/_next\/static\/[^"]+\.js/)
  const response = await new Visitor().fetch(gate.url + script)
  assert.equal(response.status, 200)
  assert.match(response.headers.get('cache-control'), /public.*immutable/)
  assert.equal(response.headers.get('set-cookie'), null)
})

test('a page that is streamed arrives in parts', async () => {
  const visitor = await signedIn()
  const page = await visitor.page(`${gate.url}/slow`)
  const parts = []
  const decoder = new TextDecoder()
  for await (const part of page.body) parts.push(decoder.decode(part, { stream: true }))
  const first = parts.findIndex(text => text.includes('the first part'))
  const last = parts.findIndex(text => text.includes('the last part'))
  assert.ok(first >= 0 && last > first, `parts ${first} and ${last} of ${parts.length}`)
})

test('a route handler gets what was posted', async () => {
  const visitor = await signedIn()
  const response = await visitor.submit(`${gate.url}/api/hello`, { a: 'ö' })
  assert.deepEqual(await response.json(), { user: 'ada', body: 'a=%C3%B6' })
  const foreign = await visitor.submit(`${gate.url}/api/hello`, {}, { origin: 'https://evil.example' })
  assert.equal(foreign.status, 403)
  assert.equal(recorder.requests.length, 1)
})

test('the way back after a login stays on the site', async () => {
  const visitor = new Visitor()
  for (const [next, to] of [['/slow?a=1', '/slow?a=1'], ['//evil.example', '/'], ['https://evil.example', '/'], ['', '/']]) {
    const response = await visitor.login(gate, 'ada', { next })
    assert.equal(response.status, 303)
    assert.equal(response.headers.get('location'), to)
  }
  const wrong = await new Visitor().submit(`${gate.url}/login`, { username: 'ada', password: 'x', next: '"><script>' })
  assert.equal(wrong.status, 401)
  assert.doesNotMatch(await wrong.text(), /<script/)
})

test('after a logout the next request is on its way to the login, the old cookie with it', async () => {
  const visitor = await signedIn()
  const old = visitor.clone()
  assert.equal((await visitor.page(gate.url)).status, 200)
  recorder.forget()
  assert.equal((await visitor.submit(`${gate.url}/logout`, {})).status, 303)
  for (const one of [visitor, old]) assert.equal((await navigation(one)).statusCode, 303)
  assert.deepEqual(recorder.requests, [])
})

test('a WebSocket passes, under the name that the gate gives it, and ends with its session', async () => {
  const visitor = await signedIn()
  const socket = new WebSocket(`${gate.url.replace('http', 'ws')}/_next/webpack-hmr`, {
    headers: { ...visitor.header(), 'x-session-user': 'eve', origin: gate.url }
  })
  const messages = inbox(socket)
  assert.equal(await messages.next(), 'hello ada')
  socket.send('echo this')
  assert.equal(await messages.next(), 'echo this')
  assert.equal(recorder.requests[0].headers.cookie, undefined)

  // It outlives several looks at the session.
  await sleep(2500)
  socket.send('still here')
  assert.equal(await messages.next(), 'still here')
  const closed = new Promise(resolve => socket.once('close', resolve))
  await visitor.submit(`${gate.url}/logout`, {})
  await Promise.race([closed, sleep(2000).then(() => assert.fail('the socket is open two seconds after the logout'))])
})

test('a page of another site opens no socket', async () => {
  const visitor = await signedIn()
  const status = await socketFailure({ ...visitor.header(), origin: 'https://evil.example' })
  assert.equal(status, 403)
  assert.deepEqual(recorder.requests, [])
})

test('X1: a public file opens no socket without a session, and none for another site', async () => {
  const own = (await signedIn()).header()
  const evil = { origin: 'https://evil.example' }
  for (const path of ['/favicon.ico', '/robots.txt', '/_next/static/chunks/main.js', '/_next/static/x/y.css']) {
    assert.equal(await socketFailure({ origin: gate.url }, path), 401, path)
    assert.equal(await socketFailure(evil, path), 403, path)
    assert.equal(await socketFailure({ ...own, ...evil }, path), 403, path)
  }
  const h2c = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABkAAQAoAAAAAIAAAAA' }
  assert.deepEqual(recorder.requests, [])
  // A request for another protocol is one of HTTP/1, and no tunnel.
  assert.ok((await raw('/favicon.ico', h2c)).statusCode < 500)
  for (const { headers } of recorder.requests) {
    assert.equal(headers.upgrade ?? headers['http2-settings'], undefined)
  }
})

test('X2: no spelling of a name that only the gate says reaches Next', async () => {
  const visitor = await signedIn()
  const names = ['X.Session.User', 'HTTP_X_SESSION_USER', 'X~Session!User', 'X-Session-Roles', 'X-Real-IP', 'X_Real_IP', 'X-Original-URL', 'X.Rewrite.Url', 'Forwarded', 'X-HTTP-Method-Override']
  const forged = Object.fromEntries(names.map(name => [name, 'eve']))
  assert.equal((await raw('/api/hello', { ...visitor.header(), ...forged })).statusCode, 200)
  assert.equal((await raw('/favicon.ico', forged)).statusCode < 500, true)
  for (const { rawHeaders } of recorder.requests) {
    assert.equal(rawHeaders.includes('eve'), false, rawHeaders.join(' '))
  }
})

test('X9: guessing a password is slowed down', async () => {
  const visitor = new Visitor()
  for (let n = 0; n < 10; n++) {
    assert.equal((await visitor.submit(`${gate.url}/login`, { username: 'linus', password: 'guess' })).status, 401)
  }
  const late = await visitor.submit(`${gate.url}/login`, { username: 'linus', password: 'just-for-fun' })
  assert.equal(late.status, 429)
  assert.ok(Number(late.headers.get('retry-after')) >= 1)
})

test('in a browser: the way back, its scripts, and a link that leads to the login once the session is over', async () => {
  const browser = await chromium.launch(CHROMIUM)
  try {
    const page = await (await browser.newContext()).newPage()
    page.setDefaultTimeout(10_000)
    const complaints = []
    page.on('pageerror', error => complaints.push(String(error)))
    page.on('console', message => { if (message.type() === 'error') complaints.push(message.text()) })
    await page.goto(`${gate.url}/?from=mail`)
    await page.getByLabel('Name').fill('ada')
    await page.getByLabel('Password').fill(PASSWORDS.ada)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('heading', { name: 'Hello ada' }).waitFor()
    assert.equal(page.url(), `${gate.url}/?from=mail`)

    // Until its scripts run, a link is a link.
    await page.waitForLoadState('networkidle')
    await page.evaluate(() => { window.stays = true })
    await page.getByRole('link').click()
    await page.getByText('the last part').waitFor()
    assert.equal(await page.evaluate(() => window.stays), true, 'Next went there without a new page')
    await page.goBack()
    assert.deepEqual(complaints, [])

    // Signed out elsewhere, with the same cookie.
    const [{ name, value }] = await page.context().cookies()
    const elsewhere = new Visitor()
    elsewhere.cookies.set(name, value)
    assert.equal((await elsewhere.submit(`${gate.url}/logout`, {})).status, 303)
    // Next's script gets a 401 and asks for the whole page, which is the way to the login.
    await page.getByRole('link').click()
    await page.waitForURL(/\/login\?next=\/slow$/)
  } finally {
    await browser.close()
  }
})

async function signedIn () {
  const visitor = new Visitor()
  assert.equal((await visitor.login(gate, 'ada')).status, 303)
  return visitor
}

/** A page as a browser asks for it: `fetch` says that it is a script's. */
function navigation (visitor) {
  return raw('/', { accept: 'text/html', ...visitor.header() })
}

/** A request as it is written here: `fetch` mends paths and refuses headers. */
function raw (path, headers) {
  const { hostname, port } = new URL(gate.url)
  return new Promise((resolve, reject) => {
    const request = httpRequest({ hostname, port, path, headers }, async response => {
      let body = ''
      for await (const part of response) body += part
      resolve(Object.assign(response, { body }))
    })
    request.once('error', reject)
    request.end()
  })
}

/** What a WebSocket's messages are, one after the other. */
function inbox (socket) {
  const arrived = []
  const waiting = []
  socket.on('message', data => {
    const text = data.toString()
    if (waiting.length > 0) waiting.shift()(text)
    else arrived.push(text)
  })
  socket.on('error', () => {})
  return { next: () => new Promise(resolve => arrived.length > 0 ? resolve(arrived.shift()) : waiting.push(resolve)) }
}

/** The status with which a WebSocket is refused. */
function socketFailure (headers, path = '/socket') {
  const socket = new WebSocket(gate.url.replace('http', 'ws') + path, { headers })
  return new Promise((resolve, reject) => {
    socket.once('unexpected-response', (_, response) => resolve(response.statusCode))
    socket.once('open', () => reject(new Error('the socket is open')))
    socket.once('error', () => {})
  })
}
