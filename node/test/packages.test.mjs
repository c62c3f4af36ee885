// Packages that live on `req.session`, each in a small application that runs twice: on express-session and here. What they
// answer has to be the same.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { ask, listen, of, require, SECRET, session } from './support.mjs'

const expressSession = require('express-session')
const FRAMEWORKS = { 'Express 4': require('express4'), 'Express 5': require('express') }

/** Each application: what it adds to Express, and what a visitor asks of it. */
const APPLICATIONS = {
  'passport, data left behind': passport({}),
  'passport, keepSessionInfo': passport({ keepSessionInfo: true }),
  'connect-flash': {
    build (app) {
      app.use(require('connect-flash')())
      app.get('/set', (req, res) => { req.flash('info', 'one'); req.flash('info', 'two'); res.redirect('/get') })
      app.get('/get', (req, res) => res.json(req.flash('info')))
    },
    visit: ['/get', '/set', '/get', '/get']
  },
  csurf: {
    build (app) {
      app.use(require('csurf')())
      app.get('/form', (req, res) => { req.app.locals.token = req.csrfToken(); res.send('form') })
      app.post('/act', (req, res) => res.send('done'))
      app.use((error, req, res, next) => res.status(error.status ?? 500).send(error.code)) // eslint-disable-line no-unused-vars
    },
    visit: ['/form', ['POST', '/act'], app => ['POST', '/act', { 'csrf-token': app.locals.token }]]
  },
  lusca: {
    build (app) {
      app.use(require('lusca')({ csrf: true, xframe: 'SAMEORIGIN', nosniff: true }))
      app.get('/form', (req, res) => { req.app.locals.token = res.locals._csrf; res.send('form') })
      app.post('/act', (req, res) => res.send('done'))
      app.use((error, req, res, next) => res.status(403).send(error.message)) // eslint-disable-line no-unused-vars
    },
    visit: ['/form', ['POST', '/act'], app => ['POST', '/act', { 'x-csrf-token': app.locals.token }]]
  },
  'csrf-sync': {
    build (app) {
      const { generateToken, csrfSynchronisedProtection } = require('csrf-sync').csrfSync()
      app.get('/form', (req, res) => { req.app.locals.token = generateToken(req); res.send('form') })
      app.post('/act', csrfSynchronisedProtection, (req, res) => res.send('done'))
      app.use((error, req, res, next) => res.status(403).send(error.code)) // eslint-disable-line no-unused-vars
    },
    visit: ['/form', ['POST', '/act'], app => ['POST', '/act', { 'x-csrf-token': app.locals.token }]]
  },
  'express-rate-limit by session': {
    build (app) {
      app.use((req, res, next) => { req.session.seen = true; next() })
      app.use(require('express-rate-limit').rateLimit({ limit: 2, windowMs: 60_000, keyGenerator: req => req.sessionID, validate: false, legacyHeaders: false }))
      app.get('/', (req, res) => res.send('in'))
    },
    visit: ['/', '/', '/', '/']
  },
  'helmet, morgan, compression': {
    build (app) {
      app.use(require('helmet')(), require('morgan')(':status', { stream: { write () {} } }), require('compression')({ threshold: 0 }))
      app.get('/', (req, res) => { req.session.n = (req.session.n ?? 0) + 1; res.json({ n: req.session.n }) })
    },
    visit: ['/', '/']
  },
  'nested values, spread, delete, JSON': {
    build (app) {
      app.get('/', (req, res) => {
        req.session.list ??= []
        req.session.list.push({ n: req.session.list.length })
        req.session.deep = { a: { b: [1] } }
        req.session.deep.a.b.push(2)
        req.session.gone = 1
        delete req.session.gone
        req.session.date = new Date(0)
        res.json({ ...req.session, keys: Object.keys(req.session), has: 'list' in req.session, json: JSON.stringify(req.session) })
      })
    },
    visit: ['/', '/', '/']
  }
}

/** The package on a store of the core's own. */
const native = options => session({ ...options, store: 'memory:' })

