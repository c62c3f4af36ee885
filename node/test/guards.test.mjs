// Guards and CSRF as middlewares: on store objects and on the core's own stores, in Express 4 and 5.

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'

import { ask, listen, of, QUIET, require, session } from './support.mjs'

const { csrf, MemoryStore, NativeStore, requireLogin, requireRole, safeNext } = session
const FRAMEWORKS = { 'Express 4': require('express4'), 'Express 5': require('express') }
const STORES = { 'a store object': () => new MemoryStore(), 'a store by URL': () => new NativeStore('memory:') }
const PAGE = { accept: 'text/html,*/*;q=0.8' }
const JSON_ONLY = { accept: 'application/json' }
const HOUR = 60 * 60 * 1000

/** An application behind guards, on each framework and kind of store. */
function each (name, run, options = {}) {
  for (const [framework, express] of Object.entries(FRAMEWORKS)) {
    for (const [kind, open] of Object.entries(STORES)) {
      test(`${framework}, ${kind}: ${name}`, async t => {
        const app = express()
        const store = open()
        app.use(session({ ...QUIET, store, ...options }))
        app.get('/as/:user', async (req, res) => {
          await req.session.login(req.params.user)
          req.session.roles = req.query.roles?.split(',')
          res.send(Object.keys(req.session).join())
        })
        await run(app, { t, express, store, site: () => listen(t, createServer(app)) })
      })
    }
  }
}

async function signIn (site, user, roles, cookie) {
  return (await ask(site, `/as/${user}${roles ? `?roles=${roles}` : ''}`, { cookie })).cookie
}

each('a guard lets those through who are what it asks for, and answers the others as they ask', async (app, { site: serve }) => {
  const ok = (req, res) => res.send(`in ${req.originalUrl}`)
  app.get('/account', requireLogin(), ok)
  app.get('/pages', requireLogin({ loginAt: '/login' }), ok)
  app.get('/admin', requireRole('admin', { loginAt: '/login' }), ok)
  app.get('/staff', requireRole(['admin', 'editor']), ok)
  app.get('/both', requireRole('admin'), requireRole('editor'), ok)
  app.use('/nested', requireLogin({ loginAt: '/login' }), ok)
  app.post('/pages', requireLogin({ loginAt: '/login' }), ok)
  const site = await serve()
  const nobody = undefined
  const ada = await signIn(site, 'ada')
  const eve = await signIn(site, 'eve', 'editor')
  const root = await signIn(site, 'root', 'editor,admin')
  const table = [
    ['/account', nobody, PAGE, 401, 'nobody is signed in'],
    ['/account', nobody, JSON_ONLY, 401, '{"error":"nobody is signed in"}'],
    ['/account', ada, PAGE, 200, 'in /account'],
    ['/pages?a=1', nobody, PAGE, 303, '/login?next=/pages%3Fa%3D1'],
    ['/pages', nobody, JSON_ONLY, 401, '{"error":"nobody is signed in"}'],
    ['/pages', nobody, {}, 401, 'nobody is signed in'],
    ['/nested/deep', nobody, PAGE, 303, '/login?next=/nested/deep'],
    ['/nested/deep', ada, PAGE, 200, 'in /nested/deep'],
    ['/admin', nobody, PAGE, 303, '/login?next=/admin'],
    ['/admin', ada, PAGE, 403, 'you are signed in, and this is not allowed to you'],
    ['/admin', eve, JSON_ONLY, 403, '{"error":"you are signed in, and this is not allowed to you"}'],
    ['/admin', root, PAGE, 200, 'in /admin'],
    ['/staff', ada, PAGE, 403, 'you are signed in, and this is not allowed to you'],
    ['/staff', eve, PAGE, 200, 'in /staff'],
    ['/both', eve, PAGE, 403, 'you are signed in, and this is not allowed to you'],
    ['/both', root, PAGE, 200, 'in /both']
  ]
  for (const [path, cookie, headers, status, text] of table) {
    const answer = await ask(site, path, { cookie, headers })
    const row = `${path} ${JSON.stringify(headers)}`
    assert.equal(answer.status, status, row)
    assert.equal(status === 303 ? answer.headers.location : answer.text, text, row)
    if (status === 401) assert.equal(answer.headers['www-authenticate'], 'Session')
    if (status !== 200) assert.equal(answer.headers['cache-control'], 'no-store')
  }
  const posted = await ask(site, '/pages', { method: 'POST', headers: PAGE })
  assert.deepEqual([posted.status, posted.headers.location], [303, '/login'])
  // A form cannot be loaded by itself: the way back is the page that holds it.
  const referer = `${site.url}/pages?form`
  const form = await ask(site, '/pages', { method: 'POST', headers: { ...PAGE, referer } })
  assert.equal(form.headers.location, '/login?next=/pages%3Fform')
})

