// What a session middleware takes in one process, without sockets: CPU per request above a handler that has no session.
// Prints one line of JSON for each round: microseconds by contender and route.

import { IncomingMessage, ServerResponse } from 'node:http'
import { Writable } from 'node:stream'

import { CONTENDERS, PROFILE } from './contenders.mjs'

const NAMES = [
  'bare', 'express-session, Map', 'express-session, Map, no touch', 'express-session, MemoryStore',
  'cloakroom, Map', 'cloakroom, Map, no touch', 'cloakroom, MemoryStore', 'cloakroom, memory:'
]
const [rounds, requests] = process.argv.slice(2).map(Number)
const only = process.argv[5]
const names = process.argv[4] ? NAMES.filter(name => name === 'bare' || name === process.argv[4]) : NAMES

/** The routes: what each does to the session, and whether the visitor has one. */
const ROUTES = {
  anonymous: { visit: () => 'anon' },
  read: { visit: req => req.session?.userId ?? 'nobody', hasCookie: true },
  change: { visit: req => { if (req.session) req.session.n = (req.session.n ?? 0) + 1; return 'changed' }, hasCookie: true },
  login: {
    visit: req => { if (req.session) Object.assign(req.session, { userId: 'ada', n: 0, profile: PROFILE }); return 'in' },
    isSetUp: true
  }
}

const socket = new Writable({ write (chunk, encoding, done) { done() } })
Object.assign(socket, { remoteAddress: '127.0.0.1', readable: true, setTimeout () {}, cork () {}, uncork () {} })
socket.setMaxListeners(0)

/** Serves one request; `cookie` is what the visitor has. */
function serve (middleware, visit, cookie) {
  return new Promise((resolve, reject) => {
    const req = new IncomingMessage(socket)
    Object.assign(req, { method: 'GET', url: '/', originalUrl: '/', httpVersionMajor: 1, httpVersionMinor: 1 })
    req.headers = cookie === undefined ? { host: 'x' } : { host: 'x', cookie }
    const res = new ServerResponse(req)
    res.assignSocket(socket)
    res.on('finish', () => {
      res.detachSocket(socket)
      resolve(res)
    })
    const handle = error => {
      if (error) return reject(error)
      res.end(visit(req))
    }
    if (middleware === undefined) handle()
    else middleware(req, res, handle)
  })
}

async function timed (middleware, { visit }, cookie) {
  for (let i = 0; i < requests / 4; i++) await serve(middleware, visit, cookie)
  const before = process.cpuUsage()
  for (let i = 0; i < requests; i++) await serve(middleware, visit, cookie)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / requests
}

/** Signs in, and checks that the session is there: what cannot do its work is not measured. */
async function cookieOf (name, middleware) {
  if (middleware === undefined) return 'connect.sid=none'
  const res = await serve(middleware, ROUTES.login.visit)
  const [cookie] = res.getHeader('set-cookie')[0].split(';')
  let seen
  await serve(middleware, req => { seen = req.session.userId; return '' }, cookie)
  if (seen !== 'ada') throw new Error(`${name} does not find its session again`)
  return cookie
}

const visitors = []
for (const name of names) {
  const middleware = await CONTENDERS[name]()
  visitors.push({ name, middleware, cookie: await cookieOf(name, middleware) })
}
for (let round = -1; round < rounds; round++) {
  const figures = {}
  for (const { name, middleware, cookie } of visitors) {
    figures[name] = {}
    for (const [route, plan] of Object.entries(ROUTES)) {
      if (plan.isSetUp || (only && route !== only)) continue
      globalThis.gc?.()
      figures[name][route] = await timed(middleware, plan, plan.hasCookie ? cookie : undefined)
    }
  }
  // The first warms up.
  if (round >= 0) console.log(JSON.stringify(figures))
}
process.exit()