function passport (options) {
  return {
    build (app) {
      const { Passport } = require('passport')
      const { Strategy } = require('passport-local')
      const own = new Passport()
      own.use(new Strategy({ usernameField: 'u', passwordField: 'p' }, (u, p, done) => done(null, p === 'right' ? { id: u } : false)))
      own.serializeUser((user, done) => done(null, user.id))
      own.deserializeUser((id, done) => done(null, { id }))
      app.use(own.initialize(), own.session())
      app.get('/cart', (req, res) => { req.session.cart = [1]; res.json(Object.keys(req.session)) })
      app.get('/login', own.authenticate('local', { failWithError: true, ...options }), (req, res) => res.json(req.user))
      app.get('/me', (req, res) => res.json({ user: req.user, keys: Object.keys(req.session), in: req.isAuthenticated() }))
      app.get('/logout', (req, res, next) => req.logout(options, error => error ? next(error) : res.json(Object.keys(req.session))))
      app.use((error, req, res, next) => res.status(error.status ?? 500).send(error.message)) // eslint-disable-line no-unused-vars
    },
    visit: ['/me', '/cart', '/login?u=ada&p=wrong', '/login?u=ada&p=right', '/me', '/logout', '/me', '/login?u=eve&p=right', '/me']
  }
}

async function play (t, framework, module, { build, visit }) {
  const app = framework()
  app.use(module({ secret: SECRET, resave: false, saveUninitialized: false }))
  build(app)
  const site = await listen(t, createServer(app))
  const seen = []
  let cookie
  for (const step of visit) {
    const [method, path, headers] = typeof step === 'function' ? step(app) : typeof step === 'string' ? ['GET', step] : step
    const answer = await ask(site, path, { method, headers, cookie })
    const changed = answer.cookie !== undefined && answer.cookie !== cookie
    if (answer.cookie !== undefined) cookie = answer.cookie
    const { date, 'set-cookie': fields, ...others } = answer.headers
    delete others['ratelimit-reset']
    seen.push({ path, status: answer.status, text: answer.text, changed, headers: others })
  }
  return seen
}

/** Without what express-session does to a response that is stored: it goes in two pieces, of no known length. */
function plain (seen) {
  return seen.map(({ headers: { 'content-length': length, 'transfer-encoding': encoding, ...headers }, ...answer }) => ({ ...answer, headers }))
}

for (const [framework, express] of Object.entries(FRAMEWORKS)) {
  for (const [name, application] of Object.entries(APPLICATIONS)) {
    test(`${framework}: ${name}`, async t => {
      const theirs = await play(t, express, expressSession, application)
      for (const module of [session, native]) {
        const ours = await play(t, express, module, application)
        assert.deepEqual(plain(ours), plain(theirs))
        assert.ok(ours.some(({ status }) => status === 200))
      }
    })
  }
}

// Stores from npm that live in this process or on its disk.

const STORES = {
  async memorystore (module) {
    const MemoryStore = require('memorystore')(module)
    return { store: new MemoryStore({ checkPeriod: 0 }), close () {} }
  },
  async 'session-file-store' (module) {
    const path = mkdtempSync(join(tmpdir(), 'cloakroom-files-'))
    const FileStore = require('session-file-store')(module)
    const store = new FileStore({ path, logFn () {}, retries: 0, reapInterval: -1 })
    return { store, close: () => rmSync(path, { recursive: true }) }
  }
}

for (const [name, open] of Object.entries(STORES)) {
  test(`${name}: a session lives, changes and ends as with express-session`, async t => {
    const seen = []
    for (const module of [expressSession, session]) {
      const { store, close } = await open(module)
      t.after(close)
      const app = FRAMEWORKS['Express 5']()
      app.use(module({ secret: SECRET, resave: false, saveUninitialized: false, store, cookie: { maxAge: 60_000 } }))
      app.get('/inc', (req, res) => { req.session.n = (req.session.n ?? 0) + 1; res.send(String(req.session.n)) })
      app.get('/read', (req, res) => res.send(String(req.session.n)))
      app.get('/regenerate', (req, res) => req.session.regenerate(error => res.send(String(error ?? req.session.n))))
      app.get('/destroy', (req, res) => req.session.destroy(error => res.send(String(error ?? 'ended'))))
      const site = await listen(t, createServer(app))
      let cookie
      const texts = []
      for (const path of ['/inc', '/inc', '/read', '/regenerate', '/inc', '/destroy', '/read']) {
        const answer = await ask(site, path, { cookie })
        if (answer.cookie !== undefined) cookie = answer.cookie
        texts.push(answer.text)
      }
      seen.push(texts)
    }
    assert.deepEqual(seen[1], seen[0])
    assert.deepEqual(seen[1], ['1', '2', '2', 'undefined', '1', 'ended', 'undefined'])
  })
}

