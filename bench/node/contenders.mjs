// Who takes part, by name: Express's session middleware, this package on the same stores, and on the core's own.

import { createRequire } from 'node:module'

/** express-session and its stores come from the lock file of `interop/`. */
export const require = createRequire(new URL('../../interop/package.json', import.meta.url))
const expressSession = require('express-session')
const cloakroom = require('../node/index.js')

const SECRET = 'the secret of all contenders, which is 64 bytes long and no less'
const IDLE_MS = 30 * 60 * 1000

/** A record of about 300 bytes: a user, a counter, a profile. */
export const PROFILE = {
  name: 'Ada Lovelace',
  email: 'ada@example.com',
  theme: 'dark',
  locale: 'en-GB',
  cart: { 'wool-scarf': 2, 'felt-hat': 1 },
  flash: [],
  seen: '2026-01-02T03:04:05.678Z'
}

/** The simplest store that there is: text in a Map, answered at once; without a `touch`, which a store need not have, or with one. */
function mapStore ({ Store }, touches = true) {
  class MapStore extends Store {
    records = new Map()
    touch = touches ? this.move : undefined
    get (id, done) {
      const text = this.records.get(id)
      done(null, text === undefined ? undefined : JSON.parse(text))
    }

    set (id, session, done) {
      this.records.set(id, JSON.stringify(session))
      done(null)
    }

    move (id, session, done) {
      const text = this.records.get(id)
      if (text !== undefined) {
        const record = JSON.parse(text)
        record.cookie = session.cookie
        this.records.set(id, JSON.stringify(record))
      }
      done(null)
    }

    destroy (id, done) {
      this.records.delete(id)
      done(null)
    }
  }
  return new MapStore()
}

async function connectRedis (url, prefix) {
  const { RedisStore } = require('connect-redis')
  const client = require('redis').createClient({ url })
  await client.connect()
  return new RedisStore({ client, prefix })
}

/** Makes the session middleware of a contender; `undefined` for none. */
export const CONTENDERS = {
  bare: async () => undefined,
  'express-session, Map': async () => middleware(expressSession, mapStore(expressSession)),
  'express-session, Map, no touch': async () => middleware(expressSession, mapStore(expressSession, false)),
  'express-session, MemoryStore': async () => middleware(expressSession, new expressSession.MemoryStore()),
  'cloakroom, Map': async () => middleware(cloakroom, mapStore(cloakroom)),
  'cloakroom, Map, no touch': async () => middleware(cloakroom, mapStore(cloakroom, false)),
  'cloakroom, MemoryStore': async () => middleware(cloakroom, new cloakroom.MemoryStore()),
  'cloakroom, memory:': async () => middleware(cloakroom, 'memory:'),
  'express-session, connect-redis': async url => middleware(expressSession, await connectRedis(url, 'theirs:')),
  'cloakroom, connect-redis': async url => middleware(cloakroom, await connectRedis(url, 'object:')),
  'cloakroom, redis:': async url => middleware(cloakroom, url, { prefix: 'ours:' })
}

function middleware (session, store, more) {
  return session({ store, secret: SECRET, resave: false, saveUninitialized: false, cookie: { maxAge: IDLE_MS }, ...more })
}