each('a login that is too long ago is asked for again; one of another program says nothing of its time', async (app, { site: serve, store }) => {
  app.get('/old', async (req, res) => {
    req.session._ck = { ...req.session._ck, login: Date.now() - 2 * HOUR }
    res.send('old')
  })
  app.get('/foreign', (req, res) => { req.session.userId = 'ada'; res.send('in') })
  app.get('/transfer', requireLogin({ fresh: HOUR, loginAt: '/login' }), (req, res) => res.send('sent'))
  app.get('/admin', requireRole('admin', { fresh: HOUR, loginAt: '/login' }), (req, res) => res.send('ruled'))
  const site = await serve()
  const cookie = await signIn(site, 'ada')
  assert.equal((await ask(site, '/transfer', { cookie })).text, 'sent')
  // Written as another server would have: `_ck` is not the application's.
  const id = decodeURIComponent(cookie).slice('connect.sid=s:'.length).replace(/\.[^.]*$/, '')
  const record = await of(store, 'get', id)
  await of(store, 'set', id, { ...record, _ck: { ...record._ck, login: Date.now() - 2 * HOUR } })
  const old = await ask(site, '/transfer', { cookie, headers: PAGE })
  assert.deepEqual([old.status, old.headers.location], [303, '/login?next=/transfer&again=1'])
  assert.equal((await ask(site, '/transfer', { cookie, headers: JSON_ONLY })).text, '{"error":"sign in once more: the last time is too long ago for this"}')
  // Nobody is asked for a password that would not let them in.
  assert.equal((await ask(site, '/admin', { cookie, headers: PAGE })).status, 403)
  const again = await signIn(site, 'ada', undefined, cookie)
  assert.equal((await ask(site, '/transfer', { cookie: again })).text, 'sent')
  const { cookie: foreign } = await ask(site, '/foreign')
  assert.equal((await ask(site, '/transfer', { cookie: foreign, headers: PAGE })).headers.location, '/login?next=/transfer&again=1')
})

each('roles are those of whoever signed in: not of a user whom another program puts in that one\'s place', async (app, { site: serve }) => {
  app.get('/swap', (req, res) => { req.session.userId = 'eve'; res.send('swapped') })
  app.get('/admin', requireRole('admin'), (req, res) => res.send('in'))
  app.get('/lower', (req, res, next) => { req.session.roles = []; next() }, requireRole('admin'), (req, res) => res.send('in'))
  const site = await serve()
  const cookie = await signIn(site, 'ada', 'admin')
  assert.equal((await ask(site, '/admin', { cookie })).text, 'in')
  assert.equal((await ask(site, '/lower', { cookie })).status, 403)
  const other = await signIn(site, 'ada', 'admin')
  await ask(site, '/swap', { cookie: other })
  assert.equal((await ask(site, '/admin', { cookie: other })).status, 403)
})

each('two names are nobody, Passport\'s user is one, and a session that ended in the request is nobody\'s', async (app, { site: serve }) => {
  app.get('/two', (req, res) => { req.session.userId = 'ada'; req.session.passport = { user: 'eve' }; res.send('two') })
  app.get('/passport', (req, res) => { req.session.passport = { user: 'eve' }; res.send('one') })
  app.get('/me', requireLogin(), (req, res) => res.send('in'))
  app.get('/late', (req, res, next) => req.session.destroy(next), requireLogin(), (req, res) => res.send('in'))
  const site = await serve()
  assert.equal((await ask(site, '/me', { cookie: (await ask(site, '/two')).cookie })).status, 401)
  const { cookie } = await ask(site, '/passport')
  assert.equal((await ask(site, '/me', { cookie })).text, 'in')
  assert.equal((await ask(site, '/late', { cookie })).status, 401)
})

