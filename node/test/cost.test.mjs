// What a request costs in calls: changes of thread, objects of the core's, commands of a store's client, timers.
// `bench/NODE.md` has what that is in time.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { ask, QUIET, require, serve, session } from './support.mjs'
import { openExpressStore, stores } from './stores.mjs'

const addon = require('../lib/addon.js')
const { call } = require('../lib/calls.js')
const AT_ONCE = 32

/** Counts the calls of an object's methods until the test ends. */
function counted (t, object, ...names) {
  const counts = {}
  for (const name of names) {
    const own = object[name]
    counts[name] = 0
    object[name] = function (...args) {
      counts[name] += 1
      return own.apply(this, args)
    }
    t.after(() => { object[name] = own })
  }
  return counts
}

test('requests of one turn of the loop are one change of thread, and sixteen sessions one object', async t => {
  const options = { store: stores().redis, prefix: `cost${process.pid}:` }
  const site = await serve(t, options, (req, res) => { req.session.n = 1; res.end('in') })
  const { cookie } = await ask(site)
  const middleware = session({ ...QUIET, ...options })
  const open = () => new Promise((resolve, reject) => {
    const req = { headers: { cookie }, url: '/' }
    middleware(req, {}, error => error ? reject(error) : resolve(req.session.n))
  })
  assert.equal(await open(), 1)
  const counts = counted(t, addon, 'openVisit', 'go', 'visits')
  const seen = await Promise.all(Array.from({ length: AT_ONCE }, open))
  assert.deepEqual(new Set(seen), new Set([1]))
  assert.deepEqual(counts, { openVisit: AT_ONCE, go: 1, visits: 2 })
})

test('a change through connect-redis reads once, and once more where another came first', async t => {
  const { store, client, close } = await openExpressStore('redis', stores().redis)
  t.after(close)
  let meanwhile = () => {}
  const site = await serve(t, { store }, async (req, res) => {
    req.session[req.url.slice(1)] = 1
    await meanwhile()
    res.end(Object.keys(req.session).sort().join())
  })
  const { cookie } = await ask(site, '/a')
  await ask(site, '/b', { cookie })
  const counts = counted(t, client, 'get', 'set', 'expire', 'eval', 'evalSha')
  await ask(site, '/c', { cookie })
  assert.deepEqual(counts, { get: 1, set: 0, expire: 0, eval: 0, evalSha: 1 })
  meanwhile = () => {
    meanwhile = () => {}
    return ask(site, '/other', { cookie })
  }
  await ask(site, '/d', { cookie })
  assert.deepEqual([counts.get, counts.evalSha], [1 + 3, 1 + 3])
  assert.equal((await ask(site, '/e', { cookie })).text, 'a,b,c,cookie,d,e,other')
})

test('a server that has lost the script is told it again', async t => {
  const { store, client, close } = await openExpressStore('redis', stores().redis)
  t.after(close)
  const site = await serve(t, { store }, (req, res) => { req.session[req.url.slice(1)] = 1; res.end(String(req.session.a)) })
  const { cookie } = await ask(site, '/a')
  await client.sendCommand(['SCRIPT', 'FLUSH'])
  assert.equal((await ask(site, '/b', { cookie })).status, 200)
  assert.equal((await ask(site, '/c', { cookie })).text, '1')
})

test('every response of core is held by the same functions', async t => {
  const found = new Set()
  const site = await serve(t, {}, (req, res) => { found.add(res.end).add(res.write).add(res.writeHead).add(res.flushHeaders); res.end() })
  await ask(site)
  await ask(site)
  assert.equal(found.size, 4)
})

test('calls of a store that stays silent end each at its time, by one timer', async t => {
  // The timers themselves keep no process alive.
  const alive = setInterval(() => {}, 1000)
  t.after(() => clearInterval(alive))
  const timers = counted(t, globalThis, 'setTimeout')
  const store = { silent () {}, async slow (fn) { await sleep(20); fn(null, 'there') } }
  const one = method => new Promise(resolve => call(store, method, [], 200, (error, value) => resolve(error?.code ?? value)))
  const outcomes = await Promise.all([one('silent'), one('slow'), one('silent')])
  assert.deepEqual(outcomes, ['ESTORETIMEOUT', 'there', 'ESTORETIMEOUT'])
  assert.ok(timers.setTimeout <= 2, `${timers.setTimeout} timers`)
})
