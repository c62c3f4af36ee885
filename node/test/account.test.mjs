// What express-session never had, on store objects: promises, a key that is updated, a user's account, `strict`.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createServer } from 'node:http'
import { test } from 'node:test'

import esm, { MemoryStore as named } from '../index.mjs'
import { ask, attributes, idOf, listen, of, require, serve, session, slow } from './support.mjs'

const express = require('express')
const { MemoryStore } = session

/** Serves what a table says of each path; an error is told with its code. */
function site (t, routes, options) {
  return serve(t, options, async (req, res) => {
    try {
      res.end(String(await routes[req.url.slice(1)](req.session, req)))
    } catch (error) {
      res.statusCode = 500
      res.end(`${error.code}: ${error.message}`)
    }
  })
}

test('it may be imported', () => {
  assert.equal(esm, session)
  assert.equal(named, MemoryStore)
})

test('the types hold for an application of express-session\'s', () => {
  const folder = new URL('.', import.meta.url).pathname
  execFileSync(process.execPath, [`${folder}node_modules/typescript/bin/tsc`, '-p', `${folder}types/tsconfig.json`], { stdio: 'inherit' })
})

test('save, reload, regenerate and destroy give promises where there is no callback', async t => {
  const store = new MemoryStore()
  const server = await site(t, {
    async save (session) { session.n = 1; await session.save(); return Object.keys(store.sessions).length },
    async reload (session, req) { session.n = 2; await session.reload(); return req.session.n },
    async regenerate (session, req) { await session.regenerate(); return `${req.session.n} ${req.session === session}` },
    async destroy (session, req) { await session.destroy(); return req.session },
    async lost (session) { await of(store, 'clear'); return session.reload() }
  }, { store })
  const { cookie, text } = await ask(server, '/save')
  assert.equal(text, '1')
  assert.equal((await ask(server, '/reload', { cookie })).text, '1')
  assert.equal((await ask(server, '/lost')).text, 'undefined: failed to load session')
  const other = (await ask(server, '/save')).cookie
  assert.equal((await ask(server, '/regenerate', { cookie: other })).text, 'undefined false')
  assert.equal((await ask(server, '/destroy', { cookie: (await ask(server, '/save')).cookie })).text, 'undefined')
})

test('a promise that nobody looks at does not end the process', async t => {
  const store = new MemoryStore()
  store.set = (id, data, fn) => setImmediate(fn, new Error('boom!'))
  const unhandled = []
  const note = error => unhandled.push(error)
  process.on('unhandledRejection', note)
  t.after(() => process.off('unhandledRejection', note))
  const server = await serve(t, { store }, (req, res) => { req.session.n = 1; req.session.save(); res.end() })
  assert.equal((await ask(server)).status, 503)
  await new Promise(resolve => setTimeout(resolve, 20))
  assert.deepEqual(unhandled, [])
})

test('update loses no step, and takes along what else was changed', async t => {
  const store = slow(new MemoryStore(), 2, ['get', 'set'])
  const server = await site(t, {
    async begin (session) { session.other = 0; return 'begun' },
    async up (session) { session.other += 1; return session.update('n', n => (n ?? 0) + 1) },
    async all (session) { return session.n },
    async wrong (session) { return session.update('n', () => { throw Object.assign(new Error('no'), { code: 'ENO' }) }) }
  }, { store })
  const { cookie } = await ask(server, '/begin')
  const answers = await Promise.all(Array.from({ length: 50 }, () => ask(server, '/up', { cookie })))
  assert.deepEqual(answers.map(({ text }) => Number(text)).sort((a, b) => a - b), Array.from({ length: 50 }, (_, n) => n + 1))
  assert.equal((await ask(server, '/all', { cookie })).text, '50')
  assert.equal((await ask(server, '/wrong', { cookie })).text, 'ENO: no')
  assert.equal((await ask(server, '/all', { cookie })).text, '50')
})

