// express-session: `bare` (Express without sessions), `memory`, `redis URL`, `postgres URL`; the packages of interop/.

import { createRequire } from 'node:module'

const require = createRequire(new URL('../../../interop/package.json', import.meta.url))
const express = require('express')
const session = require('express-session')

const SECRET = 'the secret of all contenders, which is 64 bytes long and no less'
const IDLE_MS = 30 * 60 * 1000
const PROFILE = {
  name: 'Ada Lovelace',
  email: 'ada@example.com',
  theme: 'dark',
  locale: 'en-GB',
  cart: { 'wool-scarf': 2, 'felt-hat': 1 },
  flash: [],
  seen: '2026-01-02T03:04:05.678Z'
}

const stores = {
  memory: async () => new session.MemoryStore(),
  redis: async url => {
    const { RedisStore } = require('connect-redis')
    const client = require('redis').createClient({ url })
    await client.connect()
    return new RedisStore({ client })
  },
  postgres: async url => {
    const PgSession = require('connect-pg-simple')(session)
    const { Pool } = require('pg')
    return new PgSession({ pool: new Pool({ connectionString: url }), createTableIfMissing: true })
  }
}

const text = (res, body) => res.type('text').send(body)

function bare (app) {
  app.get('/anon', (req, res) => text(res, 'anon'))
  app.get('/me', (req, res) => text(res, 'user-00000'))
  app.post('/bump', (req, res) => text(res, '1'))
  app.post('/login', express.text(), (req, res) => text(res, req.body))
}

function sessions (app, store) {
  app.use(session({
    store,
    secret: SECRET,
    resave: false,
    saveUninitialized: false,
    cookie: { maxAge: IDLE_MS }
  }))
  app.get('/anon', (req, res) => text(res, 'anon'))
  app.get('/me', (req, res) => text(res, req.session.userId ?? ''))
  app.post('/bump', (req, res) => {
    req.session.n = (req.session.n ?? 0) + 1
    text(res, String(req.session.n))
  })
  app.post('/login', express.text(), (req, res, next) => {
    req.session.regenerate(error => {
      if (error) return next(error)
      Object.assign(req.session, { userId: req.body, n: 0, profile: PROFILE })
      text(res, req.body)
    })
  })
}

const [kind, url] = process.argv.slice(2)
const app = express()
app.get('/plain', (req, res) => text(res, 'plain'))
// Asked for before memory is looked at, so that only what is still in use is counted; needs `--expose-gc`.
app.get('/collect', (req, res) => {
  globalThis.gc?.()
  text(res, 'collected')
})
if (kind === 'bare') bare(app)
else sessions(app, await stores[kind](url))
const server = app.listen(0, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`)
})