// Sockets: there is no response whose head could wait, and `save` stores.

for (const Store of [session.MemoryStore, session.NativeStore]) test(`socket.io has the session of a ${Store.name}, over websocket and polling, and stores what is saved`, async t => {
  const { Server } = require('socket.io')
  const { io } = require('socket.io-client')
  const store = new Store('memory:')
  const middleware = session({ secret: SECRET, resave: false, saveUninitialized: false, store })
  const app = FRAMEWORKS['Express 5']()
  app.use(middleware)
  app.get('/', (req, res) => { req.session.n = 1; res.send('x') })
  const server = createServer(app)
  const sockets = new Server(server)
  sockets.engine.use(middleware)
  sockets.on('connection', socket => {
    socket.on('add', async answer => {
      const { session } = socket.request
      session.n += 1
      await session.save()
      answer(session.n)
    })
  })
  const site = await listen(t, server)
  t.after(() => sockets.close())
  const { cookie } = await ask(site)
  for (const [transport, expected] of [['websocket', 2], ['polling', 3]]) {
    const socket = io(site.url, { transports: [transport], extraHeaders: { cookie }, forceNew: true })
    assert.equal(await socket.emitWithAck('add'), expected, transport)
    socket.close()
  }
  assert.equal(Object.values(await of(store, 'all'))[0].n, 3)
})

test('ws has the session of an upgrade', async t => {
  const { WebSocketServer, WebSocket } = require('ws')
  const middleware = session({ secret: SECRET, resave: false, saveUninitialized: false })
  const server = createServer((req, res) => middleware(req, res, () => { req.session.user = 'ada'; res.end() }))
  const sockets = new WebSocketServer({ noServer: true })
  server.on('upgrade', (req, socket, head) => {
    middleware(req, {}, () => {
      if (!req.session.user) return socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n')
      sockets.handleUpgrade(req, socket, head, client => client.send(req.session.user))
    })
  })
  const site = await listen(t, server)
  const { cookie } = await ask(site)
  const open = headers => new WebSocket(site.url.replace('http', 'ws'), { headers })
  const client = open({ cookie })
  const [message] = await once(client, 'message')
  assert.equal(String(message), 'ada')
  client.close()
  const [error] = await once(open({}), 'error')
  assert.match(error.message, /401/)
})

test('NestJS has the session, as a parameter and on the request', async t => {
  require('reflect-metadata')
  const { Controller, Get, Module, Req, Session } = require('@nestjs/common')
  const { NestFactory } = require('@nestjs/core')
  class Visits {
    count (session, req) {
      session.n = (session.n ?? 0) + 1
      return `${session.n} ${req.session === session}`
    }
  }
  Get('count')(Visits.prototype, 'count', Object.getOwnPropertyDescriptor(Visits.prototype, 'count'))
  Session()(Visits.prototype, 'count', 0)
  Req()(Visits.prototype, 'count', 1)
  Controller()(Visits)
  class Root {}
  Module({ controllers: [Visits] })(Root)
  const seen = []
  for (const module of [expressSession, session, native]) {
    const app = await NestFactory.create(Root, { logger: false })
    t.after(() => app.close())
    app.use(module({ secret: SECRET, resave: false, saveUninitialized: false }))
    await app.listen(0, '127.0.0.1')
    const site = { url: await app.getUrl() }
    const { cookie, text } = await ask(site, '/count')
    seen.push([text, (await ask(site, '/count', { cookie })).text])
  }
  assert.deepEqual(seen, Array(3).fill(['1 true', '2 true']))
})
