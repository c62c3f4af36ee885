// express-session's behaviour, statement by statement: the numbers are those of its own suite's tests.

import assert from 'node:assert/strict'
import { createServer as createTlsServer, request as requestTls } from 'node:https'
import { createServer } from 'node:http'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { ask, attributes, idOf, listen, of, require, SECRET, serve, session, slow } from './support.mjs'

const { Cookie, MemoryStore } = session
const express = require('express')
const cookieParser = require('cookie-parser')
const MINUTE = 60_000
const all = { resave: undefined, saveUninitialized: undefined }
const end = (req, res) => res.end('ok')
const change = (req, res) => { req.session.n = (req.session.n ?? 0) + 1; res.end(String(req.session.n)) }

/** Waits for an error that is reported after the answer. */
async function reported (seen) {
  while (seen.length === 0) await new Promise(resolve => setImmediate(resolve))
  return seen.map(error => error.message)
}

function rows (table) {
  for (const [numbers, title, body] of table) test(`n${numbers} ${title}`, body)
}

rows([
  ['1-6', 'a cookie has its defaults', () => {
    for (const cookie of [new Cookie(), new Cookie({})]) {
      const { expires, httpOnly, path, maxAge } = cookie
      assert.deepEqual({ expires, httpOnly, path, maxAge }, { expires: null, httpOnly: true, path: '/', maxAge: null })
    }
  }],
  ['7', 'options are an object', () => {
    for (const wrong of [42, 'x', true, () => {}]) assert.throws(() => new Cookie(wrong), /argument options/)
  }],
  ['8', '`data` is no option', () => {
    assert.equal(new Cookie({ data: {}, path: '/x' }).data.path, '/x')
  }],
  ['9-10', '`expires` is kept, and says the maxAge', () => {
    const expires = new Date(Date.now() + MINUTE)
    const cookie = new Cookie({ expires })
    assert.equal(cookie.expires, expires)
    assert.ok(Math.abs(cookie.maxAge - MINUTE) < 1000)
  }],
  ['11,16-18', 'attributes are kept', () => {
    const cookie = new Cookie({ httpOnly: false, partitioned: true, path: '/foo', priority: 'high' })
    assert.deepEqual([cookie.httpOnly, cookie.partitioned, cookie.path, cookie.priority], [false, true, '/foo', 'high'])
  }],
  ['12-14', '`maxAge` sets when it ends, in milliseconds or as a date', () => {
    const before = Date.now()
    const cookie = new Cookie({ maxAge: MINUTE })
    assert.ok(cookie.expires.getTime() >= before + MINUTE && cookie.expires.getTime() <= Date.now() + MINUTE)
    assert.ok(Math.abs(cookie.maxAge - MINUTE) < 1000)
    const date = new Date(before + MINUTE)
    assert.equal(new Cookie({ maxAge: date }).expires.getTime(), date.getTime())
  }],
  ['15', '`maxAge` is a number or a date', () => {
    for (const wrong of ['42', true, () => {}]) assert.throws(() => new Cookie({ maxAge: wrong }), /maxAge/)
  }],
  ['19', 'the constructors are exported', () => {
    for (const name of ['Session', 'Store', 'MemoryStore', 'Cookie']) assert.equal(typeof session[name], 'function')
    for (const name of ['cookie', 'memory', 'session', 'store']) assert.equal(typeof require(`../session/${name}`), 'function')
  }],
  ['20', 'a session of another middleware is left alone', async t => {
    const site = await serve(t, all, end, { before: req => { req.session = {} } })
    assert.equal((await ask(site)).field, undefined)
  }],
  ['21', 'without a secret a request fails', async t => {
    const { status, text } = await ask(await serve(t, { secret: undefined }, end))
    assert.equal(status, 500)
    assert.match(text, /secret.*required/)
  }],
  ['22', 'a request may bring the secret', async t => {
    const site = await serve(t, { secret: undefined }, change, { before: req => { req.secret = SECRET } })
    const { cookie } = await ask(site)
    assert.equal((await ask(site, '/', { cookie })).text, '2')
  }],
  ['23-24,27', 'a session is stored and found again, each visitor\'s own', async t => {
    const store = new MemoryStore()
    const site = await serve(t, { store }, change)
    const [first, second] = [await ask(site), await ask(site)]
    assert.notEqual(first.cookie, second.cookie)
    assert.equal(await of(store, 'length'), 2)
    assert.equal((await ask(site, '/', { cookie: first.cookie })).text, '2')
  }],
  ['25', 'an error of the store\'s is the request\'s', async t => {
    const store = new MemoryStore()
    const site = await serve(t, { store }, change)
    const { cookie } = await ask(site)
    store.get = (id, fn) => setImmediate(fn, new Error('boom!'))
    const { status, text } = await ask(site, '/', { cookie })
    assert.deepEqual([status, text], [500, 'boom!'])
  }],
  ['26', 'ENOENT is no session', async t => {
    const store = new MemoryStore()
    const site = await serve(t, { store }, change)
    const { cookie } = await ask(site)
    store.get = (id, fn) => setImmediate(fn, Object.assign(new Error('gone'), { code: 'ENOENT' }))
    const again = await ask(site, '/', { cookie })
    assert.equal(again.text, '1')
    assert.notEqual(again.cookie, cookie)
  }],
  ['28', 'an empty url is a path', async t => {
    const site = await serve(t, all, end, { before: req => { req.url = '' } })
    assert.ok((await ask(site)).field)
  }],
  ['29-30', 'an answer may be ended twice, and with null', async t => {
    const twice = await serve(t, all, (req, res) => { res.end('Hello, world!'); res.end() })
    assert.equal((await ask(twice)).text, 'Hello, world!')
    const more = await serve(t, all, (req, res) => { if (req.url === '/write') res.write('Hello, '); res.end('world!'); res.end('again') })
    assert.equal((await ask(more)).text, 'world!')
    assert.equal((await ask(more, '/write')).text, 'Hello, world!')
    const nothing = await serve(t, all, (req, res) => { req.session.a = 1; res.end(null) })
    const { status, field } = await ask(nothing)
    assert.deepEqual([status, field !== undefined], [200, true])
  }],
  ['31', 'a reserved key of a record is dropped, and removed from it', async t => {
    const store = new MemoryStore()
    const site = await serve(t, { store }, change)
    const { cookie } = await ask(site)
    const id = idOf(cookie)
    store.sessions[id] = JSON.stringify({ ...JSON.parse(store.sessions[id]), save: 'x', reload: 1 })
    assert.equal((await ask(site, '/', { cookie })).text, '2')
    assert.deepEqual(Object.keys(JSON.parse(store.sessions[id])).sort(), ['cookie', 'n'])
  }],
  ['32,120', 'nothing but data and the cookie shows', async t => {
    const site = await serve(t, {}, (req, res) => {
      req.session.a = 1
      const names = []
      for (const name in req.session) names.push(name)
      res.end(names.sort().join())
    })
    const { text, cookie } = await ask(site)
    assert.equal(text, 'a,cookie')
    assert.equal((await ask(site, '/', { cookie })).text, 'a,cookie')
  }],
  ['33', 'an id that is no text is not stored', async t => {
    const store = new MemoryStore()
    const site = await serve(t, { ...all, store }, (req, res) => { req.sessionID = function () {}; req.session.a = 1; res.end() })
    assert.equal((await ask(site)).field, undefined)
    assert.equal(await of(store, 'length'), 0)
  }],
  ['34,88', 'rolling sends the cookie again, with a fresh end', async t => {
    const site = await serve(t, { ...all, rolling: true, cookie: { maxAge: MINUTE } }, (req, res) => {
      res.write('a')
      setTimeout(() => res.end('b'), 20)
    })
    const { cookie } = await ask(site)
    const again = await ask(site, '/', { cookie })
    assert.equal(again.text, 'ab')
    assert.ok(attributes(again.field).expires)
  }],
  ['35-38', 'what answers finds the session in a slow store', async t => {
    const bodies = {
      whole: res => res.end('session saved'),
      empty: res => { res.setHeader('Content-Length', 0); res.end() },
      pieces: res => { res.setHeader('Content-Length', 12); res.write('hello, '); res.end('world') },
      counted: res => { res.setHeader('Content-Length', 5); res.end('hello') }
    }
    for (const name of Object.keys(bodies)) {
      const store = slow(new MemoryStore(), 60)
      let stored = 0
      store.onAnswer = () => { stored += 1 }
      const site = await serve(t, { store }, (req, res) => { req.session.a = 1; bodies[name](res) })
      await ask(site)
      assert.equal(stored, 1, name)
    }
  }],
  ['39', 'the record ends when the cookie does, and both move', async t => {
    const store = new MemoryStore()
    const site = await serve(t, { ...all, store, rolling: true, cookie: { maxAge: MINUTE } }, change)
    const { cookie, field } = await ask(site)
    const expires = () => JSON.parse(store.sessions[idOf(cookie)]).cookie.expires
    const seconds = text => Math.floor(Date.parse(text) / 1000)
    const first = expires()
    assert.equal(seconds(attributes(field).expires), seconds(first))
    await new Promise(resolve => setTimeout(resolve, 15))
    await ask(site, '/', { cookie })
    assert.ok(Date.parse(expires()) > Date.parse(first))
  }],
  ['40-41', 'a client\'s id that is unknown is not adopted', async t => {
    const store = new MemoryStore()
    const site = await serve(t, { store }, change)
    const { cookie } = await ask(site)
    await of(store, 'clear')
    const again = await ask(site, '/', { cookie })
    assert.equal(again.text, '1')
    assert.notEqual(idOf(again.cookie), idOf(cookie))
  }],
  ['42-43', 'an id that is not signed, or badly, asks no store', async t => {
    const store = new MemoryStore()
    const site = await serve(t, { store }, change)
    const { cookie } = await ask(site)
    store.get = () => assert.fail('the store was asked')
    for (const bad of [`connect.sid=${idOf(cookie)}`, `${cookie.slice(0, -3)}abc`, cookie.replace('s%3A', '')]) {
      const again = await ask(site, '/', { cookie: bad })
      assert.equal(again.text, '1')
      assert.notEqual(again.cookie, cookie)
    }
  }],
  ['44-46', 'a session whose time is up is none', async t => {
    const store = new MemoryStore()
    const site = await serve(t, { store, cookie: { maxAge: MINUTE } }, change)
    const { cookie } = await ask(site)
    const record = JSON.parse(store.sessions[idOf(cookie)])
    record.cookie.expires = new Date(Date.now() - 1)
    store.sessions[idOf(cookie)] = JSON.stringify(record)
    assert.equal(Object.keys(await of(store, 'all')).length, 0)
    store.sessions[idOf(cookie)] = JSON.stringify(record)
    const again = await ask(site, '/', { cookie })
    assert.equal(again.text, '1')
    assert.notEqual(idOf(again.cookie), idOf(cookie))
  }],
  ['47', 'a record without a cookie is an error', async t => {
    const store = new MemoryStore()
    const site = await serve(t, { store }, change)
    const { cookie } = await ask(site)
    store.sessions[idOf(cookie)] = '{"n":1}'
    assert.equal((await ask(site, '/', { cookie })).status, 500)
  }]
])

