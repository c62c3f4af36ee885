// How an answer can be given: 24 shapes on node:http, Express 4 and 5 and HTTP/2's compatible API, without and with
// compression on either side. No head before the store's answer; bodies and fields as without a session.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import * as http2 from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, pipeline } from 'node:stream'
import { test } from 'node:test'

import { listen, require, SECRET, session, slow } from './support.mjs'

const compression = require('compression')
const express = require('express-session')
const folder = mkdtempSync(join(tmpdir(), 'cloakroom-shapes-'))
process.on('exit', () => rmSync(folder, { recursive: true }))
const FILE = join(folder, 'file.txt')
const LARGE = 'x'.repeat(400_000)
writeFileSync(FILE, LARGE)
const pieces = () => Readable.from(Array.from({ length: 20 }, (_, n) => `piece ${n} `))
const json = (res, value) => { res.setHeader('Content-Type', 'application/json'); res.end(JSON.stringify(value)) }

/** What a handler does with its response; those of Express have its methods. */
const SHAPES = {
  end: res => res.end('hello'),
  'end without a body': res => res.end(),
  'end of bytes': res => res.end(Buffer.from('hello')),
  'end with an encoding': res => res.end('aGVsbG8=', 'base64'),
  'end with a callback': res => res.end('hello', () => res.emit('told')),
  'write and end': res => { res.write('hello, '); res.end('world') },
  'write with callbacks': res => { res.write('a', () => { res.write('b', 'utf8', () => res.end('c')) }) },
  'counted pieces': res => { res.setHeader('Content-Length', 12); res.write('hello, '); res.end('world') },
  'pieces by and by': res => { res.write('a'); setTimeout(() => { res.write('b'); setTimeout(() => res.end('c'), 5) }, 5) },
  'pieces past the store': res => { res.write('a'); setTimeout(() => res.end('b'), 60) },
  redirect: res => { res.writeHead(302, { Location: '/other' }); res.end() },
  'writeHead with fields': res => { res.writeHead(201, { 'X-One': '1', 'Content-Type': 'text/plain' }); res.end('made') },
  'writeHead with a list': res => { res.writeHead(200, ['X-One', '1', 'X-Two', '2']); res.end('made') },
  'writeHead chained': res => res.writeHead(200, { 'X-One': '1' }).end('made'),
  status: res => { res.statusCode = 404; res.end('nothing') },
  204: res => { res.statusCode = 204; res.end() },
  304: res => { res.statusCode = 304; res.end() },
  json: res => json(res, { a: [1, 2] }),
  'flushed head': res => { res.setHeader('X-One', '1'); res.flushHeaders(); setTimeout(() => res.end('x'), 5) },
  events: res => {
    res.writeHead(200, { 'Content-Type': 'text/event-stream' })
    res.flushHeaders()
    res.write('data: 1\n\n')
    setTimeout(() => res.end('data: 2\n\n'), 10)
  },
  pipe: res => pieces().pipe(res),
  pipeline: res => pipeline(pieces(), res, () => {}),
  'a large body': res => res.end(LARGE),
  'large writes that wait': async res => {
    for (let n = 0; n < 8; n += 1) if (!res.write(LARGE.slice(0, 50_000))) await once(res, 'drain')
    res.end('end')
  }
}
const OF_EXPRESS = {
  'res.json': res => res.json({ a: 1 }),
  'res.send': res => res.send('<p>hello</p>'),
  'res.redirect': res => res.redirect('/other'),
  'res.sendFile': res => res.sendFile(FILE),
  'res.sendStatus': res => res.sendStatus(403)
}

