// The core's own stores, by URL: one session from several servers, express-session beside them, and the process round them.
// `cargo xtask node --test native` starts the servers.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'

import { ask, attributes, idOf, of, require, SECRET, serve, session } from './support.mjs'
import { stores, openExpressStore } from './stores.mjs'

const express = require('express-session')
const PACKAGE = new URL('../index.js', import.meta.url).pathname
const ROUNDS = Number(process.env.CLOAKROOM_ROUNDS ?? 200)
const KEYS = 200
const folder = mkdtempSync(join(tmpdir(), 'cloakroom-native-'))
process.on('exit', () => rmSync(folder, { recursive: true }))

const URLS = { memory: 'memory:', sqlite: `sqlite:${join(folder, 'sessions.db')}`, ...stores() }

/** What a visitor can do, by the path. */
const ROUTES = {
  async inc (req) { return (req.session.n = (req.session.n ?? 0) + 1) },
  async all (req) { const { cookie, ...data } = req.session; return JSON.stringify(data) },
  async set (req, query) { req.session[query.get('key')] = JSON.parse(query.get('value') ?? '1'); return 'set' },
  async late (req, query) { await sleep(Number(query.get('wait'))); if (req.session) req.session.late = 1; return 'late' },
  async up (req) { return req.session.update('n', n => (n ?? 0) + 1) },
  async login (req, query) { await req.session.login(query.get('user')); return req.session.userId },
  async logout (req) { await req.session.logout(); return String(req.session) },
  async devices (req) { return JSON.stringify(await req.session.devices()) },
  async others (req) { return req.session.endOthers() },
  async everywhere (req) { return req.session.endAll() },
  async renew (req) { const { id } = req.session; await req.session.renew(); return String(id !== req.session.id) },
  async regenerate (req) { await of(req.session, 'regenerate'); req.session.fresh = 1; return JSON.stringify(Object.keys(req.session)) },
  async destroy (req) { await of(req.session, 'destroy'); return String(req.session) },
  async drop (req) { req.session = null; return 'dropped' },
  async save (req) { req.session.saved = 1; await req.session.save(); return 'saved' },
  async reload (req) { req.session.gone = 1; await req.session.reload(); return String(req.session.gone) },
  async ended (req) { return req.session.ended() },
  async nested (req) { (req.session.list ??= []).push(1); req.session.o = { a: { b: req.session.list.length } }; delete req.session.n; return 'ok' },
  async cookie (req) { req.session.cookie.maxAge = 5000; req.session.cookie.sameSite = 'strict'; req.session.c = 1; return 'ok' }
}

async function handle (req, res) {
  const url = new URL(req.url, 'http://x')
  try {
    const answer = await ROUTES[url.pathname.slice(1)](req, url.searchParams)
    res.end(String(answer))
  } catch (error) {
    res.statusCode = error.status ?? 500
    res.end(`${error.code}: ${error.message}`)
  }
}

/** Two servers on one store. */
async function pair (t, store, options = {}) {
  return [await serve(t, { store, ...options }, handle), await serve(t, { store, ...options }, handle)]
}

/** A visitor: asks a server, keeps the cookie. */
function visitor (cookie) {
  const own = { cookie }
  own.ask = async (site, path) => {
    const answer = await ask(site, path, { cookie: own.cookie })
    if (answer.cookie !== undefined) own.cookie = answer.cookie
    return answer
  }
  own.text = async (site, path) => (await own.ask(site, path)).text
  return own
}

