// One sign-in for both sides: Passport's in Express, ours in Rust, on one Redis.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { startExpress } from './express.mjs'
import { startExample, startRedis, Visitor } from './support.mjs'

let redis, servers, keeping

before(async () => {
  redis = await startRedis()
  servers = { express: await startExpress(redis.url), rust: await startExample('fleet', redis.url) }
  keeping = await startExpress(redis.url, { keepSessionInfo: true })
})

after(async () => {
  for (const server of [keeping, servers?.rust, servers?.express, redis]) await server?.stop()
})

const SIDES = [['express', 'rust'], ['rust', 'express']]

for (const [here, there] of SIDES) {
  test(`who signs in at ${here} is signed in at ${there}`, async () => {
    const visitor = await signedIn(here)
    assert.equal(await who(there, visitor), 'ada')
    assert.equal(await who(here, visitor), 'ada')
  })

  for (const side of [here, there]) {
    test(`who signed in at ${here} and out at ${side} is out at both, the old cookie too`, async () => {
      const visitor = await signedIn(here)
      // Both sides have seen it, so that neither has yet to read it.
      for (const seen of SIDES[0]) assert.equal(await who(seen, visitor), 'ada')
      const old = visitor.clone()
      assert.equal((await visitor.submit(`${servers[side].url}/logout`, {})).status, 204)
      for (const one of [visitor, old]) {
        for (const asked of SIDES[0]) assert.equal(await who(asked, one), null, asked)
      }
    })
  }

  test(`whoever signs in at ${there} after another at ${here} is themselves on both sides`, async () => {
    const visitor = await signedIn(here, 'grace')
    const old = visitor.clone()
    await visitor.login(servers[there], 'ada')
    for (const asked of SIDES[0]) {
      assert.equal(await who(asked, visitor), 'ada')
      assert.equal(await who(asked, old), null)
    }
  })
}

test('ours writes what Passport writes, and a key of its own in step', async () => {
  const data = async visitor => (await visitor.fetch(`${servers.express.url}/data`)).json()
  const theirs = await data(await signedIn('express'))
  const ours = await data(await signedIn('rust'))
  assert.deepEqual(theirs.passport, { user: 'ada' })
  assert.deepEqual(ours.passport, theirs.passport)
  assert.equal(ours.userId, 'ada')
})

test('where Passport keeps the data of the session, nobody is taken for another', async () => {
  const visitor = await signedIn('rust', 'grace')
  assert.equal((await visitor.login(keeping, 'ada')).status, 200)
  // `userId` says grace and `passport.user` ada: neither is believed.
  assert.equal(await who('rust', visitor), null)
  assert.equal((await visitor.submit(`${servers.rust.url}/count`, {})).status, 401)

  const other = await signedIn('rust', 'grace')
  assert.equal((await other.submit(`${keeping.url}/logout`, {})).status, 204)
  assert.equal(await who('rust', other), null)
})

// W1: two users one after the other, in every order of sides, with the session's data kept and not.
for (const first of ['express', 'keeping', 'rust']) {
  for (const second of ['express', 'keeping', 'rust']) {
    test(`grace at ${first} and then ada at ${second}: grace is over, by /me and by a guard`, async () => {
      const at = side => side === 'keeping' ? keeping : servers[side]
      const visitor = new Visitor()
      assert.equal((await visitor.login(at(first), 'grace')).status, 200)
      assert.equal(await who('rust', visitor), 'grace')
      assert.equal((await visitor.login(at(second), 'ada')).status, 200)
      const both = first === 'rust' && second === 'keeping'
      assert.equal(await who('rust', visitor), both ? null : 'ada')
      assert.equal(await passes(visitor), !both)
      // A login in Rust puts an end to any contradiction, and a logout anywhere signs out.
      assert.equal((await visitor.login(servers.rust, 'ada')).status, 200)
      assert.equal(await who('rust', visitor), 'ada')
      assert.equal((await visitor.submit(`${at(second).url}/logout`, {})).status, 204)
      assert.equal(await who('rust', visitor), null)
      assert.equal(await passes(visitor), false)
    })
  }
}

test('who has no account on a side is nobody there, and loses nothing', async () => {
  const visitor = new Visitor()
  const form = { username: 'eve', password: 'apple' }
  assert.equal((await visitor.submit(`${servers.express.url}/login`, form)).status, 200)
  assert.equal(await who('rust', visitor), null)
  assert.equal(await who('express', visitor), 'eve')
})

async function signedIn (side, user = 'ada') {
  const visitor = new Visitor()
  assert.equal((await visitor.login(servers[side], user)).status, 200)
  return visitor
}

/** Whether a guard of ours lets a visitor through. */
async function passes (visitor) {
  return (await visitor.submit(`${servers.rust.url}/count`, {})).status !== 401
}

/** Who a side says is signed in, `null` for nobody. */
async function who (side, visitor) {
  const response = await visitor.fetch(`${servers[side].url}/me`)
  return response.status === 200 ? (await response.json()).user : null
}