/** One server of a set-up: `use` are middlewares, in their order. */
async function start (t, setUp, middlewares, handle) {
  const { framework, kind } = SETUPS[setUp]
  if (framework !== undefined) {
    const app = require(framework)()
    app.disable('etag')
    middlewares.forEach(middleware => app.use(middleware))
    app.use((req, res) => handle(req, res))
    app.use((error, req, res, next) => { res.statusCode = 500; res.end(error.stack) }) // eslint-disable-line no-unused-vars
    return listen(t, createServer(app), { kind })
  }
  const run = (req, res) => {
    const next = at => error => {
      if (error) { res.statusCode = 500; return res.end(error.stack) }
      if (at === middlewares.length) return handle(req, res)
      middlewares[at](req, res, next(at + 1))
    }
    next(0)()
  }
  return listen(t, kind === 'http2' ? http2.createServer(run) : createServer(run), { kind })
}

const SETUPS = {
  'node:http': { kind: 'http1' },
  'Express 4': { kind: 'http1', framework: 'express4' },
  'Express 5': { kind: 'http1', framework: 'express' },
  'HTTP/2': { kind: 'http2' }
}

/** One answer; `onHead` is called when its head is there. */
function ask (site, { headers = {}, onHead = () => {} }) {
  return site.kind === 'http2' ? ask2(site, headers, onHead) : ask1(site, headers, onHead)
}

function ask1 (site, headers, onHead) {
  return new Promise((resolve, reject) => {
    request(site.url, { headers, agent: false }, async response => {
      onHead()
      const parts = []
      try {
        for await (const part of response) parts.push(part)
      } catch (error) { return reject(error) }
      const { date, 'set-cookie': fields, ...others } = response.headers
      resolve({ status: response.statusCode, body: Buffer.concat(parts).toString('latin1'), headers: others, hasCookie: fields !== undefined })
    }).on('error', reject).end()
  })
}

async function ask2 (site, headers, onHead) {
  const client = http2.connect(site.url)
  try {
    const stream = client.request({ ':path': '/', ...headers })
    stream.end()
    const [{ date, ':status': status, 'set-cookie': fields, ...others }] = await once(stream, 'response')
    onHead()
    const parts = []
    for await (const part of stream) parts.push(part)
    return { status, body: Buffer.concat(parts).toString('latin1'), headers: { ...others }, hasCookie: fields !== undefined }
  } finally {
    client.close()
  }
}

/** Which middlewares, in their order. */
const ORDERS = {
  alone: own => [own],
  'before compression': own => [own, compression()],
  'behind compression': own => [compression(), own]
}

async function compare (t, setUp, order, module = session) {
  const faults = []
  let current
  const store = slow(new module.MemoryStore(), 30, ['set'])
  let answered = false
  store.onAnswer = () => { answered = true }
  const middleware = module({ secret: SECRET, resave: false, saveUninitialized: false, store })
  const handle = (req, res) => {
    if (req.session) req.session.n = 1
    current(res)
  }
  const site = await start(t, setUp, ORDERS[order](middleware), handle)
  const bare = await start(t, setUp, ORDERS[order]((req, res, next) => next()), handle)
  const shapes = { ...SHAPES, ...(SETUPS[setUp].framework === undefined ? {} : OF_EXPRESS) }
  for (const [name, shape] of Object.entries(shapes)) {
    // compression's own fault: it refuses a callback whether or not there is a session.
    if (order !== 'alone' && name.includes('callback')) continue
    if (SETUPS[setUp].kind === 'http2' && order !== 'alone') continue
    current = shape
    answered = false
    let early = false
    const headers = order === 'alone' ? {} : { 'accept-encoding': 'gzip' }
    const limit = new Promise((resolve, reject) => setTimeout(reject, 5000, new Error('no answer')).unref())
    try {
      const ours = await Promise.race([limit, ask(site, { headers, onHead: () => { early = !answered } })])
      const plain = await ask(bare, { headers })
      if (early) faults.push(`${name}: head before the store's answer`)
      if (!ours.hasCookie) faults.push(`${name}: no cookie`)
      for (const aspect of ['status', 'body']) if (ours[aspect] !== plain[aspect]) faults.push(`${name}: ${aspect}`)
      const strip = all => Object.fromEntries(Object.entries(all).sort())
      try { assert.deepEqual(strip(ours.headers), strip(plain.headers)) } catch (error) { faults.push(`${name}: ${error.message}`) }
    } catch (error) {
      faults.push(`${name}: ${error.message}`)
    }
  }
  return { faults, count: Object.keys(shapes).length }
}

