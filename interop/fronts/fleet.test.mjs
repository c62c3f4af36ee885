// Two processes behind nginx, restarted one after the other under load: nobody notices.

import assert from 'node:assert/strict'
import { Agent, request as httpRequest } from 'node:http'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { startNginx } from './nginx.mjs'
import { freePort, PASSWORDS, startExample, startRedis, Visitor, withAll } from './support.mjs'

const RATE = 200
const CLIENTS = 9
const DURATION_MS = 10_000
/** Longer than any request takes that nginx has sent by then. */
const DRAIN_MS = 300

let redis

before(async () => { redis = await startRedis() })
after(() => redis?.stop())

test('a rolling restart fails no request, ends no session and loses no step', async t => {
  await withAll(async own => {
    const fleet = await startFleet(own, 'error timeout')
    const load = startLoad(await signedIn(fleet.nginx))
    let restarts = 0
    while (load.elapsed() < DURATION_MS) {
      const side = restarts++ % 2
      fleet.nginx.drain(fleet.names[side])
      await sleep(DRAIN_MS)
      await fleet.restart(side, 'stop')
      fleet.nginx.serve(fleet.names[side])
      await sleep(DRAIN_MS)
    }
    const { sent, seconds, failures, clients } = await load.end()
    t.diagnostic(`${restarts} restarts, ${sent} requests in ${seconds.toFixed(1)} s, ${failures.length} failed`)
    assert.deepEqual(failures, [])
    assert.ok(restarts >= 4, `${restarts} restarts`)
    assert.ok(sent / seconds > RATE * 0.95, `${sent} requests in ${seconds} s`)
    for (const client of clients) {
      assert.ok(client.acknowledged > 0)
      assert.deepEqual(await client.me(), { user: client.user, count: client.acknowledged })
    }
  })
})

test('control: a crash that nginx does not route around fails requests, and still loses no step', async t => {
  await withAll(async own => {
    const fleet = await startFleet(own, 'off')
    const load = startLoad(await signedIn(fleet.nginx))
    await sleep(500)
    await fleet.restart(0, 'kill')
    await sleep(500)
    const { failures, clients } = await load.end()
    t.diagnostic(`${failures.length} requests failed: ${[...new Set(failures)].join(', ')}`)
    assert.ok(failures.length > 0)
    // Those that failed on the way back were made all the same: never fewer than was acknowledged.
    for (const client of clients) {
      const { user, count } = await client.me()
      assert.equal(user, client.user)
      assert.ok(count >= client.acknowledged, `${count} of ${client.acknowledged}`)
      assert.ok(count <= client.acknowledged + client.failed, `${count} of ${client.acknowledged}`)
    }
  })
})

/** Two processes, and nginx before them. */
async function startFleet (own, retry) {
  const ports = [await freePort(), await freePort()]
  const start = side => startExample('fleet', redis.url, ['--addr', `127.0.0.1:${ports[side]}`])
  const processes = [await start(0), await start(1)]
  for (const side of [0, 1]) await own({ stop: () => processes[side].stop() })
  const nginx = await own(startNginx(ports, retry))
  const restart = async (side, how) => {
    await processes[side][how]()
    processes[side] = await start(side)
  }
  return { nginx, restart, names: ['first', 'second'] }
}

/** Clients with a session each, and connections that they keep. */
async function signedIn (nginx) {
  const users = Object.keys(PASSWORDS)
  return Promise.all(Array.from({ length: CLIENTS }, async (_, index) => {
    const user = users[index % users.length]
    const visitor = new Visitor()
    assert.equal((await visitor.login(nginx, user)).status, 200)
    return new Client(nginx.url, user, visitor)
  }))
}

class Client {
  acknowledged = 0
  failed = 0
  agent = new Agent({ keepAlive: true, maxSockets: 4 })

  constructor (url, user, visitor) {
    Object.assign(this, { url, user, visitor })
  }

  /** Asks who is signed in, or makes a step; `undefined`, or what went wrong. */
  async ask (isStep) {
    const { status, body } = await this.send(isStep ? 'POST' : 'GET', isStep ? '/count' : '/me')
    if (isStep && status === 200) this.acknowledged++
    if (isStep && status !== 200) this.failed++
    if (status !== 200) return `${isStep ? 'POST' : 'GET'} ${status}`
    if (!isStep && body.user !== this.user) return `${body.user} instead of ${this.user}`
  }

  async me () {
    return (await this.send('GET', '/me')).body
  }

  send (method, path) {
    const { agent, url, visitor } = this
    return new Promise(resolve => {
      const request = httpRequest(url + path, { method, agent, headers: visitor.header() }, async response => {
        try {
          let text = ''
          for await (const part of response) text += part
          const body = response.statusCode === 200 ? JSON.parse(text) : undefined
          resolve({ status: response.statusCode, body })
        } catch (error) {
          resolve({ status: error.code ?? error.message })
        }
      })
      request.once('error', error => resolve({ status: error.code }))
      request.end()
    })
  }
}

/** `RATE` requests a second, until it is told to end; each client in turn, every other one a step. */
function startLoad (clients) {
  const begin = performance.now()
  const elapsed = () => performance.now() - begin
  const failures = []
  const pending = new Set()
  let sent = 0
  const send = () => {
    const client = clients[sent % clients.length]
    const asked = client.ask(sent++ % 2 === 0).then(failure => {
      pending.delete(asked)
      if (failure !== undefined) failures.push(failure)
    })
    pending.add(asked)
  }
  // Timers are late now and then: what is due is sent.
  const timer = setInterval(() => { while (sent < elapsed() * RATE / 1000) send() }, 5)
  return {
    elapsed,
    end: async () => {
      clearInterval(timer)
      const seconds = elapsed() / 1000
      await Promise.all(pending)
      return { sent, seconds, failures, clients }
    }
  }
}