for (const [name, url] of Object.entries(URLS)) {
  // Two stores of the same URL are one place, but for memory: there the store itself is shared.
  const place = () => name === 'memory' ? new session.NativeStore('memory:') : url

  test(`${name}: a session is one on both servers, whatever is done to it`, async t => {
    const [a, b] = await pair(t, place())
    const ada = visitor()
    assert.equal((await ada.ask(a, '/all')).field, undefined)
    assert.equal(await ada.text(a, '/inc'), '1')
    assert.equal(await ada.text(b, '/inc'), '2')
    await ada.ask(a, '/nested')
    assert.equal(await ada.text(b, '/all'), '{"list":[1],"o":{"a":{"b":1}}}')
    await ada.ask(b, '/nested')
    assert.equal(await ada.text(a, '/all'), '{"list":[1,1],"o":{"a":{"b":2}}}')
    assert.equal(await ada.text(a, '/save'), 'saved')
    assert.equal(await ada.text(b, '/reload'), 'undefined')
    const before = ada.cookie
    assert.equal(await ada.text(a, '/renew'), 'true')
    assert.notEqual(ada.cookie, before)
    assert.match(await ada.text(b, '/all'), /"saved":1/)
    assert.equal(await ada.text(b, '/regenerate'), '["cookie","fresh"]')
    assert.equal(await ada.text(a, '/all'), '{"fresh":1}')
    const fields = attributes((await ada.ask(a, '/cookie')).field)
    assert.equal(fields.samesite, 'Strict')
    assert.ok(Math.abs(Date.parse(fields.expires) - Date.now() - 5000) < 3000)
    const stale = ada.cookie
    assert.equal(await ada.text(b, '/destroy'), 'undefined')
    assert.equal(ada.cookie, 'connect.sid=')
    assert.equal(await visitor(stale).text(a, '/all'), '{}')
  })

  test(`${name}: 200 requests at once with a key each, over two servers: all survive`, async t => {
    const sites = await pair(t, place())
    const ada = visitor()
    await ada.text(sites[0], '/inc')
    const { cookie } = ada
    const answers = await Promise.all(Array.from({ length: KEYS }, (_, n) => ask(sites[n % 2], `/set?key=k${n}`, { cookie })))
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200])
    const keys = Object.keys(JSON.parse(await ada.text(sites[1], '/all')))
    assert.equal(keys.filter(key => key.startsWith('k')).length, KEYS)
  })

  test(`${name}: no step of a key that both servers update is lost`, async t => {
    const sites = await pair(t, place())
    const ada = visitor()
    await ada.text(sites[0], '/set?key=x')
    const { cookie } = ada
    const answers = await Promise.all(Array.from({ length: 60 }, (_, n) => ask(sites[n % 2], '/up', { cookie })))
    assert.deepEqual(answers.map(({ text }) => Number(text)).sort((a, b) => a - b), Array.from({ length: 60 }, (_, n) => n + 1))
  })

  test(`${name}: a logout during a slow request, ${ROUNDS} times: none comes back`, async t => {
    const [a, b] = await pair(t, place())
    const round = async () => {
      const ada = visitor()
      await ada.text(a, '/inc')
      const { cookie } = ada
      const slowly = ask(a, `/late?wait=${Math.floor(Math.random() * 12)}`, { cookie })
      await sleep(Math.floor(Math.random() * 10))
      await ask(b, '/destroy', { cookie })
      const { field } = await slowly
      return field !== undefined || (await ask(a, '/all', { cookie })).text !== '{}'
    }
    let back = 0
    for (let done = 0; done < ROUNDS; done += 20) back += (await Promise.all(Array.from({ length: 20 }, round))).filter(Boolean).length
    assert.equal(back, 0)
  })

  test(`${name}: sign in, see devices, end them, be told`, async t => {
    const [a, b] = await pair(t, place())
    const [home, phone] = [visitor(), visitor()]
    for (const one of [home, phone]) {
      await one.text(a, '/inc')
      const before = one.cookie
      assert.equal(await one.text(b, `/login?user=${name}-ada`), `${name}-ada`)
      assert.notEqual(idOf(one.cookie), idOf(before))
      assert.equal(JSON.parse(await one.text(a, '/all')).n, 1)
    }
    const devices = JSON.parse(await home.text(a, '/devices'))
    assert.deepEqual(devices.map(({ isCurrent }) => isCurrent).sort(), [false, true])
    const ended = visitor(phone.cookie).text(b, '/ended')
    await sleep(100)
    assert.equal(await home.text(b, '/others'), '1')
    assert.equal(await ended, 'session ended')
    assert.equal(await phone.text(a, '/all'), '{}')
    assert.equal(await home.text(a, '/everywhere'), '1')
    assert.equal(await home.text(b, '/all'), '{}')
    await visitor().text(a, `/login?user=${name}-eve`)
    await visitor().text(b, `/login?user=${name}-eve`)
    assert.equal(await a.middleware.endSessionsOf(`${name}-eve`), 2)
  })

  test(`${name}: options mean what they mean in express-session`, async t => {
    const [site] = await pair(t, place(), { genid: () => `id-${Math.random()}`, cookie: () => ({ maxAge: 60_000, path: '/', sameSite: 'auto' }) })
    const ada = visitor()
    const { field } = await ada.ask(site, '/inc')
    const { expires, samesite } = attributes(field)
    assert.match(idOf(ada.cookie), /^id-0\./)
    assert.ok(Math.abs(Date.parse(expires) - Date.now() - 60_000) < 3000)
    assert.equal(samesite, 'Lax')
    const [all] = await pair(t, place(), { rolling: true, saveUninitialized: true, resave: true, unset: 'destroy' })
    const bob = visitor()
    assert.ok((await bob.ask(all, '/all')).field)
    assert.ok((await bob.ask(all, '/all')).field)
    const { cookie } = bob
    await bob.ask(all, '/drop')
    // Whoever is late with the cookie of a session that was ended has nothing, and gets no cookie over a newer one.
    const late = await visitor(cookie).ask(all, '/all')
    assert.deepEqual([late.text, late.field], ['{}', undefined])
  })

  test(`${name}: the store is an object for jobs`, async t => {
    const store = new session.NativeStore(name === 'memory' ? 'memory:' : url)
    const site = await serve(t, { store }, handle)
    const ada = visitor()
    await ada.text(site, '/inc')
    const id = idOf(ada.cookie)
    const record = await of(store, 'get', id)
    assert.equal(record.n, 1)
    await of(store, 'set', id, { ...record, n: 41 })
    assert.equal(await ada.text(site, '/inc'), '42')
    assert.equal((await of(store, 'all'))[id].n, 42)
    assert.ok(await of(store, 'length') >= 1)
    assert.equal((await of(store, 'load', id)).n, 42)
    await of(store, 'destroy', id)
    assert.equal(await ada.text(site, '/all'), '{}')
  })
}

