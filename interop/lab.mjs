// The lab on Node: a real express-session server, or one of the package in node/, that does what a request's body tells
// it, step by step.
// Its Rust twin is crates/cloakroom/examples/lab.rs: same flags, same routes, same answers.

import { setTimeout as sleep } from 'node:timers/promises'

import express from 'express'

import { parseFlags, UsageError } from './lab/flags.mjs'
import { runSteps } from './lab/steps.mjs'
import { sessionModule } from './lab/session.mjs'
import { openStore } from './lab/stores.mjs'

function sessionOptions (flags, store) {
  return {
    store,
    name: flags.name,
    secret: flags.secrets,
    resave: flags.resave,
    saveUninitialized: flags.saveUninitialized,
    rolling: flags.rolling,
    unset: flags.unset,
    cookie: { maxAge: flags.maxAgeMs }
  }
}

function buildApp (flags, backend) {
  const app = express()
  app.disable('etag')
  app.disable('x-powered-by')

  // Before the session middleware: neither reads, touches nor creates a session.
  app.get('/plain', (req, res) => res.type('text').send('ok'))
  app.get('/records', async (req, res) => res.json(await records(backend, req.query.sid)))

  app.use(sessionModule(flags)(sessionOptions(flags, backend.store)))
  app.post('/run', express.json({ limit: '1mb' }), async (req, res) => {
    if (!Array.isArray(req.body)) return res.status(400).json({ error: 'the body must be a JSON array of steps' })
    const steps = await runSteps(req, req.body, { userKey: flags.userKey, backend })
    res.json({ sid: req.session ? req.sessionID : null, steps })
  })
  app.get('/me', (req, res) => {
    const userId = req.session[flags.userKey]
    if (userId === undefined || userId === null) return res.status(401).json({ error: 'nobody is logged in' })
    res.json({ userId })
  })
  app.get('/flush', flush)
  app.use(answerError)
  return app
}

/** The stored text of the live sessions, all of them or those that `sid=a,b,c` names. */
async function records (backend, sids) {
  const all = await backend.records()
  if (sids === undefined) return Object.fromEntries(all)
  return Object.fromEntries(String(sids).split(',').filter(sid => all.has(sid)).map(sid => [sid, all.get(sid)]))
}

/** Sends the head, then changes the session: too late for a cookie, in time for the store. */
async function flush (req, res) {
  const { key, value, after } = req.query
  res.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8' })
  res.write('first\n')
  await sleep(Number(after ?? 0))
  req.session[key] = value
  res.end('last\n')
}

/** Express's last word on an error; four parameters are how Express knows it. */
function answerError (error, req, res, next) {
  console.error(`lab: ${req.method} ${req.path}: ${error.message}`)
  if (!res.headersSent) res.status(error.status ?? 500).json({ error: error.message })
}

async function main () {
  const flags = parseFlags(process.argv.slice(2))
  const backend = await openStore(flags)
  const server = buildApp(flags, backend).listen(flags.port, flags.host, error => {
    if (error) return fail(error.message, 1)
    console.log(`listening on http://${flags.host}:${server.address().port}`)
  })
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => end(server, backend))
}

async function end (server, backend) {
  server.close()
  server.closeAllConnections()
  await backend.close()
  process.exit(0)
}

function fail (message, code) {
  console.error(`lab: ${message}`)
  process.exit(code)
}

main().catch(error => fail(error.message || error.code, error instanceof UsageError ? 2 : 1))