for (const setUp of Object.keys(SETUPS)) {
  for (const order of Object.keys(ORDERS)) {
    if (setUp === 'HTTP/2' && order !== 'alone') continue
    test(`${setUp}, ${order}: every shape waits for the store and is as without a session`, async t => {
      const { faults, count } = await compare(t, setUp, order)
      assert.deepEqual(faults, [])
      assert.ok(count >= 24)
    })
  }
}

test('the control: with express-session heads leave before the store has answered', async t => {
  const { faults } = await compare(t, 'node:http', 'alone', express)
  const early = faults.filter(fault => fault.includes('head before'))
  t.diagnostic(`express-session: ${early.length} heads before the store's answer`)
  assert.ok(early.length > 5)
})

test('a store that answers at once holds nothing back', async t => {
  class AtOnce extends session.Store {
    get (id, fn) { fn() }
    set (id, data, fn) { fn() }
    destroy (id, fn) { fn() }
  }
  for (const store of [new AtOnce(), 'memory:']) {
    let sent
    const middleware = session({ secret: SECRET, resave: false, saveUninitialized: false, store })
    const site = await start(t, 'node:http', [middleware], (req, res) => {
      req.session.n = 1
      res.write('x')
      sent = res._headerSent
      res.end()
    })
    const { hasCookie } = await ask(site, {})
    assert.deepEqual([sent, hasCookie], [true, true])
  }
})

test('while it is held the response says that its head has left', async t => {
  const codes = []
  const middleware = session({ secret: SECRET, resave: false, saveUninitialized: false, store: slow(new session.MemoryStore(), 30, ['set']) })
  const site = await start(t, 'node:http', [middleware], (req, res) => {
    req.session.n = 1
    res.write('x')
    codes.push(res.headersSent)
    for (const change of [() => res.setHeader('A', '1'), () => res.removeHeader('A'), () => res.writeHead(200), () => res.appendHeader('A', '1')]) {
      try { change(); codes.push('none') } catch (error) { codes.push(error.code) }
    }
    setTimeout(() => res.end('y'), 60)
  })
  const { body } = await ask(site, {})
  assert.equal(body, 'xy')
  assert.deepEqual(codes, [true, ...Array(4).fill('ERR_HTTP_HEADERS_SENT')])
})

test('who writes without looking is told to wait, and a client that hangs up has its session stored', async t => {
  const store = slow(new session.MemoryStore(), 40, ['set'])
  const middleware = session({ secret: SECRET, resave: false, saveUninitialized: false, store })
  const told = []
  let handled = () => {}
  const site = await start(t, 'node:http', [middleware], (req, res) => {
    req.session.n = 1
    for (let n = 0; n < 10; n += 1) told.push(res.write(LARGE.slice(0, 10_000)))
    res.end()
    handled()
  })
  const { body } = await ask(site, {})
  assert.equal(body.length, 100_000)
  assert.equal(told[0], true)
  assert.equal(told.at(-1), false)
  const leaving = request(site.url, { agent: false })
  leaving.on('error', () => {})
  const isHandled = new Promise(resolve => { handled = resolve })
  leaving.end()
  await isHandled
  leaving.destroy()
  while (Object.keys(store.sessions).length < 2) await new Promise(resolve => setTimeout(resolve, 10))
})

test('a response that is none, as ws gives, and two middlewares on one request', async t => {
  const middleware = session({ secret: SECRET, resave: false, saveUninitialized: false })
  await new Promise((resolve, reject) => {
    middleware({ headers: {}, url: '/' }, {}, error => error ? reject(error) : resolve())
  })
  const site = await start(t, 'node:http', [middleware, middleware], (req, res) => { req.session.n = 1; res.end('x') })
  assert.equal((await ask(site, {})).hasCookie, true)
})
