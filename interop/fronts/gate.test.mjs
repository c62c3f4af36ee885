// `cloakroom gate` before a real Express application that shares the session, before a real Next.js that knows
// nothing of it, and before services that verify its tokens with jose.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { request as httpRequest } from 'node:http'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { base64url, createLocalJWKSet, createRemoteJWKSet, decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair, jwtVerify, SignJWT } from 'jose'
import { WebSocket } from 'ws'

import { startExpress } from './express.mjs'
import { startRecorder } from './recorder.mjs'
import { freePort, fromHere, PASSWORDS, ready, SECRET, startRedis, temporary, Visitor } from './support.mjs'

const PROGRAM = process.env.CLOAKROOM_BIN ?? fromHere('../../target/debug/cloakroom')
const APP = fromHere('../next')
const NEXT = fromHere('../next/node_modules/next/dist/bin/next')
const ENV = { ...process.env, NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: 'production' }
const TERMS = { issuer: 'cloakroom-gate', audience: 'shop', algorithms: ['EdDSA'] }

const EXPRESS_RULES = `
login = "/login"
cookie = "pass"
audience = "shop"

[[route]]
path = "/login"
public = true
methods = ["GET", "POST"]

[[route]]
path = "/admin/{*rest}"
require = { role = "admin" }

[[route]]
path = "/socket"
cookie = "strip"
`

const NEXT_RULES = `
[[route]]
path = "/_next/static/{*rest}"
public = true

[[route]]
path = "/slow"
require = { user = ["ada", "grace"] }
`

let folder, redis, express, recorder, gates, next, nextRecorder, nextGate

before(async () => {
  execFileSync(process.execPath, [NEXT, 'build'], { cwd: APP, env: ENV, stdio: 'pipe' })
  folder = temporary()
  redis = await startRedis()
  express = await startExpress(redis.url)
  recorder = await startRecorder(new URL(express.url).port)
  // Two replicas with the same keys, which they use for no longer than a test takes.
  const keys = ['--keys', join(folder.path, 'keys.json'), '--rotate-every', '16s', '--key-notice', '15s']
  gates = [await startGate('express', EXPRESS_RULES, recorder.url, keys), await startGate('express', EXPRESS_RULES, recorder.url, keys)]
  const port = await freePort()
  next = await ready(process.execPath, [NEXT, 'start', '--hostname', '127.0.0.1', '--port', String(port)], { cwd: APP, env: ENV }, /Ready in/)
  nextRecorder = await startRecorder(port)
  nextGate = await startGate('next', NEXT_RULES, nextRecorder.url, [])
})

after(async () => {
  for (const server of [nextGate, nextRecorder, next, ...(gates ?? []), recorder, express, redis]) await server?.stop()
  folder?.remove()
})

beforeEach(() => {
  recorder.forget()
  nextRecorder.forget()
})

async function startGate (name, rules, upstream, more) {
  const file = join(folder.path, `${name}.toml`)
  writeFileSync(file, rules)
  const words = ['gate', '--addr', '127.0.0.1:0', '--upstream', upstream, '--rules', file, '--store', redis.url, '--mixed-fleet', ...more]
  return ready(PROGRAM, words, { env: { ...process.env, SESSION_SECRET: SECRET } }, /^listening on (.*)$/)
}

async function signedIn (user = 'ada', gate = gates[0]) {
  const visitor = new Visitor()
  const answer = await visitor.submit(`${gate.url}/login`, { username: user, password: PASSWORDS[user] })
  assert.deepEqual(await answer.json(), { user })
  recorder.forget()
  return visitor
}

test('before Express: who is signed out reaches the login and nothing else', async () => {
  const visitor = new Visitor()
  const { url } = gates[0]
  // Node's fetch is a script's request, which is not redirected.
  const page = await raw(url, '/me?a=1', { accept: 'text/html' })
  assert.deepEqual(page, { status: 303, location: '/login?next=/me%3Fa%3D1' })
  for (const path of ['/me', '/data', '/admin/x', '/LOGIN', '/Me', '/nothing']) {
    assert.equal((await visitor.fetch(url + path)).status, 401, path)
    assert.equal((await visitor.submit(url + path, {})).status, 401, path)
  }
  for (const path of ['/login/../me', '/login/%2e%2e/me', '//me', '/%6de', '/me;a=1', '/login%2f..%2fme']) {
    assert.equal((await raw(url, path)).status, 400, path)
  }
  assert.deepEqual(recorder.requests, [])
  assert.equal((await visitor.submit(`${url}/login`, { username: 'ada', password: 'wrong' })).status, 401)
  assert.equal(recorder.requests.length, 1)
})