test('login changes the id and keeps the visitor\'s data, not another user\'s; the others end', async t => {
  const store = new MemoryStore()
  const server = await site(t, {
    async cart (session) { session.cart = [1]; session.roles = ['admin']; return 'kept' },
    async ada (session, req) { await session.login('ada'); return JSON.stringify(Object.keys(req.session)) },
    async eve (session, req) { await session.login('eve'); return JSON.stringify(Object.keys(req.session)) },
    async devices (session) { return JSON.stringify((await session.devices()).map(device => device.isCurrent)) },
    async end (session) {
      const other = (await session.devices()).find(device => !device.isCurrent)
      return session.endDevice(other.handle)
    },
    async others (session) { return session.endOthers() },
    async all (session) { return session.endAll() },
    async logout (session, req) { await session.logout(); return req.session },
    async who (session) { return session.userId },
    async renew (session, req) { await session.renew(); return `${req.session.id !== session.id} ${req.session.userId}` }
  }, { store })
  const { cookie: first } = await ask(server, '/cart')
  const signedIn = await ask(server, '/ada', { cookie: first })
  assert.notEqual(idOf(signedIn.cookie), idOf(first))
  assert.equal(signedIn.text, '["cookie","cart","userId","_ck"]')
  assert.equal((await ask(server, '/who', { cookie: first })).text, 'undefined')
  const phone = (await ask(server, '/ada')).cookie
  assert.equal((await ask(server, '/devices', { cookie: phone })).text.includes('false'), true)
  assert.equal((await ask(server, '/end', { cookie: phone })).text, 'true')
  assert.equal((await ask(server, '/who', { cookie: signedIn.cookie })).text, 'undefined')
  const renewed = await ask(server, '/renew', { cookie: phone })
  assert.equal(renewed.text, 'true ada')
  const tablet = (await ask(server, '/ada')).cookie
  assert.equal((await ask(server, '/others', { cookie: tablet })).text, '1')
  const eve = await ask(server, '/eve', { cookie: tablet })
  assert.equal(eve.text, '["cookie","userId","_ck"]')
  assert.equal((await ask(server, '/logout', { cookie: eve.cookie })).text, 'undefined')
  const last = (await ask(server, '/ada')).cookie
  assert.equal((await ask(server, '/all', { cookie: last })).text, '1')
  assert.equal(await of(store, 'length'), 0)
  await ask(server, '/ada')
  await ask(server, '/ada')
  await ask(server, '/eve')
  assert.equal(await server.middleware.endSessionsOf('ada'), 2)
  assert.equal(await of(store, 'length'), 1)
})

test('data of a method\'s name is data', async t => {
  const store = new MemoryStore()
  const server = await site(t, {
    async set (session) { Object.assign(session, { login: 'ada', devices: [1], update: 2 }); return 'set' },
    async get ({ login, devices, update }) { return JSON.stringify({ login, devices, update }) }
  }, { store })
  const { cookie } = await ask(server, '/set')
  assert.equal((await ask(server, '/get', { cookie })).text, '{"login":"ada","devices":[1],"update":2}')
})

test('strict: cloakroom\'s own defaults', async t => {
  assert.throws(() => session({ strict: true }), /secret/)
  assert.throws(() => session({ strict: true, secret: 'keyboard cat' }), /32 bytes/)
  assert.throws(() => session({ strict: true, secret: 'x'.repeat(64) }), /guessed/)
  for (const store of [new MemoryStore(), 'memory:']) {
    const before = req => { if (req.url === '/tls') req.secure = true }
    const options = { strict: true, secret: 'Uq3zW8v1nD5kXo7RbT2yPf9sLc4hJm6E', resave: undefined, saveUninitialized: undefined, store }
    const server = await serve(t, options, (req, res) => { if (req.headers['x-set']) req.session.n = 1; res.end() }, { before })
    assert.equal((await ask(server, '/tls')).field, undefined)
    assert.equal((await ask(server, '/', { headers: { 'x-set': '1' } })).field, undefined)
    const { cookie, field } = await ask(server, '/tls', { headers: { 'x-set': '1' } })
    const { secure, httponly, samesite, expires } = attributes(field)
    assert.deepEqual([secure, httponly, samesite], [true, true, 'Lax'])
    assert.ok(attributes(field)['max-age'] >= 30 * 60 - 5)
    assert.ok(Date.parse(expires) > Date.now())
    // Whoever comes in time stays signed in: where the browser's cookie would end first, it goes again.
    const again = await ask(server, '/tls', { cookie })
    assert.equal(again.status, 200)
    if (store !== 'memory:') assert.ok(again.field)
  }
})

test('Express 4 and 5 pass a failed save to the error handler, once, with no byte of the page', async t => {
  for (const framework of [express, require('express4')]) {
    const store = new MemoryStore()
    store.set = (id, data, fn) => setTimeout(fn, 5, new Error('boom!'))
    const app = framework()
    let handled = 0
    app.use(session({ secret: 'keyboard cat', resave: false, saveUninitialized: false, store }))
    app.get('/', (req, res) => { req.session.n = 1; res.set('X-Page', '1').json({ ok: true }) })
    app.use((error, req, res, next) => { // eslint-disable-line no-unused-vars
      handled += 1
      res.status(error.status).send('try again')
    })
    const server = await listen(t, createServer(app))
    const { status, text, headers, field } = await ask(server)
    assert.deepEqual([status, text, headers['x-page'], field, handled], [503, 'try again', undefined, undefined, 1])
  }
})

