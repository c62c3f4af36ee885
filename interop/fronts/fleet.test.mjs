// Two processes behind nginx, restarted one after the other under load: nobody notices.

import assert from 'node:assert/strict'
import { Agent, request as httpRequest } from 'node:http'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { SIDES, startNginx } from './nginx.mjs'
import { freePort, PASSWORDS, startExample, startRedis, Visitor, withAll } from './support.mjs'

const RATE = 200
/** nginx asks the other process where one cannot be reached: a step that was sent is not sent twice. */
const RETRY = 'error timeout'
const CLIENTS = 9
/** So many at once from one client, half of them steps: they meet in one session, on both processes. */
const BURST = 4
const DURATION_MS = 10_000
/** Longer than nginx takes to hear of it; what it has sent by then is waited for. */
const DRAIN_MS = 300
/** How long a process is away, as one is that loads another version. */
const AWAY_MS = 200

let redis

before(async () => { redis = await startRedis() })
after(() => redis?.stop())

test('a rolling restart fails no request, ends no session and loses no step', async t => {
  await underLoad(t, RETRY, async ({ fleet, load }) => {
    let restarts = 0
    while (load.elapsed() < DURATION_MS || restarts < 4) {
      const side = restarts++ % 2
      fleet.nginx.drain(SIDES[side])
      await sleep(DRAIN_MS)
      await load.answered()
      await fleet.restart(side, 'stop')
      fleet.nginx.serve(SIDES[side])
      await sleep(DRAIN_MS)
    }
    return ({ sent, failures }) => {
      t.diagnostic(`${restarts} restarts`)
      assert.deepEqual(failures, [])
      assert.ok(sent > RATE, `${sent} requests`)
    }
  })
})

// nginx takes what it cannot reach out of service, for ten seconds and after it is back, until none is
// left. Told never to (`max_fails=0`), it fails the POSTs that it sent on a connection as it closed.
test('control: the same restart fails requests where nginx is not told before', async t => {
  await underLoad(t, RETRY, async ({ fleet }) => {
    for (const side of [0, 1, 0, 1]) {
      await fleet.restart(side, 'stop')
      await sleep(DRAIN_MS)
    }
    return ({ failures }) => assert.ok(failures.length > 0)
  })
})

test('control: so does a crash that nginx does not route around', async t => {
  await underLoad(t, 'off', async ({ fleet }) => {
    await sleep(DRAIN_MS)
    for (const side of [0, 1]) await fleet.restart(side, 'kill')
    await sleep(DRAIN_MS)
    return ({ failures }) => assert.ok(failures.length > 0)
  })
})

test('what has begun is answered after SIGTERM, and nothing begins', async () => {
  await withAll(async own => {
    const process = await own(startExample('fleet', redis.url))
    const form = new URLSearchParams({ username: 'ada', password: PASSWORDS.ada }).toString()
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': form.length }
    const request = httpRequest(`${process.url}/login`, { method: 'POST', headers })
    const answered = new Promise((resolve, reject) => request.once('response', resolve).once('error', reject))
    request.write(form.slice(0, 5))
    await sleep(200)
    const stopped = process.stop()
    await sleep(200)
    await assert.rejects(fetch(`${process.url}/me`))
    request.end(form.slice(5))
    const response = await answered
    assert.equal(response.statusCode, 200)
    assert.equal(response.headers['set-cookie'].length, 1)
    response.resume()
    await stopped
  })
})

/** Does `story` to a fleet under load; it answers with what to make of what became of the requests. */
async function underLoad (t, retry, story) {
  await withAll(async own => {
    const fleet = await startFleet(own, retry)
    const load = startLoad(await signedIn(fleet.nginx))
    const judge = await story({ fleet, load })
    const outcome = await load.end()
    const { sent, seconds, failures, clients } = outcome
    t.diagnostic(`${sent} requests in ${seconds.toFixed(1)} s, ${failures.length} failed: ${[...new Set(failures)]}`)
    judge(outcome)
    for (const client of clients) {
      // Not through nginx, which may take both for dead.
      const { user, count } = await client.me(fleet.direct())
      assert.equal(user, client.user, 'nobody was signed out')
      assert.ok(client.acknowledged > 0)
      // A step that failed on the way back was made all the same.
      assert.ok(count >= client.acknowledged, `${count} of ${client.acknowledged} steps`)
      assert.ok(count <= client.acknowledged + client.failed, `${count} of ${client.acknowledged} steps`)
    }
  })
}

/** Two processes, and nginx before them. */
async function startFleet (own, retry) {
  const ports = [await freePort(), await freePort()]
  const start = side => startExample('fleet', redis.url, ['--addr', `127.0.0.1:${ports[side]}`])
  const processes = [await start(0), await start(1)]
  for (const side of [0, 1]) await own({ stop: () => processes[side].stop() })
  const nginx = await own(startNginx(ports, retry))
  const restart = async (side, how) => {
    await processes[side][how]()
    await sleep(AWAY_MS)
    processes[side] = await start(side)
  }
  return { nginx, restart, direct: () => processes[0].url }
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
  agent = new Agent({ keepAlive: true, maxSockets: BURST })

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

  async me (url) {
    return (await this.send('GET', '/me', url)).body
  }

  send (method, path, url = this.url) {
    const { agent, visitor } = this
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

/** `RATE` requests a second, until it is told to end: bursts, each client in turn. */
function startLoad (clients) {
  const begin = performance.now()
  const elapsed = () => performance.now() - begin
  const failures = []
  const pending = new Set()
  let sent = 0
  const send = () => {
    const client = clients[Math.floor(sent / BURST) % clients.length]
    const asked = client.ask(sent++ % 2 === 0).then(failure => {
      pending.delete(asked)
      if (failure !== undefined) failures.push(failure)
    })
    pending.add(asked)
  }
  // Timers are late now and then: what is due is sent.
  const timer = setInterval(() => {
    while (sent + BURST <= elapsed() * RATE / 1000) {
      for (let index = 0; index < BURST; index++) send()
    }
  }, 5)
  return {
    elapsed,
    /** Once all that was sent by now is answered. */
    answered: () => Promise.all([...pending]),
    end: async () => {
      clearInterval(timer)
      const seconds = elapsed() / 1000
      await Promise.all(pending)
      return { sent, seconds, failures, clients }
    }
  }
}