for (const [name, url] of Object.entries(stores())) {
  test(`${name}: express-session on the same store reads and writes the same session`, async t => {
    const ours = await serve(t, { store: url, cookie: { maxAge: 60_000 } }, handle)
    const { store, text, close } = await openExpressStore(name, url)
    t.after(close)
    const theirs = await serve(t, { store, cookie: { maxAge: 60_000 } }, handle, { module: express })
    const ada = visitor()
    assert.equal(await ada.text(ours, '/inc'), '1')
    assert.equal(await ada.text(theirs, '/inc'), '2')
    await ada.text(ours, '/set?key=s&value="é\\ud800"')
    assert.equal(await ada.text(theirs, '/inc'), '3')
    const [, written] = [await ada.text(theirs, '/nested'), await text(idOf(ada.cookie))]
    const [, again] = [await ada.text(ours, '/nested'), await text(idOf(ada.cookie))]
    // What express-session would have stored in its place, to the byte.
    const data = JSON.parse(written)
    data.list.push(1)
    data.o.a.b = 2
    const expires = JSON.parse(again).cookie.expires
    data.cookie.expires = expires
    data.cookie.originalMaxAge = JSON.parse(again).cookie.originalMaxAge
    assert.equal(again, JSON.stringify(data))
    assert.equal(await ada.text(theirs, '/destroy'), 'undefined')
    assert.equal(await ada.text(ours, '/all'), '{}')
  })
}

// The process.