test('a save that fails while a body streams is a 503 of ours, and the rest is swallowed', async t => {
  const store = new MemoryStore()
  store.set = (id, data, fn) => setTimeout(fn, 20, new Error('boom!'))
  const seen = []
  const server = await serve(t, { store }, (req, res) => {
    req.session.n = 1
    res.setHeader('X-Page', '1')
    res.write('secret ')
    const timer = setInterval(() => res.write('page '), 5)
    setTimeout(() => { clearInterval(timer); res.end('end') }, 60)
  }, { seen })
  const { status, text, headers, field } = await ask(server)
  assert.deepEqual([status, text, headers['x-page'], field], [503, 'the session could not be saved\n', undefined, undefined])
  while (seen.length === 0) await new Promise(resolve => setImmediate(resolve))
  assert.equal(seen[0].message, 'boom!')
})

test('data that JSON cannot say is the error handler\'s, and the request ends', async t => {
  const server = await serve(t, {}, (req, res) => { req.session.n = 10n; res.end('ok') })
  const { status, text } = await ask(server)
  assert.equal(status, 500)
  assert.match(text, /BigInt/)
})

test('a store that never answers is a 503 in bounded time', async t => {
  const store = new MemoryStore()
  const server = await serve(t, { store, storeTimeout: 50 }, (req, res) => { req.session.n = 1; res.end('ok') })
  const { cookie } = await ask(server)
  for (const method of ['get', 'set']) {
    const own = store[method]
    store[method] = () => {}
    const { status, text } = await ask(server, '/', { cookie: method === 'get' ? cookie : undefined })
    store[method] = own
    assert.equal(status, method === 'get' ? 500 : 503)
    assert.match(text, /did not answer/)
  }
})

test('a store that calls back twice, and throws what it is told, serves each request once', async t => {
  const store = new MemoryStore()
  const { get } = store
  store.get = function (id, fn) {
    get.call(this, id, (error, record) => {
      try { fn(error, record) } finally { fn(new Error('again')) }
    })
  }
  let count = 0
  const server = await serve(t, { store }, (req, res) => { count += 1; req.session.n = 1; res.end('ok') })
  const { cookie } = await ask(server)
  assert.equal((await ask(server, '/', { cookie })).text, 'ok')
  assert.equal(count, 2)
})

test('a callback that throws leaves nobody waiting for the session', async t => {
  class AtOnce extends session.Store {
    sessions = {}
    get (id, fn) { fn(null, this.sessions[id] && JSON.parse(this.sessions[id])) }
    set (id, data, fn) { this.sessions[id] = JSON.stringify(data); fn() }
    destroy (id, fn) { delete this.sessions[id]; fn() }
  }
  const server = await serve(t, { store: new AtOnce() }, (req, res) => {
    req.session.n = (req.session.n ?? 0) + 1
    if (req.url === '/') return res.end(String(req.session.n))
    try { req.session.save(() => { throw new Error('mine') }) } catch (error) { res.end(error.message) }
  })
  const { cookie } = await ask(server)
  assert.equal((await ask(server, '/throw', { cookie })).text, 'mine')
  assert.equal((await ask(server, '/', { cookie })).text, '3')
})

test('a touch that fails cuts no answer short, whatever the error handler does', async t => {
  const store = new MemoryStore()
  store.touch = (id, data, fn) => setImmediate(fn, new Error('boom!'))
  const app = express()
  app.use(session({ secret: 'keyboard cat', resave: false, saveUninitialized: false, store }))
  app.get('/', (req, res) => { req.session.n = 1; res.send('x'.repeat(5_000_000)) })
  const server = await listen(t, createServer(app))
  const { cookie } = await ask(server)
  const { text } = await ask(server, '/', { cookie })
  assert.equal(text.length, 5_000_000)
})

test('an end that core refuses is none: whoever handles the error answers', async t => {
  for (const store of [new MemoryStore(), 'memory:']) {
    for (const change of [false, true]) {
      const server = await serve(t, { store }, (req, res) => {
        if (change) req.session.n = 1
        try {
          if (req.url === '/body') res.end({})
          res.statusCode = 9999
          res.end('x')
        } catch (error) {
          res.statusCode = 500
          res.end(error.code)
        }
      })
      assert.equal((await ask(server, '/body')).text, 'ERR_INVALID_ARG_TYPE')
      const { status, text } = await ask(server)
      assert.equal(status, 500)
      assert.match(text, /ERR_HTTP_INVALID_STATUS_CODE|Invalid status code/)
    }
  }
})
