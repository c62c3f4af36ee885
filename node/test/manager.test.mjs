// Sessions outside every request, for jobs: on each of the core's own stores, and on store objects as far as they can.
// `cargo xtask node --test manager` starts the servers.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { ask, idOf, of, serve, session, slow } from './support.mjs'
import { openExpressStore, stores } from './stores.mjs'

const folder = mkdtempSync(join(tmpdir(), 'cloakroom-manager-'))
process.on('exit', () => rmSync(folder, { recursive: true }))

/** The stores: by name how a middleware and a manager get theirs, and whether it lists sessions. */
const KINDS = { 'a MemoryStore': { open: async () => ({ store: new session.MemoryStore() }), lists: true } }
KINDS['memory:'] = { open: async () => ({ store: new session.NativeStore('memory:') }), lists: true }
for (const [name, url] of Object.entries({ sqlite: `sqlite:${join(folder, 'sessions.db')}`, ...stores() })) {
  KINDS[`${name} by its URL`] = { open: async () => ({ store: url }), lists: true }
}
for (const [name, url] of Object.entries(stores())) {
  KINDS[`${name}'s object`] = { open: () => openExpressStore(name, url), lists: name === 'redis' }
}

const routes = {
  async in (req, query) {
    await req.session.login(query.get('user'))
    Object.assign(req.session, { cart: ['hat'], views: 1, roles: ['editor'] })
    return 'in'
  },
  async all (req) { const { cookie, _ck, ...data } = req.session; return JSON.stringify(data) },
  async view (req) { return req.session.update('views', n => (n ?? 0) + 1) }
}

async function handle (req, res) {
  const url = new URL(req.url, 'http://x')
  try {
    res.end(String(await routes[url.pathname.slice(1)](req, url.searchParams)))
  } catch (error) {
    res.statusCode = error.status ?? 500
    res.end(`${error.code}: ${error.message}`)
  }
}

let number = 0
/** A user of its own for each test, so that those of other runs do not count. */
const someone = () => `user ${process.pid} ${number += 1}`

for (const [name, { open, lists }] of Object.entries(KINDS)) {
  const place = async t => {
    const { store, close } = await open()
    if (close) t.after(close)
    const site = await serve(t, { store, cookie: { maxAge: 600_000 } }, handle)
    const user = someone()
    const signIn = async () => (await ask(site, `/in?user=${encodeURIComponent(user)}`)).cookie
    const all = async cookie => JSON.parse((await ask(site, '/all', { cookie })).text)
    return { site, user, signIn, all, sessions: session.manager(store) }
  }

  test(`${name}: a session is opened by its id, changed, saved, and ended`, async t => {
    const { signIn, all, sessions, user } = await place(t)
    const cookie = await signIn()
    const one = await sessions.open(idOf(cookie))
    assert.deepEqual([one.id, one.user, Object.keys(one.data).sort()], [idOf(cookie), user, ['cart', 'roles', 'userId', 'views']])
    assert.ok(one.expires > new Date())
    one.data.cart.push('coat')
    one.data.note = { of: 'the job' }
    delete one.data.views
    await one.save()
    await one.save()
    assert.deepEqual(await all(cookie), { userId: user, cart: ['hat', 'coat'], roles: ['editor'], note: { of: 'the job' } })
    assert.equal(await sessions.end('no such session'), false)
    assert.equal(await sessions.open('no such session'), null)
    assert.equal(await one.end(), true)
    assert.equal(await one.end(), false)
    assert.deepEqual(await all(cookie), {})
    one.data.late = true
    await assert.rejects(one.save(), { code: 'ESESSIONGONE' })
    await assert.rejects(one.update('late', () => 1), { code: 'ESESSIONGONE' })
    await assert.rejects(one.reload(), { code: 'ESESSIONGONE' })
    assert.deepEqual(await all(cookie), {})
  })

  test(`${name}: what requests and other jobs change at the same time survives, and nothing lives longer for it`, async t => {
    const { site, signIn, all, sessions } = await place(t)
    const cookie = await signIn()
    const id = idOf(cookie)
    const { expires } = await sessions.open(id)
    const jobs = Array.from({ length: 20 }, async (_, n) => {
      const one = await sessions.open(id)
      one.data[`job ${n}`] = n
      await one.save()
      return one.update('views', views => views + 1)
    })
    const requests = Array.from({ length: 20 }, () => ask(site, '/view', { cookie }))
    const [counted] = await Promise.all([Promise.all(jobs), Promise.all(requests)])
    assert.equal(new Set(counted).size, 20)
    const data = await all(cookie)
    assert.equal(data.views, 41)
    for (let n = 0; n < 20; n++) assert.equal(data[`job ${n}`], n)
    const alone = await signIn()
    const before = await sessions.open(idOf(alone))
    before.data.note = 1
    await before.save()
    const after = await sessions.open(idOf(alone))
    assert.equal(after.data.note, 1)
    assert.equal(after.expires.getTime(), before.expires.getTime())
    assert.ok(expires <= after.expires)
  })

  test(`${name}: reserved names are refused, and a key that changed under the job is read again`, async t => {
    const { site, signIn, sessions } = await place(t)
    const cookie = await signIn()
    const one = await sessions.open(idOf(cookie))
    for (const key of ['save', 'cookie', '_ck', 'id']) {
      await assert.rejects(one.update(key, () => 1), { code: 'ERESERVEDKEY' })
      one.data[key] = 1
      if (key !== 'cookie') await assert.rejects(one.save(), { code: 'ERESERVEDKEY' })
      delete one.data[key]
    }
    await ask(site, '/view', { cookie })
    assert.equal(one.data.views, 1)
    one.data.lost = true
    await one.reload()
    assert.deepEqual([one.data.views, one.data.lost], [2, undefined])
    assert.equal(await one.update('missing', value => value ?? 'none'), 'none')
    await assert.rejects(one.update('views', () => { throw Object.assign(new Error('no'), { code: 'ENO' }) }), { code: 'ENO' })
  })

  if (!lists) {
    test(`${name}: it says that it cannot list the sessions of a user`, async t => {
      const { signIn, sessions, user } = await place(t)
      await signIn()
      await assert.rejects(sessions.sessionsOf(user), { code: 'ENOTLISTED' })
      await assert.rejects(sessions.endSessionsOf(user), { code: 'ENOTLISTED' })
      await assert.rejects(sessions.setRolesOf(user, []), { code: 'ENOTLISTED' })
    })
    continue
  }

  test(`${name}: the sessions of a user are opened, given other roles, and ended`, async t => {
    const { site, signIn, all, sessions, user } = await place(t)
    const cookies = [await signIn(), await signIn(), await signIn()]
    const other = someone()
    const { cookie: others } = await ask(site, `/in?user=${encodeURIComponent(other)}`)
    const found = await sessions.sessionsOf(user)
    assert.deepEqual(found.map(({ id }) => id).sort(), cookies.map(idOf).sort())
    for (const one of found) await one.update('cart', cart => [...cart, 'gift'])
    assert.equal(await sessions.setRolesOf(user, ['reader']), 3)
    for (const cookie of cookies) {
      assert.deepEqual((({ cart, roles }) => ({ cart, roles }))(await all(cookie)), { cart: ['hat', 'gift'], roles: ['reader'] })
    }
    assert.deepEqual((await all(others)).roles, ['editor'])
    assert.equal(await found[0].end(), true)
    assert.equal(await sessions.endSessionsOf(user), 2)
    for (const cookie of cookies) assert.deepEqual(await all(cookie), {})
    assert.equal(await sessions.setRolesOf(user, []), 0)
    assert.equal((await all(others)).userId, other)
    assert.equal(await sessions.endSessionsOf(other), 1)
  })
}