test('before Express: its own login, its own session, and the same user on both sides', async () => {
  const visitor = await signedIn()
  const { url } = gates[0]
  const me = await visitor.fetch(`${url}/me`, { headers: { 'x-session-user': 'eve', x_session_user: 'eve' } })
  assert.deepEqual(await me.json(), { user: 'ada' })
  const [seen] = recorder.requests
  assert.equal(seen.headers['x-session-user'], 'ada')
  assert.equal(seen.headers['x_session_user'], undefined)
  assert.match(seen.headers.cookie, /connect\.sid=/)
  assert.equal((await visitor.submit(`${url}/note`, {}, { origin: url })).status, 204)
  assert.equal((await (await visitor.fetch(`${url}/data`)).json()).note, 'ada')
  recorder.forget()
  // A role that nobody has given.
  assert.equal((await visitor.page(`${url}/admin/x`)).status, 403)
  assert.equal((await visitor.page(`${url}/ADMIN/x`)).status, 403)
  assert.deepEqual(recorder.requests, [])
  // Express signs out; the other replica knows.
  const old = visitor.clone()
  assert.equal((await visitor.submit(`${url}/logout`, {}, { origin: url })).status, 204)
  recorder.forget()
  for (const gate of gates) assert.equal((await old.fetch(`${gate.url}/me`)).status, 401)
  assert.deepEqual(recorder.requests, [])
})

test('a WebSocket passes and is cut once Express has signed its user out', async () => {
  const [one, other] = [await signedIn('ada'), await signedIn('grace')]
  const { url } = gates[0]
  const sockets = [one, other].map(visitor =>
    new WebSocket(`${url.replace('http', 'ws')}/socket`, { headers: { ...visitor.header(), origin: url } }))
  const greetings = await Promise.all(sockets.map(socket => new Promise((resolve, reject) => {
    socket.once('message', data => resolve(data.toString()))
    socket.once('error', reject)
  })))
  assert.deepEqual(greetings, ['hello ada', 'hello grace'])
  assert.equal(recorder.requests[0].headers.cookie, undefined)
  await sleep(1500)
  const closed = new Promise(resolve => sockets[0].once('close', resolve))
  const begun = Date.now()
  assert.equal((await one.submit(`${url}/logout`, {}, { origin: url })).status, 204)
  await Promise.race([closed, sleep(15_000, null, { ref: false }).then(() => assert.fail('the socket stays open'))])
  console.log(`cut ${Date.now() - begun} ms after the logout was sent`)
  assert.equal(sockets[1].readyState, WebSocket.OPEN)
  sockets[1].close()
})