// 48 to 77: what is secure, and what `auto` becomes. `proxy`, the field, req.secure → secure, same site.
const SECURITY = [
  ['48,61,69', { proxy: true }, 'https', undefined, true],
  ['49', { proxy: true }, 'https,http', undefined, true],
  ['50,70', { proxy: true }, undefined, undefined, false],
  ['51,62,71', { proxy: false }, 'https', undefined, false],
  ['52', { proxy: false }, 'https', true, false],
  ['53', {}, 'https', undefined, false],
  ['54,63,67', {}, undefined, true, true],
  ['64,68', {}, undefined, false, false]
]
for (const [numbers, options, proto, secure, expected] of SECURITY) {
  test(`n${numbers},72-77 a connection is secure or not, and so is what follows from it`, async t => {
    const fieldFor = async cookie => {
      const before = req => { if (secure !== undefined) req.secure = secure }
      const site = await serve(t, { ...all, ...options, cookie }, end, { before })
      const { field } = await ask(site, '/', { headers: proto ? { 'x-forwarded-proto': proto } : {} })
      return field && attributes(field)
    }
    const sameSite = expected ? 'None' : 'Lax'
    assert.equal((await fieldFor({ secure: true })) !== undefined, expected)
    assert.equal((await fieldFor({ secure: 'auto' })).secure, expected || undefined)
    assert.equal((await fieldFor({ sameSite: 'auto' })).samesite, sameSite)
    const both = await fieldFor({ secure: 'auto', sameSite: 'auto' })
    assert.deepEqual([both.secure, both.samesite], [expected || undefined, sameSite])
    const plain = await fieldFor({ secure: false, sameSite: 'auto' })
    assert.deepEqual([plain.secure, plain.samesite], [undefined, sameSite])
    assert.equal((await fieldFor({ secure: true, sameSite: 'auto' })) !== undefined, expected)
  })
}