test('what a job does not touch keeps its bytes: numbers that JavaScript cannot say', async t => {
  const { client, close } = await openExpressStore('redis', stores().redis)
  t.after(close)
  const id = `numbers ${process.pid}`
  await client.set(`sess:${id}`, '{"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"},"big":12345678901234567890,"n":1.0,"o":{"a": 1e2}}', { EX: 60 })
  const sessions = session.manager(stores().redis)
  const one = await sessions.open(id)
  one.data.n = 2
  await one.save()
  await one.update('more', () => 3)
  assert.equal(await client.get(`sess:${id}`), '{"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"},"big":12345678901234567890,"n":2,"o":{"a": 1e2},"more":3}')
  assert.equal(await sessions.end(id), true)
})

test('a job on a slow store object writes over what is there by then', async () => {
  const store = slow(new session.MemoryStore(), 4, ['get', 'set'])
  await of(store, 'set', 'one', { cookie: {}, a: 1 })
  const sessions = session.manager(store)
  const [first, second] = await Promise.all([sessions.open('one'), sessions.open('one')])
  first.data.b = 2
  second.data.c = 3
  await Promise.all([first.save(), second.save()])
  assert.deepEqual(JSON.parse(store.sessions.one), { cookie: JSON.parse(store.sessions.one).cookie, a: 1, b: 2, c: 3 })
})

test('a manager takes a store or its URL, ids that are texts, and roles that are lists', async () => {
  for (const store of [undefined, 'http://x', {}, 7]) assert.throws(() => session.manager(store), TypeError)
  const sessions = session.manager('memory:')
  for (const id of [undefined, '', 7]) await assert.rejects(sessions.open(id), TypeError)
  await assert.rejects(sessions.setRolesOf('ada', 'admin'), TypeError)
})

test('a job ends by itself: nothing of a manager keeps the process alive', () => {
  const code = `require(${JSON.stringify(new URL('../index.js', import.meta.url).pathname)}).manager(${JSON.stringify(stores().redis)})
    .open('no such session').then(one => console.log(one))`
  assert.equal(execFileSync(process.execPath, ['-e', code], { timeout: 20_000, encoding: 'utf8' }), 'null\n')
})
