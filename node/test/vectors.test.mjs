// Bytes and decisions that real express-session gave, from interop/vectors.json, asked of the package.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mock, test } from 'node:test'

import { ask, require, session, serve } from './support.mjs'

const vectors = JSON.parse(readFileSync(new URL('../../interop/vectors.json', import.meta.url)))
const addon = require('../lib/addon.js')
const { serialize } = require('../lib/attributes.js')
const NOW = Date.parse('2026-01-02T03:04:05.678Z')
const EXISTING = 'existing-sid-00000000000000000000'
const wireOf = (secrets, name = 'connect.sid') => addon.layer(name, [].concat(secrets).map(secret =>
  typeof secret === 'string' ? secret : Buffer.from(secret.hex ?? secret.base64, secret.hex ? 'hex' : 'base64')), false)

/** The options of a row, in which JSON stands for what it has no words for. */
function optionsOf ({ options }) {
  if (options === null || typeof options !== 'object') return options
  return Object.fromEntries(Object.entries(options).map(([name, value]) => {
    if (name === '$expires') return ['expires', new Date(value)]
    if (name === '$maxAgeDate') return ['maxAge', new Date(value)]
    return [name, value === '$undefined' ? undefined : value]
  }))
}

test('the first valid cookie of a field is taken, where express-session takes the first', () => {
  let deviations = 0
  for (const row of vectors.cookie_header) {
    if (row.cookie === null) continue
    const found = addon.open(wireOf(row.secrets, row.name), row.cookie)
    const ids = found === null ? [] : [].concat(found).map(text => text.slice(1))
    if ((ids[0] ?? null) === row.expect_sid) continue
    // A valid one behind one that is not.
    assert.equal(row.expect_sid, null, row.note)
    deviations += 1
  }
  assert.ok(deviations > 0 && deviations <= 6, `${deviations}`)
})

test('a cookie\'s attributes are written as npm writes them', () => {
  for (const row of vectors.set_cookie_serialize) {
    // A session's cookie has no Max-Age: express-session never writes it.
    if (row.options && 'maxAge' in row.options) continue
    const options = optionsOf(row) ?? {}
    if (typeof options.expires === 'string') options.expires = new Date(options.expires)
    const write = () => serialize(row.name, encodeURIComponent(row.value), options)
    if (row.out !== undefined) assert.equal(write(), row.out, JSON.stringify(row))
    else assert.throws(write, { message: row.error ?? row.throws }, JSON.stringify(row))
  }
})

test('the Cookie class says what express-session\'s says', t => {
  t.mock.timers.enable({ apis: ['Date'], now: NOW })
  for (const row of vectors.cookie_class) {
    if (row.json === undefined) continue
    const options = optionsOf(row)
    const cookie = new session.Cookie(options)
    assert.equal(JSON.stringify(cookie), row.json, JSON.stringify(row))
  }
})

test('a request is secure where express-session says so', async t => {
  for (const [at, row] of vectors.is_secure.cases.entries()) {
    const site = await serve(undefined, { cookie: { secure: true }, proxy: row.proxy ?? undefined, saveUninitialized: true },
      (req, res) => res.end(), { before: req => { if (row.req_secure !== null) req.secure = row.req_secure } })
    const { field } = await ask(site, '/', { headers: row.x_forwarded_proto === null ? {} : { 'x-forwarded-proto': row.x_forwarded_proto } })
    site.server.close()
    assert.equal(field !== undefined, row.secure, `${at}: ${JSON.stringify(row)}`)
  }
})

test('a path is the cookie\'s where express-session says so', async t => {
  for (const row of vectors.path_match) {
    const site = await serve(t, { cookie: { path: row.cookie_path } }, (req, res) => res.end(String(Boolean(req.session))))
    const { text } = await ask(site, row.url)
    assert.equal(text, String(row.session), JSON.stringify(row))
  }
})

// The life cycle: what the request carries times what its handler does, times the options.

const done = (object, method) => new Promise((resolve, reject) => object[method](error => error ? reject(error) : resolve()))