test('before Next: signed out nothing reaches it, signed in it is told by nobody else', async () => {
  const { url } = nextGate
  const nobody = new Visitor()
  for (const path of ['/', '/slow', '/api/hello', '/_next/image?url=%2Fx']) {
    assert.equal((await nobody.page(url + path)).status, 401, path)
  }
  const bypass = { 'x-middleware-subrequest': 'middleware:middleware:middleware', 'x-middleware-rewrite': '/api/hello' }
  assert.equal((await nobody.page(url, bypass)).status, 401)
  assert.deepEqual(nextRecorder.requests, [])

  const visitor = await signedIn('ada')
  const page = await visitor.page(url, { ...bypass, 'x-session-user': 'eve' })
  assert.equal(page.status, 200)
  assert.match(await page.text(), /Hello (<!-- -->)?ada/)
  assert.equal(/private|no-store/.test(page.headers.get('cache-control')), true)
  const [seen] = nextRecorder.requests
  assert.equal(seen.headers.cookie, undefined)
  assert.equal(Object.keys(seen.headers).some(name => name.includes('middleware')), false)
  const [script] = (await (await visitor.page(url)).text()).match(/\/_next\/static\/[^"]+\.js/)
  const file = await nobody.fetch(url + script)
  assert.equal(file.status, 200)
  assert.match(file.headers.get('cache-control'), /public.*immutable/)
  assert.equal((await visitor.page(`${url}/slow`)).status, 200)
  const linus = await signedIn('linus')
  nextRecorder.forget()
  assert.equal((await linus.page(`${url}/slow`)).status, 403)
  assert.deepEqual(nextRecorder.requests, [])
})

test('G20: jose with a set that it keeps refuses nothing through two rotations under load', { timeout: 200_000 }, async () => {
  const visitor = await signedIn()
  // A verifier at each replica, which asks for no key that it does not know.
  const lazy = { cacheMaxAge: 3_000, cooldownDuration: 3_600_000 }
  const sets = gates.map(({ url }) => createRemoteJWKSet(new URL('/.well-known/jwks.json', url), lazy))
  const used = new Set()
  let verified = 0
  const end = Date.now() + 150_000
  while (used.size < 3) {
    assert.ok(Date.now() < end, `${used.size} keys have signed`)
    for (const [side, gate] of gates.entries()) {
      recorder.forget()
      await Promise.all(Array.from({ length: 8 }, () => visitor.fetch(`${gate.url}/me`)))
      for (const { headers } of recorder.requests) {
        const token = headers['x-session-jwt']
        // The other replica's set knows the key as well.
        const { payload, protectedHeader } = await jwtVerify(token, sets[1 - side], { ...TERMS, clockTolerance: 5 })
        assert.equal(payload.sub, 'ada')
        assert.ok(payload.exp - payload.iat <= 60)
        used.add(protectedHeader.kid)
        verified++
      }
    }
    await sleep(50)
  }
  console.log(`${verified} tokens of ${used.size} keys verified, none refused`)
})

test('G19: jose refuses every token that the gate has not made for this service', async () => {
  const visitor = await signedIn()
  await visitor.fetch(`${gates[0].url}/me`)
  const token = recorder.requests[0].headers['x-session-jwt']
  const published = await (await fetch(`${gates[0].url}/.well-known/jwks.json`)).json()
  const set = createLocalJWKSet(published)
  const { payload } = await jwtVerify(token, set, TERMS)
  assert.deepEqual(Object.keys(payload).sort(), ['aud', 'exp', 'iat', 'iss', 'jti', 'roles', 'sid', 'sub'])
  const { kid } = decodeProtectedHeader(token)
  const [head, claims, signature] = token.split('.')
  const json = value => base64url.encode(JSON.stringify(value))
  const own = await generateKeyPair('EdDSA', { extractable: true })
  const jwk = { ...await exportJWK(own.publicKey), kid }
  const signed = (header, change = {}, key = own.privateKey) =>
    new SignJWT({ ...decodeJwt(token), ...change }).setProtectedHeader(header).sign(key)
  const x = published.keys.find(key => key.kid === kid).x
  const forged = {
    'no signature': `${head}.${claims}.`,
    'alg none': `${json({ alg: 'none', kid })}.${claims}.`,
    'HS256 with the public key': await signed({ alg: 'HS256', kid }, {}, base64url.decode(x)),
    'another key of that name': await signed({ alg: 'EdDSA', kid }),
    'its own key inside': await signed({ alg: 'EdDSA', kid, jwk }),
    'its own set': await signed({ alg: 'EdDSA', kid, jku: 'https://evil.example/jwks.json' }),
    'unknown kid': await signed({ alg: 'EdDSA', kid: 'nobody' }),
    'kid of a path': await signed({ alg: 'EdDSA', kid: '../../../dev/null' }),
    'no kid': await signed({ alg: 'EdDSA' }),
    'claims of another user': `${head}.${json({ ...decodeJwt(token), sub: 'eve' })}.${signature}`,
    'more roles': `${head}.${json({ ...decodeJwt(token), roles: ['admin'] })}.${signature}`
  }
  for (const [name, forgery] of Object.entries(forged)) {
    await assert.rejects(jwtVerify(forgery, set, TERMS), name)
  }
  for (const [name, terms] of Object.entries({
    'other aud': { ...TERMS, audience: 'billing' },
    'other iss': { ...TERMS, issuer: 'another' },
    'too late': { ...TERMS, currentDate: new Date((payload.exp + 1) * 1000) },
    'leeway used up': { ...TERMS, clockTolerance: 5, currentDate: new Date((payload.exp + 6) * 1000) },
    'other algorithm': { ...TERMS, algorithms: ['ES256'] }
  })) {
    await assert.rejects(jwtVerify(token, set, terms), name)
  }
  await jwtVerify(token, set, { ...TERMS, clockTolerance: 5, currentDate: new Date((payload.exp + 3) * 1000) })
  assert.equal(JSON.stringify(published).includes('"d"'), false)
})

/** A request as it is written here: `fetch` mends paths. */
function raw (url, path, headers = {}) {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const request = httpRequest({ hostname, port, path, headers }, response => {
      response.resume()
      resolve({ status: response.statusCode, location: response.headers.location })
    })
    request.once('error', reject)
    request.end()
  })
}