each('the application says the roles, and what else is asked for; what it throws is the error handler\'s', async (app, { site: serve }) => {
  const roles = { ada: ['admin'], eve: [] }
  const asked = []
  const rolesOf = async user => { asked.push(user); return roles[user] }
  app.get('/admin', requireRole('admin', { rolesOf }), (req, res) => res.send('in'))
  app.get('/mine/:user', requireLogin({ when: req => req.session.userId === req.params.user }), (req, res) => res.send('mine'))
  app.get('/own', requireLogin({ refused: (req, res, next, refusal) => res.status(418).json(refusal), loginAt: '/login' }))
  app.use((error, req, res, next) => res.status(500).send(error.message)) // eslint-disable-line no-unused-vars
  const site = await serve()
  assert.equal((await ask(site, '/admin')).status, 401)
  assert.deepEqual(asked, [])
  const [ada, eve, bob] = [await signIn(site, 'ada'), await signIn(site, 'eve', 'admin'), await signIn(site, 'bob')]
  assert.equal((await ask(site, '/admin', { cookie: ada })).text, 'in')
  assert.equal((await ask(site, '/admin', { cookie: eve })).status, 403)
  const unknown = await ask(site, '/admin', { cookie: bob })
  assert.deepEqual([unknown.status, unknown.text], [500, 'rolesOf gives a list of roles'])
  assert.deepEqual(asked, ['ada', 'eve', 'bob'])
  assert.equal((await ask(site, '/mine/ada', { cookie: ada })).text, 'mine')
  assert.equal((await ask(site, '/mine/ada', { cookie: eve })).status, 403)
  assert.deepEqual(JSON.parse((await ask(site, '/own', { headers: PAGE })).text), { status: 303, reason: 'login', location: '/login?next=/own' })
})

test('a guard where there is no session layer, or whose store is away, is no way to the login', async t => {
  const express = FRAMEWORKS['Express 5']
  const store = new MemoryStore()
  const app = express()
  app.get('/bare', requireLogin({ loginAt: '/login' }))
  app.use(session({ ...QUIET, store }))
  app.get('/me', requireLogin({ loginAt: '/login' }), (req, res) => res.send('in'))
  app.use((error, req, res, next) => res.status(500).send(error.message)) // eslint-disable-line no-unused-vars
  const site = await listen(t, createServer(app))
  assert.match((await ask(site, '/bare', { headers: PAGE })).text, /session middleware before it/)
  store.emit('disconnect')
  const away = await ask(site, '/me', { headers: PAGE })
  assert.deepEqual([away.status, away.headers['retry-after'], away.headers.location], [503, '1', undefined])
  store.emit('connect')
  assert.equal((await ask(site, '/me', { headers: PAGE })).status, 303)
})

test('a guard refuses what it does not know when it is made', () => {
  for (const options of [{ role: 'admin' }, { fresh: '5m' }, { fresh: -1 }, { loginAt: 1 }, { when: true }, { refused: 1 }]) {
    assert.throws(() => requireLogin(options), TypeError, JSON.stringify(options))
  }
  for (const roles of [[], 1, [1], undefined]) assert.throws(() => requireRole(roles), TypeError)
  for (const options of [{ allowOrigins: 'null' }, { allowOrigins: '*' }, { allowOrigins: ['https://pay.example/'] }, { cookie: true }, { refused: 1 }]) {
    assert.throws(() => csrf(options), Error, JSON.stringify(options))
  }
})

test('the way back stays on the site', () => {
  const table = [['/cart?a=1', '/cart?a=1'], ['//evil.example', undefined], ['/\\evil.example', undefined], ['https://evil.example', undefined],
    ['/%2f/evil.example', undefined], ['', undefined], [undefined, undefined], [['/a'], undefined]]
  for (const [next, expected] of table) assert.equal(safeNext(next), expected, String(next))
})

