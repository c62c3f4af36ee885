// Requests of one session at the same time, and a logout during a slow one: on store objects of this process, with
// express-session as the control that must lose.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { ask, require, serve, session, slow } from './support.mjs'

const express = require('express-session')
const ROUNDS = Number(process.env.CLOAKROOM_ROUNDS ?? 1000)
const KEYS = 200

/** An application that sets a key of its own for each request, tells all, and ends the session. */
async function application (t, module, store) {
  return serve(t, { store }, async (req, res) => {
    const url = new URL(req.url, 'http://x')
    if (url.pathname === '/logout') {
      req.session.destroy(error => { res.statusCode = error ? 500 : 200; res.end() })
      return
    }
    if (url.searchParams.has('wait')) await sleep(Number(url.searchParams.get('wait')))
    if (!req.session) return res.end('none')
    if (url.pathname !== '/all') req.session[url.searchParams.get('key')] = 1
    res.end(String(Object.keys(req.session).length - 1))
  }, { module })
}

/** How many of 200 keys survive that are set by as many requests at once. */
async function survivors (t, module) {
  const site = await application(t, module, slow(new module.MemoryStore(), 2, ['get', 'set']))
  const { cookie } = await ask(site, '/set?key=first')
  await Promise.all(Array.from({ length: KEYS }, (_, n) => ask(site, `/set?key=k${n}`, { cookie })))
  return Number((await ask(site, '/all', { cookie })).text) - 1
}

/** In how many of the rounds a session that was ended comes back. */
async function revived (t, module, rounds) {
  const site = await application(t, module, slow(new module.MemoryStore(), 1, ['get', 'set', 'destroy']))
  const one = async () => {
    const { cookie } = await ask(site, '/set?key=first')
    const slowly = ask(site, `/set?key=late&wait=${4 + Math.floor(Math.random() * 8)}`, { cookie })
    await sleep(Math.floor(Math.random() * 8))
    await ask(site, '/logout', { cookie })
    await slowly
    return (await ask(site, '/all', { cookie })).text !== '0'
  }
  let count = 0
  for (let done = 0; done < rounds; done += 20) {
    const results = await Promise.all(Array.from({ length: Math.min(20, rounds - done) }, one))
    count += results.filter(Boolean).length
  }
  return count
}

test('200 requests at once with a key each: all survive', async t => assert.equal(await survivors(t, session), KEYS))

test('the control: with express-session some are lost', async t => {
  const kept = await survivors(t, express)
  t.diagnostic(`express-session keeps ${kept} of ${KEYS}`)
  assert.ok(kept < KEYS)
})

test(`a logout during a slow request, ${ROUNDS} times: none comes back`, async t => {
  assert.equal(await revived(t, session, ROUNDS), 0)
})

test('the control: with express-session some come back', async t => {
  const count = await revived(t, express, 60)
  t.diagnostic(`express-session brings ${count} of 60 back`)
  assert.ok(count > 0)
})

/** How many of 200 clients that follow a redirect as soon as they have its head are signed in. */
async function followers (t, module) {
  const site = await serve(t, { store: slow(new module.MemoryStore(), 100, ['set']) }, (req, res) => {
    if (req.url === '/me') return res.end(req.session.user ?? 'nobody')
    req.session.user = 'ada'
    res.writeHead(302, { Location: '/me', 'Content-Length': 6 })
    res.end('to /me')
  }, { module })
  const follow = async () => {
    const { headers } = await fetch(site.url, { redirect: 'manual' })
    return (await ask(site, '/me', { cookie: headers.getSetCookie()[0].split(';', 1)[0] })).text
  }
  let count = 0
  for (let round = 0; round < 20; round += 1) {
    const users = await Promise.all(Array.from({ length: 10 }, follow))
    count += users.filter(user => user === 'ada').length
  }
  return count
}

test('a client that follows a redirect on its head is signed in, 200 times of 200', async t => {
  assert.equal(await followers(t, session), 200)
})

test('the control: with express-session some are nobody', async t => {
  const count = await followers(t, express)
  t.diagnostic(`express-session has ${count} of 200 signed in`)
  assert.ok(count < 200)
})