function run (code, { signal } = {}) {
  const child = spawn(process.execPath, ['-e', code, PACKAGE, JSON.stringify(URLS)], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  child.stdout.on('data', data => { output += data })
  child.stderr.on('data', data => { output += data })
  return once(child, 'exit', { signal }).then(([code, killed]) => ({ code, killed, output }))
}

test('a panic in the core is an error, and the process lives', () => {
  const addon = require('../lib/addon.js')
  assert.throws(() => addon.panicProbe(), /panic/)
  assert.equal(typeof addon.randomId(), 'string')
})

test('every function of the core catches panics', async () => {
  const { readFileSync, readdirSync } = await import('node:fs')
  const source = new URL('../../crates/cloakroom-node/src/', import.meta.url)
  let count = 0
  for (const file of readdirSync(source)) {
    const text = readFileSync(new URL(file, source), 'utf8')
    const all = text.match(/#\[napi\b[^\]]*\]/g) ?? []
    count += all.length
    assert.deepEqual(all.filter(attribute => !/catch_unwind|\(object\)/.test(attribute)), [], file)
  }
  assert.ok(count >= 15)
})

test('an idle process ends by itself, whatever stores it has', async () => {
  const { code, killed, output } = await run(`
    const session = require(process.argv[1])
    const stores = Object.values(JSON.parse(process.argv[2])).map(url => new session.NativeStore(url))
    let left = stores.length
    for (const store of stores) store.length((error, n) => { console.log(String(error ?? 'counted')); left-- })
    process.on('exit', () => console.log('left ' + left))
  `, { signal: AbortSignal.timeout(30_000) })
  assert.deepEqual([code, killed], [0, null])
  assert.equal(output.match(/counted/g)?.length, Object.keys(URLS).length, output)
  assert.match(output, /left 0/)
})

test('a process may exit under load', async () => {
  const { code, killed } = await run(`
    const session = require(process.argv[1])
    for (const url of Object.values(JSON.parse(process.argv[2]))) {
      const store = new session.NativeStore(url)
      for (let n = 0; n < 50; n++) store.get('id' + n, () => {})
      const again = () => store.get('x', () => setImmediate(again))
      setTimeout(again, 20)
    }
    setTimeout(() => process.exit(7), 300)
  `, { signal: AbortSignal.timeout(30_000) })
  assert.deepEqual([code, killed], [7, null])
})

test('20 workers come and go with operations under way', async () => {
  const code = `
    const { parentPort, workerData } = require('node:worker_threads')
    const session = require(workerData.file)
    const store = new session.NativeStore(workerData.url)
    store.length(error => {
      for (let n = 0; n < 50; n++) store.get('id' + n, () => {})
      parentPort.postMessage(String(error ?? 'ready'))
      setTimeout(() => {}, 60000)
    })`
  const urls = Object.values(URLS)
  for (let round = 0; round < 5; round += 1) {
    await Promise.all(Array.from({ length: 4 }, async (_, n) => {
      const worker = new Worker(code, { eval: true, workerData: { file: PACKAGE, url: urls[(round * 4 + n) % urls.length] } })
      assert.deepEqual(await once(worker, 'message'), ['ready'])
      await worker.terminate()
    }))
  }
  const site = await serve(undefined, { store: URLS.sqlite }, handle)
  assert.equal(await visitor().text(site, '/inc'), '1')
  site.server.close()
})

test('a store that is not there is a 503 in bounded time, and never a session', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  const seen = []
  const site = await serve(t, { store: `redis://127.0.0.1:${port}` }, handle, { seen })
  const addon = require('../lib/addon.js')
  const cookie = `connect.sid=${addon.signed(addon.layer('connect.sid', [SECRET], false), 'x'.repeat(32))}`
  const { status, field } = await ask(site, '/inc', { cookie })
  assert.deepEqual([status, field], [503, undefined])
  assert.match(seen[0].code, /^ESTORE/)
})

/** A Redis of one's own, to be ended and begun again. */
async function ownRedis (port) {
  const child = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'], { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'] })
  for await (const data of child.stdout) if (String(data).includes('Ready to accept')) break
  const end = async () => {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
  end.signal = name => child.kill(name)
  return end
}

