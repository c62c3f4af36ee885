// What the tests of the package share: servers on free ports, a client that keeps its cookie, stores that are slow.

import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { createRequire } from 'node:module'

export const require = createRequire(import.meta.url)
export const session = require('../index.js')
export const SECRET = 'keyboard cat keyboard cat keyboard cat'
export const QUIET = { secret: SECRET, resave: false, saveUninitialized: false }

/** Serves `handler` behind a session middleware on a free port; `t.after` ends it. */
export async function serve (t, options, handler, { module = session, before, seen = [] } = {}) {
  const middleware = module({ ...QUIET, ...options })
  const server = createServer((req, res) => {
    before?.(req, res)
    middleware(req, res, error => {
      if (error) seen.push(error)
      if (!error) return handler(req, res)
      if (res.headersSent) return
      res.statusCode = error.status ?? 500
      res.end(error.message)
    })
  })
  return listen(t, server, { seen, middleware })
}

export async function listen (t, server, more = {}) {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t?.after(() => { server.close(); server.closeAllConnections?.() })
  const { port } = server.address()
  return { url: `http://127.0.0.1:${port}`, port, server, ...more }
}

/** One request, its answer read to the end; `ask.cookie` of the answer is what its Set-Cookie gives a client. */
export function ask (site, path = '/', { headers = {}, cookie, method = 'GET', body } = {}) {
  return new Promise((resolve, reject) => {
    const all = { ...headers, ...(cookie ? { cookie } : {}) }
    const sent = request(site.url + path, { method, headers: all, agent: false }, response => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', piece => { text += piece })
      response.on('end', () => resolve(answer(response, text)))
      response.on('error', reject)
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

function answer ({ statusCode, headers, rawHeaders }, text) {
  const fields = headers['set-cookie'] ?? []
  const own = fields.findLast(field => field.startsWith('connect.sid='))
  return { status: statusCode, headers, rawHeaders, text, fields, field: own, cookie: own?.split(';', 1)[0] }
}

/** The attributes of a Set-Cookie field, by their names in small letters. */
export function attributes (field) {
  const [pair, ...others] = field.split('; ')
  const parsed = { value: decodeURIComponent(pair.slice(pair.indexOf('=') + 1)) }
  for (const other of others) {
    const [name, value] = other.split(/=(.*)/s)
    parsed[name.toLowerCase()] = value ?? true
  }
  return parsed
}

/** The id in a client's cookie. */
export function idOf (cookie) {
  return decodeURIComponent(cookie.slice(cookie.indexOf('=') + 1)).slice(2).replace(/\.[^.]*$/, '')
}

/** Makes a store take its time for `methods`: half of it before it does them; `store.onAnswer` hears when it has. */
export function slow (store, ms, methods = ['set', 'touch', 'destroy']) {
  for (const method of methods) {
    const own = store[method]
    store[method] = function (...args) {
      const fn = args.pop()
      const answer = (...results) => setTimeout(() => {
        store.onAnswer?.(method, args)
        fn?.(...results)
      }, ms / 2)
      setTimeout(() => own.call(this, ...args, answer), ms / 2)
    }
  }
  return store
}

/** A store's method of the callback style, awaited. */
export function of (store, method, ...args) {
  return new Promise((resolve, reject) => {
    store[method](...args, (error, value) => error ? reject(error) : resolve(value))
  })
}
