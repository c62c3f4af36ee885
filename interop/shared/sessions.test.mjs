// One visitor, two servers, one store: what one does the other sees.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { openRaw } from './raw.mjs'
import { startLab, stores, Visitor, withBoth } from './labs.mjs'

const OLD = 'an old secret that is long enough to be one'
const NEW = 'a new secret that is long enough to be one!'

/** Calls `body` with the two labs in either order. */
async function eitherWay (labs, body) {
  await body(labs.node, labs.rust)
  await body(labs.rust, labs.node)
}

for (const [name, url] of stores()) {
  test(`${name}: sign in here, read there, change there, read here, regenerate, sign out`, async () => {
    await withBoth(url, [], labs => eitherWay(labs, async (here, there) => {
      const visitor = new Visitor()
      await visitor.step(here, 'set', { key: 'cart', value: { é: [1, 2.5, null], 10: 'x' } })
      await visitor.step(here, 'login', { user: 'ada', roles: ['admin'] })
      assert.equal(await visitor.me(there), 'ada')
      await visitor.step(there, 'add', { key: 'n', by: 2 })
      await visitor.step(there, 'remove', { key: 'cart' })
      assert.deepEqual(await visitor.step(here, 'all'), { userId: 'ada', roles: ['admin'], n: 2 })
      const before = visitor.clone()
      await visitor.run(there, { op: 'regenerate' }, { op: 'set', key: 'a', value: 1 })
      assert.deepEqual(await visitor.step(here, 'all'), { a: 1 })
      assert.equal(await before.me(here), null)
      assert.equal(await before.me(there), null)
      const signedIn = visitor.clone()
      await visitor.step(there, 'destroy')
      for (const lab of [here, there]) assert.deepEqual(await signedIn.clone().step(lab, 'all'), {})
    }))
  })

  test(`${name}: the two write the same text and the same expiry`, async () => {
    const raw = await openRaw(url)
    await withBoth(url, ['--max-age-ms', '60000'], async labs => {
      const texts = []
      for (const lab of [labs.node, labs.rust]) {
        const visitor = new Visitor()
        const from = Date.now()
        const { sid } = await visitor.run(lab, { op: 'set', key: '2', value: 'é\u2028😀' },
          { op: 'set', key: 'b', value: [1e21, 0.1, -0] }, { op: 'set', key: '1', value: { y: 1, 0: 2 } })
        const expires = await raw.expires(sid)
        assert.ok(expires > from + 58_000 && expires < Date.now() + 61_500, `${lab.kind}: ${expires - from}`)
        texts.push((await raw.text(sid)).replace(/"expires":"[^"]*"/, '"expires":"~"'))
      }
      assert.equal(texts[1], texts[0])
    }).finally(() => raw.close())
  })

  test(`${name}: use on either side keeps a session alive, and it ends for both`, async () => {
    // With `rolling` each use moves the end of the cookie as well, which a browser heeds.
    await withBoth(url, ['--max-age-ms', '3000', '--rolling'], labs => eitherWay(labs, async (here, there) => {
      const visitor = new Visitor()
      await visitor.step(here, 'set', { key: 'a', value: 1 })
      for (const lab of [there, here, there, here]) {
        await sleep(1500)
        assert.equal(await visitor.step(lab, 'get', { key: 'a' }), 1, lab.kind)
      }
      const cookie = visitor.cookies.header(here.url)
      await sleep(4500)
      for (const lab of [here, there]) {
        assert.equal(visitor.cookies.header(lab.url), '', 'the browser keeps its cookie')
        assert.equal(await shown(lab, cookie), null, `${lab.kind}: whoever kept it is somebody`)
      }
    }))
  })

  test(`${name}: a secret is changed on one side first, and nobody is signed out`, async () => {
    const secrets = (...list) => list.flatMap(secret => ['--secret', secret])
    for (const [first, second] of [['node', 'rust'], ['rust', 'node']]) {
      const visitor = new Visitor()
      const newcomer = new Visitor()
      // Both know the new one before either signs with it.
      const stages = [
        { [first]: secrets(OLD), [second]: secrets(OLD) },
        { [first]: secrets(OLD, NEW), [second]: secrets(OLD) },
        { [first]: secrets(NEW, OLD), [second]: secrets(OLD, NEW) },
        { [first]: secrets(NEW, OLD), [second]: secrets(NEW, OLD) }
      ]
      for (const [stage, flags] of stages.entries()) {
        await withBoth(url, flags, async labs => {
          if (stage === 0) await visitor.step(labs[first], 'login', { user: 'ada' })
          if (stage === 2) await newcomer.step(labs[first], 'login', { user: 'eve' })
          for (const lab of Object.values(labs)) {
            assert.equal(await visitor.clone().me(lab), 'ada', `stage ${stage}, ${lab.kind}`)
            if (stage >= 2) assert.equal(await newcomer.clone().me(lab), 'eve')
          }
        })
      }
      // Without the old one a cookie that it signed is worth nothing.
      await withBoth(url, secrets(NEW), async labs => {
        for (const lab of Object.values(labs)) assert.equal(await visitor.clone().me(lab), null, lab.kind)
        for (const lab of Object.values(labs)) assert.equal(await newcomer.clone().me(lab), 'eve', lab.kind)
      })
    }
  })

  test(`${name}: two names are two sessions`, async () => {
    await withBoth(url, { node: ['--name', 'shop.sid'], rust: ['--name', 'admin.sid'] }, async labs => {
      const visitor = new Visitor()
      await visitor.step(labs.node, 'login', { user: 'customer' })
      await visitor.step(labs.rust, 'login', { user: 'clerk' })
      assert.equal(await visitor.me(labs.node), 'customer')
      assert.equal(await visitor.me(labs.rust), 'clerk')
      await visitor.step(labs.rust, 'destroy')
      assert.equal(await visitor.me(labs.node), 'customer')
    })
  })

  test(`${name}: what Passport writes is kept, and read`, async () => {
    const shapes = [{}, { user: 42 }, { user: 'ada' }, { user: { id: 7, name: 'Ada' } }]
    await withBoth(url, [], labs => eitherWay(labs, async (here, there) => {
      for (const passport of shapes) {
        const visitor = new Visitor()
        await visitor.run(here, { op: 'set', key: 'passport', value: passport },
          { op: 'set', key: 'returnTo', value: '/account' })
        await visitor.step(there, 'set', { key: 'seen', value: true })
        assert.deepEqual(await visitor.step(here, 'all'), { passport, returnTo: '/account', seen: true })
      }
    }))
  })

  test(`${name}: signing out everywhere ends the sessions of both sides`, async () => {
    const mixed = { node: [], rust: ['--mixed-fleet'] }
    await withBoth(url, mixed, labs => eitherWay(labs, async (here, there) => {
      const user = `user-${here.kind}-${Date.now()}`
      const [one, two, three, other] = [new Visitor(), new Visitor(), new Visitor(), new Visitor()]
      await one.step(here, 'login', { user })
      await two.step(there, 'login', { user })
      await three.step(labs.node, 'login', { user })
      await other.step(there, 'login', { user: `${user}-other` })
      assert.equal(await one.step(labs.rust, 'sessions'), 3)
      assert.equal(await one.clone().step(labs.rust, 'logout_everywhere'), 3)
      for (const visitor of [one, two, three]) {
        for (const lab of [here, there]) assert.equal(await visitor.clone().me(lab), null)
      }
      assert.equal(await other.me(here), `${user}-other`)
    }))
  })
}

test('a lab that is started alone says what it needs', async () => {
  await assert.rejects(startLab('rust', 'nothing:here'), /does not start/)
})

/** What the session of a cookie has under `a`, whatever browsers do with that cookie. */
async function shown (lab, cookie) {
  const response = await fetch(`${lab.url}/run`, {
    method: 'POST',
    headers: { cookie, 'content-type': 'application/json' },
    body: JSON.stringify([{ op: 'get', key: 'a' }])
  })
  return (await response.json()).steps[0]
}
