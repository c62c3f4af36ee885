// Two sides, two users, one browser: whatever the order in which they sign in and out, on whichever side.
//
// Sequences of up to four steps, each from every session that steps before it can leave behind: what lies in
// the store says what may come of it, so that of two sequences which leave the same, one goes on.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { createClient } from 'redis'

import { startExpress } from './express.mjs'
import { startExample, startRedis, Visitor } from './support.mjs'

const STEPS = 4
const USERS = ['ada', 'grace']

let redis, client, rust
const expresses = {}

before(async () => {
  redis = await startRedis()
  client = await createClient({ url: redis.url }).connect()
  rust = await startExample('fleet', redis.url)
  expresses.regenerates = await startExpress(redis.url)
  expresses.keeps = await startExpress(redis.url, { keepSessionInfo: true })
})

after(async () => {
  client?.destroy()
  for (const server of [...Object.values(expresses), rust, redis]) await server?.stop()
})

/** A step: what is done, at which side, and whether it puts an end to the id of before. */
const ACTIONS = [
  ...USERS.flatMap(user => [
    { name: `rust login ${user}`, user, side: 'rust', closes: true },
    { name: `express login ${user}`, user, side: 'express', closes: true }
  ]),
  { name: 'rust logout', side: 'rust', path: '/logout', closes: true },
  { name: 'rust logout_keeping', side: 'rust', path: '/forget', closes: true },
  { name: 'rust password change', side: 'rust', path: '/password' },
  { name: 'express logout', side: 'express', path: '/logout', closes: true },
  { name: 'express delete userId', side: 'express', path: '/drop-user-id' },
  { name: 'express passport = {}', side: 'express', path: '/empty-passport' },
  { name: 'express user = null', side: 'express', path: '/null-user' }
]

for (const mode of ['regenerates', 'keeps']) {
  test(`nobody is taken for another, where Express ${mode} the data of the session`, { timeout: 300_000 }, async t => {
    const sides = { rust, express: expresses[mode] }
    const seen = new Set()
    let open = [[]]
    let played = 0
    for (let length = 1; length <= STEPS; length++) {
      const next = []
      for (const sequence of open) {
        for (const action of ACTIONS) {
          const longer = [...sequence, action]
          const state = await play(longer, sides, mode)
          played++
          if (!seen.has(state)) next.push(longer)
          seen.add(state)
        }
      }
      open = next
    }
    t.diagnostic(`${played} sequences, ${seen.size} sessions`)
    assert.ok(seen.size >= 8, `${seen.size}: the steps do nothing`)
  })
}

test('roles that Express keeps for another user open no guard', async () => {
  const visitor = new Visitor()
  await visitor.login(rust, 'ada')
  await visitor.login(expresses.keeps, 'grace')
  await visitor.submit(`${expresses.keeps.url}/drop-user-id`, {})
  assert.equal((await visitor.fetch(`${rust.url}/admin`)).status, 403)
})

test('the check itself sees two people, a former user and a guard that is open', async () => {
  const sides = { rust, express: expresses.regenerates }
  const [one, other] = [new Visitor(), new Visitor()]
  await one.login(sides.rust, 'ada')
  await other.login(sides.express, 'grace')
  await assert.rejects(look(sides, one, other).then(judge), /two people/)
  await assert.rejects(look(sides, one, new Visitor()).then(judge), /express names nobody/)
  const of = { rust: 'grace', express: 'grace', isPrivate: 'grace', isAdmin: null, note: undefined }
  judge(of)
  assert.throws(() => judge({ ...of, note: 'ada' }), /former/)
  assert.throws(() => judge({ ...of, isPrivate: 'ada' }), /guard/)
  assert.throws(() => judge({ ...of, isAdmin: 'grace' }), /role/)
})

