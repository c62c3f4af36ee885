// The two files of the manual's page "From Express", as a reader would have them: side by side on one Redis.

import assert from 'node:assert/strict'
import { copyFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import { fromHere, ready, SECRET, startRedis, temporary, Visitor } from './support.mjs'

const EXAMPLES = process.env.CLOAKROOM_EXAMPLES ?? fromHere('../../target/debug/examples')
const SIDES = ['express', 'rust']

let redis, folder, servers

before(async () => {
  redis = await startRedis()
  folder = temporary()
  const file = join(folder.path, 'express.mjs')
  copyFileSync(fromHere('../../crates/cloakroom/examples/beside_express/express.mjs'), file)
  symlinkSync(fromHere('../node_modules'), join(folder.path, 'node_modules'))
  const env = { ...process.env, REDIS_URL: redis.url, SESSION_SECRET: SECRET, PORT: '0' }
  servers = {}
  servers.express = await ready(process.execPath, [file], { env }, /^listening on (.*)$/)
  servers.rust = await ready(join(EXAMPLES, 'beside_express'), [], { env }, /^listening on (.*)$/)
})

after(async () => {
  for (const server of [...Object.values(servers ?? {}), redis]) await server?.stop()
  folder?.remove()
})

for (const here of SIDES) {
  for (const out of SIDES) {
    test(`who signs in at ${here} and out at ${out} is the same at both, in and out`, async () => {
      const visitor = await signedIn(here, 'ada')
      const old = visitor.clone()
      for (const side of SIDES) {
        assert.deepEqual(await me(side, visitor), { user: 'ada', count: 0 })
        assert.deepEqual(await admin(side, visitor), [200, { admin: 'ada' }])
      }
      assert.equal((await visitor.submit(`${servers[out].url}/logout`, {})).status, 204)
      for (const side of SIDES) {
        for (const one of [visitor, old]) {
          assert.deepEqual(await me(side, one), { user: null, count: 0 })
          assert.equal((await admin(side, one))[0], 401)
        }
      }
    })
  }

  test(`both count on where the other is, signed in at ${here}`, async () => {
    const visitor = await signedIn(here, 'grace')
    for (let count = 1; count <= 6; count++) {
      const answer = await visitor.submit(`${servers[SIDES[count % 2]].url}/count`, {})
      assert.deepEqual(await answer.json(), { count })
    }
    for (const side of SIDES) {
      assert.deepEqual(await me(side, visitor), { user: 'grace', count: 6 })
      assert.equal((await admin(side, visitor))[0], 403)
    }
  })

  test(`another password, and nobody, get the same of ${here} as of the other`, async () => {
    const visitor = new Visitor()
    const form = { username: 'ada', password: 'nanoseconds' }
    assert.equal((await visitor.submit(`${servers[here].url}/login`, form)).status, 401)
    assert.equal((await visitor.submit(`${servers[here].url}/count`, {})).status, 401)
    assert.deepEqual(visitor.header(), {})
  })

  test(`a login at ${here} gives another id than the one before it`, async () => {
    const visitor = await signedIn(here, 'grace')
    const old = visitor.clone()
    await login(here, visitor, 'ada')
    for (const side of SIDES) {
      assert.deepEqual(await me(side, visitor), { user: 'ada', count: 0 })
      assert.equal((await me(side, old)).user, null)
    }
  })
}

async function signedIn (side, user) {
  const visitor = new Visitor()
  await login(side, visitor, user)
  return visitor
}

async function login (side, visitor, username) {
  const password = { ada: 'analytical-engine', grace: 'nanoseconds' }[username]
  assert.equal((await visitor.submit(`${servers[side].url}/login`, { username, password })).status, 200)
}

async function me (side, visitor) {
  return (await visitor.fetch(`${servers[side].url}/me`)).json()
}

async function admin (side, visitor) {
  const response = await visitor.fetch(`${servers[side].url}/admin`)
  const text = await response.text()
  return [response.status, response.status === 200 ? JSON.parse(text) : text]
}