const HANDLERS = {
  untouched () {},
  modified (req, value) { req.session.a = value },
  modified_then_reverted (req, value) { req.session.a = value; delete req.session.a },
  set_undefined (req, value, existing) { req.session[existing ? 'z' : 'a'] = undefined },
  maxage_changed_only (req) { req.session.cookie.maxAge = 5000 },
  explicit_save_unmodified: req => done(req.session, 'save'),
  modified_explicit_save (req, value) { req.session.a = value; return done(req.session, 'save') },
  async explicit_save_then_modified (req, value) { await done(req.session, 'save'); req.session.a = value },
  explicit_touch (req) { req.session.touch() },
  destroy: req => done(req.session, 'destroy'),
  null (req) { req.session = null },
  delete_prop (req) { delete req.session },
  regenerate: req => done(req.session, 'regenerate'),
  async regenerate_modified (req, value, existing) { await done(req.session, 'regenerate'); req.session.a = existing ? 9 : 1 },
  async regenerate_modified_save (req, value, existing) {
    await done(req.session, 'regenerate')
    req.session.a = existing ? 9 : 1
    await done(req.session, 'save')
  },
  reload: req => done(req.session, 'reload'),
  modified_after_headers (req, value, existing, res) { res.writeHead(200); res.write('x'); req.session.a = existing ? 3 : 1 },
  explicit_cookie_secure_plain_http (req, value) { req.session.a = value; req.session.cookie.secure = true },
  same_value (req) { req.session.a = 1 }, // eslint-disable-line no-self-assign
  key_order_changed (req) { delete req.session.a; req.session.a = 1 },
  cookie_prop_other (req) { req.session.cookie.sameSite = 'strict' },
  nested_cookie_key (req) { req.session.n = { x: 1, cookie: 1 } },
  async modified_reload (req) { req.session.a = 5; await done(req.session, 'reload') },
  async reload_save (req) { await done(req.session, 'reload'); await done(req.session, 'save') },
  bogus_sessionID (req) { req.session.a = 2; req.sessionID = 7 },
  sessionID_reassigned (req) { req.session.a = 2; req.sessionID = 'reassigned' }
}

/** A store of express-session's kind that takes notes, and answers at once. */
class Recorder extends session.Store {
  operations = []
  records = new Map()
  get (id, fn) { this.note('get', id); const text = this.records.get(id); fn(null, text && JSON.parse(text)) }
  set (id, data, fn) { this.note('set', id); this.records.set(id, JSON.stringify(data)); fn() }
  destroy (id, fn) { this.note('destroy', id); this.records.delete(id); fn() }
  touch (id, { cookie }, fn) {
    this.note('touch', id)
    const text = this.records.get(id)
    if (text !== undefined) this.records.set(id, JSON.stringify({ ...JSON.parse(text), cookie }))
    fn()
  }

  note (operation, id) { this.operations.push(`${operation} ${id}`) }
}

function stored (maxAge) {
  const expires = maxAge === null ? null : new Date(NOW + 30_000)
  return JSON.stringify({ cookie: { originalMaxAge: maxAge, expires, httpOnly: true, path: '/' }, a: 1, n: { x: 1 } })
}

function summary (field) {
  if (field === undefined) return null
  const value = decodeURIComponent(field.slice(field.indexOf('=') + 1, field.indexOf(';')))
  if (value === '') return 'cleared'
  const expires = /Expires=([^;]*)/.exec(field)?.[1]
  return value.slice(2).replace(/\.[^.]*$/, '') + (expires ? ` +Expires=${expires}` : '')
}

async function play (row) {
  const store = new Recorder()
  store.records.set(EXISTING, stored(row.maxAge))
  const [carries, ...words] = row.scenario.split('_')
  let drawn = 0
  const options = {
    store, secret: 'keyboard cat', genid: () => `new-sid-${++drawn}`, cookie: { maxAge: row.maxAge },
    resave: row.resave, saveUninitialized: row.saveUninitialized, rolling: row.rolling, unset: row.unset
  }
  let body = ''
  const site = await serve(undefined, options, async (req, res) => {
    const existing = carries === 'existing'
    try {
      await HANDLERS[words.join('_')](req, existing ? 2 : 1, existing, res)
    } catch (error) {
      body = error.message
    }
    res.end(body)
  })
  const signed = addon.signed(wireOf('keyboard cat'), carries === 'unknown' ? 'gone' : EXISTING)
  const cookie = { none: undefined, badsig: `connect.sid=${signed.slice(0, -2)}` }
  const { field } = await ask(site, '/', { cookie: carries in cookie ? cookie[carries] : `connect.sid=${signed}` })
  site.server.close()
  return { ops: store.operations, set_cookie: summary(field), left_in_store: Object.fromEntries(store.records), body }
}