each('a request of another site is refused, whatever token it brings; one that does not say needs one', async (app, { express, site: serve }) => {
  const guard = csrf({ allowOrigins: 'https://pay.example' })
  app.use(express.urlencoded({ extended: false }), guard)
  app.get('/token', (req, res) => res.send(req.csrfToken()))
  app.all('/act', (req, res) => res.send('done'))
  const site = await serve()
  const { cookie, text: token } = await ask(site, '/token')
  const { text: second } = await ask(site, '/token', { cookie })
  assert.notEqual(token, second)
  const other = (await ask(site, '/token')).text
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  const own = site.url
  const table = [
    ['same-origin', { 'sec-fetch-site': 'same-origin' }, '', 200],
    ['typed', { 'sec-fetch-site': 'none' }, '', 200],
    ['own origin', { origin: own }, '', 200],
    ['allowed', { 'sec-fetch-site': 'cross-site', origin: 'https://pay.example' }, '', 200],
    ['cross-site with token', { 'sec-fetch-site': 'cross-site', 'x-csrf-token': token }, '', 403],
    ['same-site', { 'sec-fetch-site': 'same-site' }, '', 403],
    ['other origin', { origin: 'https://evil.example' }, '', 403],
    ['other scheme', { origin: own.replace('http:', 'https:') }, '', 403],
    ['silent', {}, '', 403],
    ['token', { 'x-csrf-token': token }, '', 200],
    ['second token', { 'x-csrf-token': second }, '', 200],
    ['another session\'s', { 'x-csrf-token': other }, '', 403],
    ['nonsense', { 'x-csrf-token': 'x' }, '', 403],
    ['form', form, `_csrf=${token}`, 200],
    ['form without', form, 'a=1', 403],
    ['form with two', form, `_csrf=${token}&_csrf=${token}`, 403],
    ['wrong header, right form', { ...form, 'x-csrf-token': 'x' }, `_csrf=${token}`, 403],
    ['JSON', { 'content-type': 'application/json' }, `{"_csrf":"${token}"}`, 403]
  ]
  for (const [name, headers, body, status] of table) {
    const answer = await ask(site, '/act', { method: 'POST', cookie, headers, body })
    assert.equal(answer.status, status, `${name}: ${answer.text}`)
  }
  assert.equal((await ask(site, '/act', { cookie, headers: { 'sec-fetch-site': 'cross-site' } })).text, 'done')
  assert.equal((await ask(site, '/act', { method: 'DELETE', cookie, headers: JSON_ONLY })).text, '{"error":"this request needs the header X-CSRF-Token"}')
  // A login takes the tokens of before.
  const after = await signIn(site, 'ada', undefined, cookie)
  assert.equal((await ask(site, '/act', { method: 'POST', cookie: after, headers: { 'x-csrf-token': token } })).status, 403)
  const fresh = (await ask(site, '/token', { cookie: after })).text
  assert.equal((await ask(site, '/act', { method: 'POST', cookie: after, headers: { 'x-csrf-token': fresh } })).status, 200)
  assert.deepEqual([{}, { origin: 'https://evil.example' }, { origin: own, host: site.url.slice(7) }].map(headers => guard.allowsSocket({ headers })), [true, false, true])
})

each('a session without a token stays unstored; csrf needs a session', async (app, { express, store, site: serve }) => {
  app.use(csrf())
  app.get('/', (req, res) => res.send('read'))
  app.get('/gone', (req, res, next) => req.session.destroy(() => {
    try { req.csrfToken() } catch (error) { return res.status(500).send(error.message) }
    res.send('token')
  }))
  const site = await serve()
  assert.equal((await ask(site)).field, undefined)
  assert.equal(await of(store, 'length'), 0)
  assert.match((await ask(site, '/gone')).text, /ended/)
  const bare = express()
  bare.use(csrf())
  bare.use((error, req, res, next) => res.status(500).send(error.message)) // eslint-disable-line no-unused-vars
  const second = createServer(bare)
  await new Promise(resolve => second.listen(0, '127.0.0.1', resolve))
  assert.match((await ask({ url: `http://127.0.0.1:${second.address().port}` })).text, /session middleware before it/)
  second.close()
})