/** Plays a sequence, judges what it leaves, and ends it; what lies in the store then. */
async function play (sequence, sides, mode) {
  const label = sequence.map(action => action.name).join(', ')
  const visitor = new Visitor()
  let old
  for (const action of sequence) {
    old = visitor.clone()
    await act(action, sides[action.side], visitor, label)
  }
  const last = sequence.at(-1)
  const found = await look(sides, visitor)
  // What `keepSessionInfo` keeps of another user, Express keeps on purpose, and shows it as the next
  // user's itself; a login here does not. Of the roles among it see the test below.
  const carries = mode === 'keeps' && last.name !== `rust login ${last.user}`
  try {
    judge(carries ? { ...found, note: undefined, isAdmin: null } : found)
    if (last.user !== undefined && last.side === 'rust') assert.equal(found.rust, last.user, 'who signed in is in')
    if (last.path === '/logout' || last.path === '/forget') assert.equal(found.rust, null, 'who signed out is in')
    if (last.closes && idOf(old) !== undefined && idOf(old) !== idOf(visitor)) {
      for (const server of Object.values(sides)) assert.equal(await who(server, old), null, 'the old cookie is somebody')
    }
    const state = await stateOf(visitor)
    if (found.rust !== null || found.express !== null) await endEverywhere(sides, visitor)
    return state
  } catch (error) {
    error.message = `${label}: ${error.message}: ${JSON.stringify(found)}`
    throw error
  }
}

async function act (action, server, visitor, label) {
  if (action.user === undefined) {
    const { status } = await visitor.submit(server.url + action.path, {})
    assert.ok(status < 300, `${label}: ${action.name}: ${status}`)
    return
  }
  assert.equal((await visitor.login(server, action.user)).status, 200, `${label}: ${action.name}`)
  await visitor.submit(`${server.url}/note`, {})
}

/** What both sides say of a visitor; the control has one of them look at another. */
async function look ({ rust, express }, visitor, there = visitor) {
  const passes = async path => {
    const response = await visitor.fetch(rust.url + path)
    return response.status === 200 ? (await response.json()).user : null
  }
  const { note } = await (await there.fetch(`${express.url}/data`)).json()
  return {
    rust: await who(rust, visitor),
    express: await who(express, there),
    isPrivate: await passes('/private'),
    isAdmin: await passes('/admin'),
    note
  }
}

function judge ({ rust, express, isPrivate, isAdmin, note }) {
  if (rust !== null) {
    assert.notEqual(express, null, 'express names nobody, rust somebody')
    assert.equal(rust, express, 'the sides name two people')
  }
  for (const passed of [isPrivate, isAdmin]) {
    if (passed !== null) assert.equal(passed, express, 'a guard lets in whom Express does not name')
  }
  assert.ok(isAdmin === null || isAdmin === 'ada', 'a role that is another user\'s')
  if (express !== null) assert.ok(note === undefined || note === express, 'the data of a former user')
}

/** Whoever either side names signs out everywhere, and is nobody on both. */
async function endEverywhere (sides, visitor) {
  for (const user of USERS) {
    const elsewhere = new Visitor()
    assert.equal((await elsewhere.login(sides.rust, user)).status, 200)
    assert.equal((await elsewhere.submit(`${sides.rust.url}/everywhere`, {})).status, 200)
  }
  for (const server of Object.values(sides)) assert.equal(await who(server, visitor), null, 'somebody after everywhere')
}

async function who (server, visitor) {
  const response = await visitor.fetch(`${server.url}/me`)
  return response.status === 200 ? (await response.json()).user : null
}

function idOf (visitor) {
  const value = decodeURIComponent(visitor.header().cookie ?? '')
  return value.match(/=s:([^.]+)\./)?.[1]
}

/** What lies in the store, without what no step depends on: times, and what stands for a user by a secret. */
async function stateOf (visitor) {
  const id = idOf(visitor)
  const text = id === undefined ? null : await client.get(`sess:${id}`)
  if (text === null) return 'nothing'
  const { cookie, _ck: stamp, ...data } = JSON.parse(text)
  const noted = Object.entries(stamp ?? {}).filter(([, value]) => typeof value === 'string')
  return JSON.stringify([Object.entries(data).sort(), noted.sort()])
}
