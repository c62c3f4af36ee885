// Two demo shops on one Redis: what socket.io's own client and a thousand WebSockets see of a logout at
// the other shop.

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { startPace } from '../pace.mjs'
import { fromHere, ready, SECRET, startRedis, temporary } from './support.mjs'

// What the package above has installed for its own tests.
const { io } = createRequire(fromHere('../package.json'))('socket.io-client')
const { WebSocket } = createRequire(fromHere('./package.json'))('ws')

const DEMO = process.env.CLOAKROOM_BIN ?? fromHere('../../target/debug/cloakroom')
const SOCKETS = 1000
const AT_ONCE = 50
const FORM = { 'content-type': 'application/json', accept: 'application/json', 'sec-fetch-site': 'same-origin' }

let redis, folder, shops

before(async () => {
  redis = await startRedis()
  folder = temporary()
  shops = [await openShop(), await openShop()]
})

after(async () => {
  for (const server of [...(shops ?? []), redis]) await server?.stop()
  folder?.remove()
})

for (const transport of ['polling', 'websocket']) {
  test(`socket.io by ${transport} has the session, and ends with it within a second`, async () => {
    const [here, there] = shops
    const cookie = await signIn(there)
    await send(here, '/cart', cookie, { sku: 'wool-scarf', qty: 2 })
    const socket = connect(here, transport, { cookie })
    assert.deepEqual(await said(socket, 'session'), { userId: 'ada', cart: { 'wool-scarf': 2 }, count: 2 })
    assert.deepEqual(await socket.emitWithAck('me'), { userId: 'ada', roles: ['user'] })
    const told = said(socket, 'session_ended')
    const gone = said(socket, 'disconnect')
    const pace = await startPace()
    await send(there, '/logout', cookie)
    assert.deepEqual(await told, { code: 4401, reason: 'session ended' })
    assert.equal(await gone, 'io server disconnect')
    const took = Math.round(pace.took())
    console.log(`  ${transport}: over after ${took} ms`)
    const bound = await pace.allows(1000)
    assert.ok(took < bound, `${took} ms of ${bound}`)
    pace.stop()
  })

  test(`another site opens no socket.io by ${transport}`, async () => {
    const [here, there] = shops
    const cookie = await signIn(there)
    const socket = connect(here, transport, { cookie, origin: 'https://evil.example' })
    await said(socket, 'connect_error')
    socket.close()
  })
}

test('polling costs no write', async () => {
  const [here, there] = shops
  const cookie = await signIn(there)
  const socket = connect(here, 'polling', { cookie })
  await said(socket, 'session')
  const before = await writes()
  for (let n = 0; n < 20; n++) await socket.emitWithAck('me')
  assert.equal(await writes() - before, 0)
  socket.close()
})

test(`${SOCKETS} open WebSockets of one user are closed within two seconds`, async () => {
  const [here, there] = shops
  // A session may hold 64 sockets, so that this is a user with a device for every batch.
  const sockets = []
  let cookie
  while (sockets.length < SOCKETS) {
    cookie = await signIn(there)
    sockets.push(...await Promise.all(Array.from({ length: AT_ONCE }, () => open(here, cookie))))
  }
  const closes = sockets.map(socket => new Promise(resolve => {
    socket.once('close', (code, reason) => resolve(`${code} ${reason}`))
  }))
  const pace = await startPace()
  const answer = await send(there, '/logout-all', cookie)
  assert.ok((await answer.json()).ended >= SOCKETS / AT_ONCE)
  const codes = new Set(await Promise.all(closes))
  const took = Math.round(pace.took())
  console.log(`  ${SOCKETS} closed after ${took} ms`)
  assert.deepEqual([...codes], ['4401 session ended'])
  const bound = await pace.allows(2000)
  assert.ok(took < bound, `${took} ms of ${bound}`)
  pace.stop()
})

/** A shop on the test's Redis. */
function openShop () {
  const words = ['demo', '--addr', '127.0.0.1:0', '--data-dir', folder.path]
  const env = { ...process.env, NO_COLOR: '1', SESSION_STORE: redis.url, SESSION_SECRET: SECRET }
  return ready(DEMO, words, { env }, /open +(http\S+)/)
}

async function signIn (shop) {
  const answer = await send(shop, '/login', '', { username: 'ada', password: 'analytical-engine' })
  return answer.headers.get('set-cookie').split(';')[0]
}

async function send (shop, path, cookie, body) {
  const answer = await fetch(shop.url + path, { method: 'POST', headers: { ...FORM, cookie }, body: body && JSON.stringify(body) })
  assert.ok(answer.ok, `${path}: ${answer.status}`)
  return answer
}

function connect (shop, transport, extraHeaders) {
  return io(shop.url, { transports: [transport], extraHeaders, forceNew: true, reconnection: false })
}

function said (socket, event) {
  const late = sleep(60_000, null, { ref: false }).then(() => assert.fail(`no ${event} in a minute`))
  return Promise.race([new Promise(resolve => socket.once(event, resolve)), late])
}

/** A WebSocket that was told the cart. */
function open (shop, cookie) {
  const socket = new WebSocket(`${shop.url.replace('http', 'ws')}/ws`, { headers: { cookie } })
  return new Promise((resolve, reject) => {
    socket.once('message', () => resolve(socket))
    socket.once('error', reject)
  })
}

/** How many commands that write have reached Redis. */
async function writes () {
  const { createClient } = createRequire(fromHere('../package.json'))('redis')
  const client = await createClient({ url: redis.url }).connect()
  const stats = await client.info('commandstats')
  await client.close()
  const count = name => Number(stats.match(new RegExp(`cmdstat_${name}:calls=(\\d+)`))?.[1] ?? 0)
  return ['set', 'del', 'pexpire', 'expire', 'evalsha', 'eval', 'sadd'].map(count).reduce((sum, n) => sum + n)
}
