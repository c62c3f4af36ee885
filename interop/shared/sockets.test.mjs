// socket.io's own client: it has the session of its handshake, over either transport, until that ends.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { createClient } from 'redis'
import { io } from 'socket.io-client'

import { startPace } from '../pace.mjs'
import { startLab, stores, Visitor } from './labs.mjs'

const [, url] = stores().find(([name]) => name === 'redis')

/** Runs `body` with two servers on one Redis. */
async function withTwo (body) {
  const servers = await Promise.all([startLab('sockets', url), startLab('sockets', url)])
  try {
    await body(...servers)
  } finally {
    await Promise.all(servers.map(server => server.stop()))
  }
}

async function signIn (server, user) {
  const visitor = new Visitor()
  const response = await visitor.fetch(server, `/login/${user}`, { method: 'POST' })
  assert.equal(response.status, 200)
  return visitor
}

const cookieOf = visitor => [...visitor.cookies].map(([name, value]) => `${name}=${value}`).join('; ')

/** A connected client; `heard` resolves with what it is told at the end. Rejects where it is refused. */
async function connect (server, transport, headers) {
  const socket = io(server.url, { transports: [transport], extraHeaders: headers, reconnection: false, forceNew: true, ackTimeout: 5000 })
  const heard = new Promise(resolve => {
    let said = null
    socket.on('session_ended', event => { said = event })
    socket.on('disconnect', reason => resolve({ said, reason, at: performance.now() }))
  })
  await new Promise((resolve, reject) => {
    socket.on('connect', resolve)
    socket.on('connect_error', error => {
      socket.disconnect()
      reject(error)
    })
  })
  return { socket, heard }
}

let users = 0
const newUser = () => `user-${process.pid}-${users++}`

for (const transport of ['websocket', 'polling']) {
  test(`${transport}: the session of the handshake is there`, async () => {
    await withTwo(async here => {
      const user = newUser()
      const visitor = await signIn(here, user)
      const { socket } = await connect(here, transport, { cookie: cookieOf(visitor) })
      assert.equal(socket.io.engine.transport.name, transport)
      assert.equal(await socket.emitWithAck('who'), user)
      socket.disconnect()
      await assert.rejects(connect(here, transport, {}), /nobody is signed in/)
    })
  })

  test(`${transport}: another site's page gets no session`, async () => {
    await withTwo(async here => {
      const cookie = cookieOf(await signIn(here, newUser()))
      const foreign = connect(here, transport, { cookie, origin: 'https://evil.example' })
      await assert.rejects(foreign, /opened by another site/)
      const own = await connect(here, transport, { cookie, origin: here.url })
      await own.socket.emitWithAck('who')
      own.socket.disconnect()
    })
  })

  test(`${transport}: a session ended by another process disconnects within a second`, async t => {
    await withTwo(async (here, there) => {
      for (const end of ['logout', 'logout-everywhere', 'login']) {
        const user = newUser()
        const visitor = await signIn(here, user)
        const { socket, heard } = await connect(here, transport, { cookie: cookieOf(visitor) })
        await sleep(700)
        assert.equal(socket.connected, true)
        await visitor.fetch(there, end === 'logout' ? '/logout' : `/${end}/${user}`, { method: 'POST' })
        const [since, pace] = [performance.now(), await startPace()]
        const { said, reason, at } = await Promise.race([heard, sleep(60_000, { reason: 'nothing' }, { ref: false })])
        t.diagnostic(`${transport}, ${end}: disconnected after ${Math.round(at - since)} ms`)
        assert.equal(reason, 'io server disconnect')
        assert.deepEqual(said, { code: 4401, reason: 'session ended' })
        const bound = await pace.allows(1000)
        assert.ok(at - since < bound, `${at - since} ms of ${bound}`)
        pace.stop()
        socket.disconnect()
      }
    })
  })
}

test('polling: a handshake is one read, a poll costs nothing, and neither sets a cookie', async t => {
  const watcher = await createClient({ url }).connect()
  try {
    await withTwo(async here => {
      const visitor = await signIn(here, newUser())
      const sid = decodeURIComponent([...visitor.cookies.values()][0]).slice(2).split('.')[0]
      const commands = []
      await watcher.monitor(line => { if (line.includes(`sess:${sid}`)) commands.push(line.match(/"(\w+)"/)[1].toUpperCase()) })
      const set = []
      const send = async (query, body) => {
        const method = body === undefined ? 'GET' : 'POST'
        const response = await visitor.fetch(here, `/socket.io/?EIO=4&transport=polling${query}`, { method, body })
        assert.equal(response.status, 200)
        set.push(...response.headers.getSetCookie())
        return await response.text()
      }
      const open = JSON.parse((await send('')).slice(1))
      const own = `&sid=${open.sid}`
      await send(own, '40')
      // The server's first ping may come along; what is in one poll is parted by U+001E.
      const poll = async () => {
        const packets = (await send(own)).split('\x1e').filter(packet => packet !== '2')
        return packets.length > 0 ? packets : await poll()
      }
      assert.match((await poll())[0], /^40/)
      // Whoever waits for its end asks whether it lives.
      const asked = () => commands.filter(command => command !== 'PTTL')
      await sleep(300)
      assert.deepEqual(asked(), ['GET'])
      for (let n = 0; n < 20; n++) {
        await send(own, `42${n}["echo","x"]`)
        assert.deepEqual(await poll(), [`43${n}["x"]`])
      }
      await sleep(300)
      assert.deepEqual(asked(), ['GET'])
      assert.deepEqual(set, [])
      t.diagnostic(`20 events and 20 polls: ${commands.length} commands on the session: ${commands.join(' ')}`)
      // The control: a request that asks for its session is seen.
      await visitor.fetch(here, '/me')
      await sleep(100)
      assert.deepEqual(asked(), ['GET', 'GET'])
    })
  } finally {
    watcher.destroy()
  }
})
