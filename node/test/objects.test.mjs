// Store objects from npm, each on the real server that it is for, from two middlewares of two store objects: what one
// process's turns do not see. express-session is the control.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { ask, idOf, require, serve, session } from './support.mjs'
import { openExpressStore, stores } from './stores.mjs'

const { comparerOf } = require('../lib/comparers.js')
const express = require('express-session')
const ROUNDS = Number(process.env.CLOAKROOM_ROUNDS ?? 200)
const KEYS = 200

async function handle (req, res) {
  const url = new URL(req.url, 'http://x')
  if (url.pathname === '/logout') return req.session.destroy(error => res.end(String(error ?? 'out')))
  if (url.searchParams.has('wait')) await sleep(Number(url.searchParams.get('wait')))
  if (!req.session) return res.end('none')
  if (url.searchParams.has('key')) req.session[url.searchParams.get('key')] = 1
  const { cookie, ...data } = req.session
  res.end(JSON.stringify(data))
}

/** Two servers, each with a store object of its own. */
async function pair (t, name, url, module) {
  const opened = [await openExpressStore(name, url), await openExpressStore(name, url)]
  t.after(() => Promise.all(opened.map(({ close }) => close())))
  const sites = await Promise.all(opened.map(({ store }) => serve(t, { store }, handle, { module })))
  return { sites, opened }
}

async function survivors (t, name, url, module) {
  const { sites } = await pair(t, name, url, module)
  const { cookie } = await ask(sites[0], '/?key=first')
  await Promise.all(Array.from({ length: KEYS }, (_, n) => ask(sites[n % 2], `/?key=k${n}`, { cookie })))
  return Object.keys(JSON.parse((await ask(sites[1], '/', { cookie })).text)).length - 1
}

/** In how many rounds a session that was ended comes back; at any moment, or surely between another request's read and write. */
async function revived (t, name, url, module, rounds, moment = most => Math.floor(Math.random() * most)) {
  const { sites: [a, b] } = await pair(t, name, url, module)
  const round = async () => {
    const { cookie } = await ask(a, '/?key=first')
    const slowly = ask(a, `/?key=late&wait=${moment(12)}`, { cookie })
    await sleep(moment(10))
    await ask(b, '/logout', { cookie })
    await slowly
    return (await ask(a, '/', { cookie })).text !== '{}'
  }
  let back = 0
  for (let done = 0; done < rounds; done += 20) back += (await Promise.all(Array.from({ length: 20 }, round))).filter(Boolean).length
  return back
}

for (const [name, url] of Object.entries(stores())) {
  test(`${name}: the store object's own client compares and sets`, async t => {
    const { opened: [{ store, text }], sites: [site] } = await pair(t, name, url, session)
    assert.ok(comparerOf(store))
    const { cookie } = await ask(site, '/?key=a')
    await ask(site, '/?key=b', { cookie })
    const record = JSON.parse(await text(idOf(cookie)))
    assert.deepEqual([record.a, record.b, record.cookie.path], [1, 1, '/'])
    store.get = store.get.bind(store)
    assert.equal(comparerOf(store), undefined)
  })

  test(`${name}: 200 requests at once with a key each, over two store objects: all survive`, async t => {
    assert.equal(await survivors(t, name, url, session), KEYS)
  })

  test(`${name}: the control: with express-session some are lost`, async t => {
    const kept = await survivors(t, name, url, express)
    t.diagnostic(`express-session keeps ${kept} of ${KEYS}`)
    assert.ok(kept < KEYS)
  })

  test(`${name}: a logout during a slow request, ${ROUNDS} times: none comes back`, async t => {
    assert.equal(await revived(t, name, url, session, ROUNDS), 0)
  })

  test(`${name}: the control: with express-session some come back`, async t => {
    const back = await revived(t, name, url, express, 40, most => most === 12 ? 300 : 60)
    t.diagnostic(`express-session brings ${back} of 40 back`)
    assert.ok(back > 0)
  })
}

test('a store that is set up in a way of its own is written without comparing', () => {
  const { MemoryStore } = session
  assert.equal(comparerOf(new MemoryStore()), undefined)
  assert.equal(comparerOf(Object.create({ constructor: { name: 'RedisStore' } })), undefined)
})

test('connect-session-sequelize: a session lives, 200 requests at once lose nothing within a process, a logout stays one', async t => {
  const { Sequelize } = require('sequelize')
  const SequelizeStore = require('connect-session-sequelize')(session.Store)
  const db = new Sequelize(stores().postgres, { dialect: 'postgres', logging: false, pool: { max: 10 } })
  t.after(() => db.close())
  const store = new SequelizeStore({ db, checkExpirationInterval: -1 })
  await store.sync()
  assert.equal(comparerOf(store), undefined)
  const site = await serve(t, { store, cookie: { maxAge: 60_000 } }, handle)
  const { cookie } = await ask(site, '/?key=first')
  await Promise.all(Array.from({ length: KEYS }, (_, n) => ask(site, `/?key=k${n}`, { cookie })))
  assert.equal(Object.keys(JSON.parse((await ask(site, '/', { cookie })).text)).length - 1, KEYS)
  const slowly = ask(site, '/?key=late&wait=20', { cookie })
  await ask(site, '/logout', { cookie })
  await slowly
  assert.equal((await ask(site, '/', { cookie })).text, '{}')
})