rows([
  ['55-58', 'a cookie for a path is for what begins with it', async t => {
    const site = await serve(t, { ...all, cookie: { path: '/foo/bar' } }, end)
    for (const [path, sent] of [['/', false], ['/foo/bar', true], ['/foo/bar/baz', true]]) {
      assert.equal((await ask(site, path)).field !== undefined, sent, path)
    }
    assert.equal((await ask(site, '/', { headers: { host: 'foo/bar' } })).field, undefined)
  }],
  ['59-60', 'a router\'s prefix belongs to the path', async t => {
    const app = express().use('/foo', session({ secret: SECRET, cookie: { path: '/foo/bar' } }), end)
    const site = await listen(t, createServer(app))
    assert.ok((await ask(site, '/foo/bar')).field)
    assert.equal((await ask(site, '/foo/foo/bar')).field, undefined)
  }],
  ['65-66', 'a function may say what a cookie is like', async t => {
    const cookie = req => ({ path: '/x', maxAge: MINUTE, secure: req.headers['x-tls'] === '1' ? 'auto' : false, sameSite: 'auto' })
    const site = await serve(t, { ...all, cookie }, end)
    const got = attributes((await ask(site, '/x')).field)
    assert.deepEqual([got.path, got.samesite, got.expires !== undefined], ['/x', 'Lax', true])
  }],
  ['78', 'genid is a function', () => assert.throws(() => session({ genid: 'bogus!' }), /genid.*must/)],
  ['79', 'an id is drawn', async t => {
    assert.match(idOf((await ask(await serve(t, all, end))).cookie), /^[A-Za-z0-9_-]{32}$/)
  }],
  ['80-82', 'ids of one\'s own are signed and escaped', async t => {
    const expected = {
      apple: 's%3Aapple.D8Y%2BpkTAmeR0PobOhY4G97PRW%2Bj7bUnP%2F5m6%2FOn1MCU',
      '%': 's%3A%25.kzQ6x52kKVdF35Qh62AWk4ZekS28K5XYCXKa%2FOTZ01g',
      '/foo': 's%3A%2Ffoo.paEKBtAHbV5s1IB8B2zPnzAgYmmnRPIqObW4VRYj%2FMQ'
    }
    for (const id of Object.keys(expected)) {
      const genid = req => { assert.equal(req.url, '/foo'); return id }
      const site = await serve(t, { ...all, secret: 'keyboard cat', genid }, change)
      const { cookie } = await ask(site, '/foo')
      assert.equal(cookie, `connect.sid=${expected[id]}`)
      assert.equal((await ask(site, '/foo', { cookie })).text, '2')
    }
  }],
  ['83-86', 'the cookie\'s name', async t => {
    for (const option of ['name', 'key']) {
      const site = await serve(t, { ...all, [option]: 'session_id' }, end)
      assert.match((await ask(site)).fields[0], /^session_id=/)
    }
    assert.match((await ask(await serve(t, all, end))).fields[0], /^connect\.sid=/)
  }],
  ['87', 'rolling is off', async t => {
    const site = await serve(t, { ...all }, end)
    const { cookie } = await ask(site)
    assert.equal((await ask(site, '/', { cookie })).field, undefined)
  }],
  ['89-91,100-101', 'an untouched visitor leaves nothing, unless it is asked for', async t => {
    for (const [options, handler, expected] of [
      [{ rolling: true, saveUninitialized: false }, end, 0], [{ rolling: true, saveUninitialized: true }, end, 1],
      [{ rolling: true, saveUninitialized: false }, change, 1], [{ saveUninitialized: false }, end, 0],
      [{ saveUninitialized: false }, change, 1]
    ]) {
      const store = new MemoryStore()
      const { field } = await ask(await serve(t, { ...options, store }, handler))
      assert.deepEqual([field !== undefined, await of(store, 'length')], [expected === 1, expected])
    }
  }],
  ['92-95,98-99,103', 'resave and saveUninitialized are on by default, and do what they say', async t => {
    const count = async (options, handler) => {
      const store = new MemoryStore()
      let sets = 0
      let touches = 0
      const { set, touch } = store
      store.set = function (...args) { sets += 1; return set.apply(this, args) }
      const site = await serve(t, { ...options, store }, handler)
      store.touch = function (...args) { touches += 1; return touch.apply(this, args) }
      const { cookie } = await ask(site)
      await ask(site, '/', { cookie })
      return [sets, touches]
    }
    assert.deepEqual(await count(all, end), [2, 0])
    assert.deepEqual(await count({ resave: true, saveUninitialized: true }, end), [2, 0])
    assert.deepEqual(await count({ resave: false, saveUninitialized: true }, end), [1, 1])
    assert.deepEqual(await count({ resave: false }, change), [2, 0])
    assert.deepEqual(await count({ resave: false }, (req, res) => { req.session.a = 1; res.end() }), [1, 1])
    assert.deepEqual(await count({ resave: true, saveUninitialized: false }, end), [0, 0])
  }],
  ['96', 'a nested key of the name `cookie` is data', async t => {
    const store = new MemoryStore()
    const site = await serve(t, { store }, (req, res) => { req.session.user = { cookie: req.url }; res.end() })
    const { cookie } = await ask(site, '/a')
    await ask(site, '/b', { cookie })
    assert.equal(JSON.parse(store.sessions[idOf(cookie)]).user.cookie, '/b')
  }],
  ['97', 'a touch that fails is reported, and the answer stays', async t => {
    const store = new MemoryStore()
    const seen = []
    const site = await serve(t, { store }, (req, res) => { req.session.a = 1; res.end('hello, world') }, { seen })
    const { cookie } = await ask(site)
    store.touch = (id, data, fn) => setImmediate(fn, new Error('boom!'))
    const { status, text } = await ask(site, '/', { cookie })
    assert.deepEqual([status, text], [200, 'hello, world'])
    assert.deepEqual(await reported(seen), ['boom!'])
  }],
  ['102,114', 'a save or an end that fails is the error handler\'s: 503; as in Express where that is asked for', async t => {
    for (const errors of [undefined, 'express']) {
      for (const method of ['set', 'destroy']) {
        const store = new MemoryStore()
        store[method] = (id, ...args) => setImmediate(args.at(-1), new Error('boom!'))
        const seen = []
        const site = await serve(t, { store, errors, unset: 'destroy' }, (req, res) => {
          res.setHeader('X-Page', '1')
          req.session.a = 1
          if (method === 'destroy') req.session = null
          res.end('session saved')
        }, { seen })
        const { status, text, headers, field } = await ask(site)
        const expected = errors === 'express' ? [200, 'session saved', '1'] : [503, 'boom!', undefined]
        assert.deepEqual([status, text, headers['x-page']], expected)
        assert.equal(field, undefined)
        assert.deepEqual(await reported(seen), ['boom!'])
      }
    }
  }],
  ['104', 'a list of secrets has one', () => assert.throws(() => session({ secret: [] }), /secret option array/)],
  ['105-109', 'secrets are texts or bytes; the first signs, all verify, and an old one\'s cookie is signed anew', async t => {
    const store = new MemoryStore()
    const old = await serve(t, { store, secret: 'keyboard cat' }, change)
    const bytes = await serve(t, { store, secret: Buffer.from('keyboard cat') }, change)
    const both = await serve(t, { store, secret: ['nyan cat', 'keyboard cat'] }, change)
    const { cookie } = await ask(old)
    assert.equal((await ask(bytes, '/', { cookie })).text, '2')
    const again = await ask(both, '/', { cookie })
    assert.equal(again.text, '3')
    assert.notEqual(again.cookie, cookie)
    assert.equal((await ask(both, '/', { cookie: again.cookie })).text, '4')
    assert.equal((await ask(old, '/', { cookie: again.cookie })).text, '1')
  }],
  ['110', 'unset is keep or destroy', () => assert.throws(() => session({ unset: 'bogus!' }), /unset.*must/)],
  ['111-113', 'a session that is dropped stays, or goes where that is asked for', async t => {
    for (const [unset, left] of [[undefined, 1], ['keep', 1], ['destroy', 0]]) {
      const store = new MemoryStore()
      const site = await serve(t, { store, unset }, (req, res) => {
        req.session.a = 1
        if (req.url === '/drop') req.session = null
        res.end()
      })
      const { cookie } = await ask(site)
      await ask(site, '/drop', { cookie })
      assert.equal(await of(store, 'length'), left)
      assert.equal((await ask(site, '/drop')).field, undefined)
    }
  }],
  ['115-117', 'a response that others have patched, or that is ended twice, is as without a session', async t => {
    const patch = res => {
      const { end, write } = res
      let isEnded = false
      res.end = function (...args) { isEnded = true; return end.apply(this, args) }
      res.write = function (...args) { assert.ok(!isEnded); return write.apply(this, args) }
    }
    const write = (req, res) => { req.session.a = 1; res.write('hello, '); res.end('world') }
    assert.equal((await ask(await serve(t, {}, write, { before: (req, res) => patch(res) }))).text, 'hello, world')
    assert.equal((await ask(await serve(t, {}, (req, res) => { patch(res); write(req, res) }))).text, 'hello, world')
    const errors = []
    const twice = (req, res) => {
      if (req.session) req.session.a = 1
      res.end()
      try { res.setHeader('Content-Length', '3'); res.end('foo') } catch (error) { errors.push([error.code, error.message]) }
    }
    await ask(await serve(t, {}, twice))
    await ask(await listen(t, createServer(twice)))
    assert.equal(errors.length, 2)
    assert.deepEqual(errors[0], errors[1])
  }],
  ['118', 'a session can be loaded by its id', async t => {
    const store = new MemoryStore()
    const { cookie } = await ask(await serve(t, { store }, change))
    const loaded = await of(store, 'load', idOf(cookie))
    assert.deepEqual([loaded.n, loaded.id, loaded instanceof session.Session], [1, idOf(cookie), true])
    assert.equal(await of(store, 'load', 'nobody'), undefined)
  }],
  ['119', 'a cookie with an end goes again when the session changed', async t => {
    const site = await serve(t, { cookie: { maxAge: MINUTE } }, (req, res) => {
      if (req.url !== '/read') req.session.n = (req.session.n ?? 0) + 1
      res.end()
    })
    const { cookie } = await ask(site)
    assert.equal((await ask(site, '/read', { cookie })).field, undefined)
    assert.ok((await ask(site, '/', { cookie })).field)
  }],
  ['121-122', 'a store that says that it is away gives no sessions', async t => {
    const store = new MemoryStore()
    const site = await serve(t, { ...all, store }, (req, res) => res.end(String(typeof req.session)))
    store.emit('disconnect')
    const away = await ask(site)
    assert.deepEqual([away.text, away.field], ['undefined', undefined])
    store.emit('connect')
    assert.equal((await ask(site)).text, 'object')
  }],
  ['123', 'a session that is destroyed leaves nothing', async t => {
    const store = new MemoryStore()
    const site = await serve(t, { ...all, store }, (req, res) => {
      req.session.destroy(error => res.end(String(error ?? req.session)))
    })
    const { text, field } = await ask(site)
    assert.deepEqual([text, field, await of(store, 'length')], ['undefined', undefined, 0])
  }],
  ['124', 'regenerate begins another session, without data', async t => {
    const store = new MemoryStore()
    const site = await serve(t, { store }, (req, res) => {
      req.session.a = 1
      if (req.url === '/') return res.end()
      req.session.regenerate(error => res.end(String(error ?? req.session.a)))
    })
    const { cookie } = await ask(site)
    const again = await ask(site, '/regenerate', { cookie })
    assert.equal(again.text, 'undefined')
    assert.notEqual(idOf(again.cookie), idOf(cookie))
    assert.deepEqual(Object.keys(store.sessions), [idOf(again.cookie)])
  }],
  ['125-127', 'reload gives what is stored by now, or an error, as often as one likes', async t => {
    const store = new MemoryStore()
    const site = await serve(t, { store }, async (req, res) => {
      if (req.url === '/') { req.session.a = 1; return res.end() }
      const { session } = req
      if (req.url === '/gone') await of(store, 'clear')
      else store.sessions[session.id] = JSON.stringify({ ...JSON.parse(store.sessions[session.id]), a: 2 })
      let count = 0
      const reload = error => {
        if (++count < 20) return req.session.reload(reload)
        res.end(`${error?.message} ${req.session.a} ${req.session === session}`)
      }
      req.session.reload(reload)
    })
    const { cookie } = await ask(site)
    assert.equal((await ask(site, '/reload', { cookie })).text, 'undefined 2 false')
    assert.equal((await ask(site, '/gone', { cookie })).text, 'failed to load session 2 true')
  }],
  ['128-131', 'save stores at once, and once', async t => {
    for (const options of [all, { resave: false }, { saveUninitialized: false }]) {
      const store = new MemoryStore()
      let sets = 0
      const { set } = store
      store.set = function (...args) { sets += 1; return set.apply(this, args) }
      const site = await serve(t, { ...options, store }, (req, res) => {
        req.session.url = req.url
        const save = () => req.session.save(error => res.end(String(error ?? JSON.parse(store.sessions[req.sessionID]).url)))
        if (req.url === '/reload') req.session.reload(save)
        else save()
      })
      const { cookie, text } = await ask(site, '/a')
      assert.deepEqual([text, sets], ['/a', 1])
      await ask(site, '/reload', { cookie })
      assert.equal(sets, 2)
    }
  }],
  ['132', 'touch moves the record\'s end', async t => {
    const store = new MemoryStore()
    const site = await serve(t, { store, cookie: { maxAge: MINUTE } }, (req, res) => {
      if (req.url === '/') req.session.a = 1
      else req.session.touch()
      res.end()
    })
    const { cookie } = await ask(site)
    const expires = () => Date.parse(JSON.parse(store.sessions[idOf(cookie)]).cookie.expires)
    const first = expires()
    await new Promise(resolve => setTimeout(resolve, 15))
    await ask(site, '/touch', { cookie })
    assert.ok(expires() > first)
  }],
  ['133,136', 'a request may change its cookie\'s attributes', async t => {
    const site = await serve(t, { ...all, cookie: { path: '/admin', httpOnly: false, secure: true, maxAge: 5000, priority: 'high' } }, (req, res) => {
      Object.assign(req.session.cookie, { secure: false, path: '/', httpOnly: false, domain: 'example.com', sameSite: 'strict' })
      res.end()
    })
    const { secure, path, httponly, expires, domain, samesite, priority } = attributes((await ask(site, '/admin')).field)
    assert.deepEqual({ secure, path, httponly, domain, samesite, priority, ends: expires !== undefined },
      { secure: undefined, path: '/', httponly: undefined, domain: 'example.com', samesite: 'Strict', priority: 'High', ends: true })
  }],
  ['134-135', 'a cookie for the browser\'s life has no end, and is sent once', async t => {
    const site = await serve(t, all, change)
    const { cookie, field } = await ask(site)
    assert.equal(attributes(field).expires, undefined)
    assert.equal((await ask(site, '/', { cookie })).field, undefined)
  }],
  ['137', 'an attribute that cannot be said is reported; the answer goes without the cookie', async t => {
    const seen = []
    const site = await serve(t, all, (req, res) => { req.session.cookie.expires = new Date(NaN); res.end('ok') }, { seen })
    const { status, text, field } = await ask(site)
    assert.deepEqual([status, text, field], [200, 'ok', undefined])
    assert.match((await reported(seen))[0], /option expires is invalid/)
  }],
  ['138-139', 'cookies of the page\'s own stay', async t => {
    const site = await serve(t, all, (req, res) => {
      if (req.url === '/head') res.writeHead(200, { 'Set-Cookie': ['foo=1', 'bar=2'] })
      else if (req.url === '/pairs') res.writeHead(200, ['Set-Cookie', 'foo=1', 'Set-Cookie', 'bar=2'])
      else res.setHeader('Set-Cookie', 'foo=1')
      res.end()
    })
    assert.deepEqual((await ask(site)).fields.map(field => field.split('=')[0]), ['foo', 'connect.sid'])
    for (const path of ['/head', '/pairs']) {
      assert.deepEqual((await ask(site, path)).fields.map(field => field.split('=')[0]), ['foo', 'bar', 'connect.sid'])
    }
  }],
  ['140-142', 'the original maxAge survives', async t => {
    for (const revive of [false, true]) {
      const store = new MemoryStore()
      const { get } = store
      store.get = function (id, fn) {
        get.call(this, id, (error, record) => {
          if (record && revive) record.cookie.expires = new Date(record.cookie.expires)
          fn(error, record)
        })
      }
      const site = await serve(t, { ...all, store, cookie: { maxAge: 2000 } }, (req, res) => res.end(String(req.session.cookie.originalMaxAge)))
      const { cookie, text } = await ask(site)
      assert.ok(Math.abs(text - 2000) <= 1, text)
      assert.ok(Math.abs((await ask(site, '/', { cookie })).text - 2000) <= 1)
    }
  }],
  ['143-144', 'a secure cookie goes over TLS alone', async t => {
    const plain = await serve(t, { ...all, cookie: { secure: true } }, end)
    assert.equal((await ask(plain)).field, undefined)
    const folder = mkdtempSync(join(tmpdir(), 'cloakroom-tls-'))
    t.after(() => rmSync(folder, { recursive: true }))
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=localhost', '-days', '2',
      '-keyout', join(folder, 'key'), '-out', join(folder, 'cert')], { stdio: 'ignore' })
    const [key, cert] = ['key', 'cert'].map(name => readFileSync(join(folder, name)))
    const middleware = session({ secret: SECRET, cookie: { secure: true } })
    const site = await listen(t, createTlsServer({ key, cert }, (req, res) => middleware(req, res, () => res.end())))
    const fields = await new Promise((resolve, reject) => {
      requestTls({ port: site.port, host: '127.0.0.1', rejectUnauthorized: false, agent: false }, response => {
        response.resume()
        resolve(response.headers['set-cookie'])
      }).on('error', reject).end()
    })
    assert.ok(attributes(fields[0]).secure)
  }],
  ['145-147', 'the cookie\'s end follows the maxAge, large ones too', async t => {
    for (const maxAge of [2000, 5000, 3_000_000_000]) {
      const site = await serve(t, { ...all, cookie: { maxAge: 2000 } }, (req, res) => {
        req.session.cookie.maxAge = maxAge
        req.session.n = 1
        res.end()
      })
      const { headers, field } = await ask(site)
      const ms = Date.parse(attributes(field).expires) - Date.parse(headers.date)
      assert.ok(Math.abs(ms - maxAge) <= 1000, `${ms}`)
    }
  }],
  ['148-151', 'a cookie ends at a date, or with the browser', async t => {
    const past = await serve(t, all, (req, res) => { req.session.cookie.expires = new Date(0); res.end() })
    // A date is the lifetime that is left until it.
    assert.ok(Date.parse(attributes((await ask(past)).field).expires) <= Date.now())
    const site = await serve(t, { ...all, cookie: { maxAge: 2000 } }, (req, res) => {
      req.session.cookie.expires = null
      req.session.n = (req.session.n ?? 0) + 1
      res.end()
    })
    const { cookie, field } = await ask(site)
    assert.equal(attributes(field).expires, undefined)
    assert.equal((await ask(site, '/', { cookie })).field, undefined)
  }],
  ['152-154', 'Partitioned where it is asked for', async t => {
    for (const partitioned of [undefined, false, true]) {
      const { field } = await ask(await serve(t, { ...all, cookie: { partitioned } }, end))
      assert.equal(attributes(field).partitioned, partitioned || undefined)
    }
  }],
  ['155-156', 'a store that calls back at once holds nothing', async t => {
    class AtOnce extends session.Store {
      sessions = {}
      get (id, fn) { fn(null, JSON.parse(this.sessions[id])) }
      set (id, data, fn) { this.sessions[id] = JSON.stringify(data); fn() }
      destroy (id, fn) { delete this.sessions[id]; fn() }
    }
    let sent
    const site = await serve(t, { store: new AtOnce(), unset: 'destroy' }, (req, res) => {
      req.session.a = 1
      if (req.url === '/drop') req.session = null
      res.end('x')
      sent = res._header !== null
    })
    const { cookie } = await ask(site)
    assert.equal(sent, true)
    assert.equal((await ask(site, '/drop', { cookie })).text, 'x')
    assert.equal(sent, true)
  }],
  ['157-160', 'what cookie-parser found counts where the field has nothing, and is verified', async t => {
    const app = express()
    app.use(cookieParser('keyboard cat'))
    app.use((req, res, next) => { req.headers.cookie = 'foo=bar'; next() })
    app.use(session({ secret: 'keyboard cat', resave: false, saveUninitialized: false, key: 'sid' }))
    app.use((req, res) => { req.session.n = (req.session.n ?? 0) + 1; res.end(String(req.session.n)) })
    const site = await listen(t, createServer(app))
    const cookie = (await ask(site)).fields[0].split(';')[0]
    assert.equal((await ask(site, '/', { cookie })).text, '2')
    assert.equal((await ask(site, '/', { cookie: cookie.replace(/%3A/, '') })).text, '1')
    assert.equal((await ask(site, '/', { cookie: cookie.slice(0, -4) + 'aaaa' })).text, '1')
    const bare = express()
    bare.use(cookieParser())
    bare.use((req, res, next) => { req.headers.cookie = 'foo=bar'; next() })
    bare.use(session({ secret: 'keyboard cat', resave: false, saveUninitialized: false, key: 'sid' }))
    bare.use((req, res) => { req.session.n = 1; res.end(String(req.session.n)) })
    const other = await listen(t, createServer(bare))
    for (const value of [cookie, cookie.replace('s%3A', ''), cookie.slice(0, -4) + 'aaaa']) {
      assert.equal((await ask(other, '/', { cookie: value })).text, '1')
    }
  }]
])