async function freePort () {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

test('a store that is killed is a 503, anonymous visitors go on, and it is found again', async t => {
  const port = await freePort()
  let end = await ownRedis(port)
  t.after(() => end())
  const site = await serve(t, { store: `redis://127.0.0.1:${port}` }, handle)
  const ada = visitor()
  assert.equal(await ada.text(site, '/inc'), '1')
  await end()
  const { cookie } = ada
  const killed = await ask(site, '/inc', { cookie })
  assert.deepEqual([killed.status, killed.field], [503, undefined])
  const anonymous = await ask(site, '/all')
  assert.deepEqual([anonymous.status, anonymous.text], [200, '{}'])
  assert.equal((await ask(site, '/inc')).status, 503)
  end = await ownRedis(port)
  let status
  for (let tries = 0; tries < 200 && status !== 200; tries += 1) {
    await sleep(50)
    status = (await ask(site, '/inc')).status
  }
  assert.equal(status, 200)
})

test('a store that hangs is a 503, and answers again when it does', async t => {
  const port = await freePort()
  const end = await ownRedis(port)
  t.after(end)
  const site = await serve(t, { store: `redis://127.0.0.1:${port}`, storeTimeout: 300 }, handle)
  const ada = visitor()
  assert.equal(await ada.text(site, '/inc'), '1')
  const { cookie } = ada
  end.signal('SIGSTOP')
  const [reading, writing] = await Promise.all([ask(site, '/all', { cookie }), ask(site, '/inc')])
  assert.deepEqual([reading.status, writing.status, writing.field], [503, 503, undefined])
  end.signal('SIGCONT')
  let text
  for (let tries = 0; tries < 200 && text !== '{"n":1}'; tries += 1) {
    await sleep(50)
    text = (await ask(site, '/all', { cookie })).text
  }
  assert.equal(text, '{"n":1}')
})

test('a server that takes the connection and says nothing is a 503 in bounded time', async t => {
  const sockets = new Set()
  const server = createServer(socket => sockets.add(socket)).listen(0, '127.0.0.1')
  t.after(() => { server.close(); sockets.forEach(socket => socket.destroy()) })
  await once(server, 'listening')
  const at = `127.0.0.1:${server.address().port}`
  const sites = await Promise.all(['redis', 'postgres', 'mongodb'].map(kind => serve(t, { store: `${kind}://${at}/d` }, handle)))
  const answers = await Promise.all(sites.map(site => ask(site, '/inc')))
  assert.deepEqual(answers.map(({ status, field }) => [status, field]), Array(3).fill([503, undefined]))
})

test('a session of a visitor who has none is made here: its id stays, what is done late to it is refused, and nothing is stored of it', async t => {
  const store = new session.NativeStore('memory:')
  const seen = []
  const server = await serve(t, { store, cookie: { maxAge: 60_000, sameSite: 'lax' } }, async (req, res) => {
    const { sessionID, session } = req
    if (req.url === '/late') {
      res.write('head')
      session.n = 1
      seen.push(await session.save().then(() => 'saved', error => error.code))
      return res.end()
    }
    session.cookie.maxAge = 30_000
    session.n = 1
    await session.save()
    seen.push([req.session.id === sessionID, req.session.cookie.originalMaxAge, req.session.cookie.sameSite])
    res.end(sessionID)
  })
  const { cookie, text, field } = await ask(server)
  assert.equal(idOf(cookie), text)
  assert.equal(attributes(field).samesite, 'Lax')
  assert.deepEqual(seen, [[true, 30_000, 'lax']])
  assert.equal((await ask(server, '/late')).field, undefined)
  assert.equal(seen[1], 'ERR_HTTP_HEADERS_SENT')
  assert.deepEqual(await of(store, 'ids'), [text])
})
