// A Next custom server: Next behind Express and a session middleware, in one process. What it answers has to be the same on
// express-session and here; pages that stream keep streaming.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createServer, get } from 'node:http'
import { createRequire } from 'node:module'
import { before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { ask, listen, of, QUIET, require, session, slow } from './support.mjs'

const DIR = fileURLToPath(new URL('../../interop/next', import.meta.url))
const nextRequire = createRequire(`${DIR}/package.json`)
const express = require('express')
const expressSession = require('express-session')

// A build of its own: the tests of `interop/fronts` make theirs at the same time.
Object.assign(process.env, { NEXT_DIST_DIR: '.next-custom', NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: 'production' })
let handle

before(async () => {
  execFileSync(process.execPath, [nextRequire.resolve('next/dist/bin/next'), 'build'], { cwd: DIR, stdio: 'pipe' })
  const next = nextRequire('next')({ dev: false, dir: DIR, hostname: '127.0.0.1', port: 0 })
  await next.prepare()
  handle = next.getRequestHandler()
})

/** Express with a session, and Next for everything else: it hears by a header who is signed in. */
function custom (t, module, options) {
  const app = express()
  app.use(module({ ...QUIET, ...options }))
  app.get('/login', (req, res) => { req.session.userId = 'ada'; res.redirect(303, '/') })
  app.use((req, res) => {
    if (req.session.userId) {
      req.session.views = (req.session.views ?? 0) + 1
      req.headers['x-session-user'] = req.session.userId
    } else {
      delete req.headers['x-session-user']
    }
    return handle(req, res)
  })
  return listen(t, createServer(app))
}

const MODULES = { 'express-session': [expressSession, () => new expressSession.MemoryStore()], 'a store object': [session, () => new session.MemoryStore()], 'a store by URL': [session, () => new session.NativeStore('memory:')] }

/** What is the same in each rendering: Next's own ids are not. */
function plain ({ status, text, headers }) {
  const { date, etag, 'set-cookie': fields, 'content-length': length, 'transfer-encoding': encoding, ...others } = headers
  return { status, text: text.replaceAll(/<script[\s\S]*?<\/script>/g, ''), headers: others }
}

test('pages, route handlers and what is not there are answered as behind express-session', async t => {
  const seen = []
  for (const [name, [module, open]] of Object.entries(MODULES)) {
    const store = open()
    const site = await custom(t, module, { store })
    const answers = [await ask(site, '/'), await ask(site, '/api/hello', { headers: { 'x-session-user': 'eve' } })]
    assert.equal(await of(store, 'length'), 0, name)
    const { cookie, status, headers } = await ask(site, '/login')
    assert.deepEqual([status, headers.location], [303, '/'])
    for (const path of ['/', '/api/hello', '/no/such/page', '/']) answers.push(await ask(site, path, { cookie }))
    answers.push(await ask(site, '/api/hello', { method: 'POST', cookie, body: 'told' }))
    assert.match(answers[0].text, /Hello (<!-- -->)?nobody/)
    assert.equal(JSON.parse(answers[1].text).user, null)
    assert.match(answers[2].text, /Hello (<!-- -->)?ada/)
    assert.equal(answers[4].status, 404)
    assert.deepEqual(JSON.parse(answers[6].text), { user: 'ada', body: 'told' })
    const [record] = Object.values(await of(store, 'all'))
    assert.equal(record.views, 5, name)
    // The cookie is signed with an id of its own.
    seen.push(answers.map(plain).map(({ text, ...answer }) => ({ ...answer, text: text.replace(/connect\.sid=[^"]*/g, 'ticket') })))
  }
  assert.deepEqual(seen[1], seen[0])
  assert.deepEqual(seen[2], seen[0])
})

/** What of a page has arrived when its first piece did, and all of it; `onHead` hears of its head. */
function pieces (site, path, cookie, onHead) {
  return new Promise((resolve, reject) => {
    get(site.url + path, { headers: { cookie }, agent: false }, response => {
      onHead()
      let text = ''
      let first
      response.setEncoding('utf8')
      response.on('data', piece => { text += piece; first ??= text })
      response.on('end', () => resolve({ first, text }))
      response.on('error', reject)
    }).on('error', reject)
  })
}

test('a page that streams arrives in pieces, its head once its session is stored', async t => {
  const isStored = []
  for (const module of [session, expressSession]) {
    const store = slow(new module.MemoryStore(), 100)
    let answers = 0
    store.onAnswer = () => { answers += 1 }
    const site = await custom(t, module, { store })
    const { cookie } = await ask(site, '/login')
    const before = answers
    const { first, text } = await pieces(site, '/slow', cookie, () => isStored.push(answers > before))
    assert.match(first, /the first part/)
    assert.doesNotMatch(first, /the last part/)
    assert.match(text, /the last part/)
  }
  // The control: express-session's head comes first.
  assert.deepEqual(isStored, [true, false])
})