/** Where the package answers otherwise on purpose: what a row comes to then, and by which name. */
function deviate (row) {
  const [carries, ...words] = row.scenario.split('_')
  const handler = words.join('_')
  const expected = { ops: [...row.ops], set_cookie: row.set_cookie, left_in_store: row.left_in_store }
  const names = []
  const deviates = (name, condition, change) => {
    if (!condition) return
    names.push(name)
    change()
  }
  const isExisting = carries === 'existing'
  const ops = expected.ops
  const saves = ['explicit_save_unmodified', 'modified_explicit_save', 'reload_save']
  const lastIsTouch = ops.at(-1)?.startsWith('touch')
  deviates('not_touched_twice', saves.includes(handler) && lastIsTouch, () => ops.pop())
  const twice = ops.at(-1) === ops.at(-2)
  deviates('written_once', handler === 'regenerate_modified_save' && twice, () => ops.pop())
  deviates('destroyed_once', handler === 'destroy' && twice, () => ops.pop())
  deviates('id_is_fixed', handler === 'sessionID_reassigned', () => {
    const write = ops.findLast(operation => operation.startsWith('set'))
    const id = write.slice(4)
    const expires = row.maxAge === null ? '' : ' +Expires=Fri, 02 Jan 2026 03:05:05 GMT'
    const sends = !isExisting || row.rolling || row.maxAge !== null
    expected.set_cookie = sends ? id + expires : null
  })
  const isOrphan = handler === 'explicit_save_unmodified' && !isExisting && row.set_cookie === null
  deviates('saved_new_sends_cookie', isOrphan, () => {
    expected.set_cookie = 'new-sid-1' + (row.maxAge === null ? '' : ' +Expires=Fri, 02 Jan 2026 03:05:05 GMT')
  })
  const isLate = handler === 'modified_after_headers' && !isExisting && !row.saveUninitialized
  deviates('no_orphan_after_the_head', isLate && ops.some(operation => operation.startsWith('set')), () => {
    expected.ops = ops.filter(operation => !operation.startsWith('set'))
    expected.left_in_store = { [EXISTING]: row.left_in_store[EXISTING] }
  })
  const isLateWrite = handler === 'modified_after_headers' && isExisting
  deviates('stored_before_the_head_and_after', isLateWrite, () => {
    ops.splice(1, 0, `${row.resave ? 'set' : 'touch'} ${EXISTING}`)
    // What is changed after the head comes too late for its cookie.
    if (!row.rolling) expected.set_cookie = null
  })
  const isNewAndLate = handler === 'modified_after_headers' && !isExisting && row.saveUninitialized
  deviates('stored_before_the_head_and_after', isNewAndLate, () => { ops.splice(-1, 0, 'set new-sid-1') })
  const ends = handler === 'destroy' || (row.unset === 'destroy' && ['null', 'delete_prop'].includes(handler))
  deviates('cleared_on_destroy', ends && isExisting, () => { expected.set_cookie = 'cleared' })
  return { expected, names }
}

/** Without the reads that go before a write over what is stored: is the session still there, and what is it by now? */
function withoutReadsAgain (ops) {
  const stored = new Set([EXISTING])
  const left = []
  for (const operation of ops) {
    const [verb, id] = operation.split(' ')
    if (verb === 'set' && stored.has(id)) assert.equal(left.pop(), `get ${id}`, 'a write without a read before it')
    if (verb === 'set') stored.add(id)
    left.push(operation)
  }
  return left
}

test('every row of the life cycle is express-session\'s or a named deviation', async t => {
  mock.timers.enable({ apis: ['Date'], now: NOW })
  t.after(() => mock.timers.reset())
  const seen = new Map()
  const differ = []
  for (const row of vectors.lifecycle.rows) {
    const { expected, names } = deviate(row)
    const { body, ...got } = await play(row)
    for (const name of names) seen.set(name, (seen.get(name) ?? 0) + 1)
    if (row.body?.startsWith('failed')) assert.equal(body, row.body)
    got.ops = withoutReadsAgain(got.ops)
    try {
      assert.deepEqual(got, expected)
    } catch {
      differ.push({ row, got, expected })
    }
  }
  t.diagnostic(`${vectors.lifecycle.rows.length} rows, deviations: ${JSON.stringify(Object.fromEntries(seen))}`)
  const show = differ.slice(0, 5).map(one => JSON.stringify(one, null, 1)).join('\n')
  assert.equal(differ.length, 0, `${differ.length} rows differ: ${[...new Set(differ.map(one => one.row.scenario))]}\n${show}`)
  assert.equal(seen.size, 8)
})
