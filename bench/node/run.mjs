// Measures the package beside express-session, in one run: CPU per request in one process and of whole servers on Redis.
// `cargo xtask node --bench` builds the core, starts a Redis and runs it: writes bench/NODE.md and its charts.

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

import { require } from './contenders.mjs'
import { draw } from './chart.mjs'
import { added, ratios, said, spread } from './stats.mjs'

const { values: options } = parseArgs({ options: { redis: { type: 'string' }, rounds: { type: 'string', default: '12' }, requests: { type: 'string', default: '8000' }, write: { type: 'boolean', default: false } } })
const ROUTES = ['anonymous', 'read', 'change']
const SERVERS = ['bare', 'express-session, connect-redis', 'cloakroom, connect-redis', 'cloakroom, redis:']
const rounds = Number(options.rounds)
const requests = Number(options.requests)
const env = { ...process.env, NODE_ENV: 'production', NODE_NO_WARNINGS: '1' }
const here = name => fileURLToPath(new URL(name, import.meta.url))

/** What is promised: the contender, the route, whose figure it is a part of, and at most how large a part. */
const LINES = [
  ['memory', 'cloakroom, Map', 'read', 'express-session, Map', 0.4],
  ['memory', 'cloakroom, Map', 'change', 'express-session, Map', 0.55],
  ['memory', 'cloakroom, Map', 'anonymous', 'express-session, Map', 0.5],
  ['memory', 'cloakroom, Map, no touch', 'read', 'express-session, Map, no touch', 0.4],
  ['memory', 'cloakroom, Map, no touch', 'change', 'express-session, Map, no touch', 0.55],
  ['memory', 'cloakroom, memory:', 'read', 'express-session, Map', 0.4],
  ['memory', 'cloakroom, memory:', 'change', 'express-session, Map', 0.55],
  ['memory', 'cloakroom, memory:', 'anonymous', 'express-session, Map', 0.5],
  ['redis', 'cloakroom, redis:', 'read', 'express-session, connect-redis', 0.6],
  ['redis', 'cloakroom, redis:', 'change', 'express-session, connect-redis', 0.6],
  ['redis', 'cloakroom, connect-redis', 'read', 'express-session, connect-redis', 0.6]
]

/** A program on one core, its lines as they come. */
function start (core, words) {
  const program = spawn('taskset', ['-c', String(core), process.execPath, ...words], { env, stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]()
  const next = async () => {
    const { value, done } = await lines.next()
    if (done) throw new Error(`${words[0]} ended before its time`)
    return value
  }
  return { program, next }
}

async function inProcess () {
  const { next } = start(1, ['--expose-gc', here('in-process.mjs'), String(rounds), String(requests)])
  const all = []
  for (let round = 0; round < rounds; round++) all.push(JSON.parse(await next()))
  return all
}

/** One turn of a server: a new process, visitors who sign in, each route. */
async function turn (name) {
  const server = start(1, [here('server.mjs'), name, options.redis])
  const load = start(0, [here('load.mjs'), await server.next()])
  await load.next()
  const figures = {}
  for (const route of ROUTES) {
    load.program.stdin.write(`${route} ${requests}\n`)
    figures[route] = Number(await load.next())
  }
  for (const { program } of [load, server]) {
    program.kill()
    await once(program, 'exit')
  }
  return figures
}

async function onRedis () {
  const all = []
  for (let round = 0; round < rounds; round++) {
    const figures = {}
    for (const name of SERVERS) figures[name] = await turn(name)
    all.push(figures)
  }
  return all
}

function versions () {
  const of = name => `${name} ${JSON.parse(readFileSync(require.resolve(`${name}/package.json`))).version}`
  const packages = ['express', 'express-session', 'redis'].map(of)
  const connectRedis = JSON.parse(readFileSync(new URL('../../interop/package-lock.json', import.meta.url))).packages['node_modules/connect-redis'].version
  const redis = execFileSync('redis-server', ['--version'], { encoding: 'utf8' }).match(/v=\S+/)[0]
  const { version } = JSON.parse(readFileSync(new URL('../../node/package.json', import.meta.url)))
  return [`cloakroom ${version}`, ...packages, `connect-redis ${connectRedis}`, `Node ${process.version}`, `Redis ${redis}`, cpus()[0].model].join(' · ')
}

function judged (all) {
  return LINES.map(([place, name, route, other, most]) => {
    const figure = ratios(all[place][name], all[place][other], [route])[route]
    return { name, route, other, most, figure, verdict: figure.median <= most ? 'holds' : 'misses' }
  })
}

const spreads = figures => Object.fromEntries(Object.entries(figures).map(([name, row]) =>
  [name, Object.fromEntries(Object.entries(row).map(([route, values]) => [route, spread(values)]))]))

function table (figures, other) {
  const rows = Object.entries(figures).map(([name, row]) => {
    const by = ratios(row, figures[other], ROUTES)
    const cell = route => `${said(spread(row[route]))}${name === other ? '' : ` · **${by[route].median.toFixed(2)} ×**`}`
    return `| ${name.startsWith('cloakroom') ? `**${name}**` : name} | ${ROUTES.map(cell).join(' | ')} |`
  })
  return [`| | ${ROUTES.join(' | ')} |`, '|---|--:|--:|--:|', ...rows].join('\n')
}

function page (all, lines, load, bare, minutes) {
  const promised = lines.map(({ name, route, other, most, figure, verdict }) =>
    `| ${verdict} | ${name} · ${route} | at most ${most} × ${other} | ${said(figure)} |`)
  return `# The npm package beside express-session

Written by \`cargo xtask node --bench\` on ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC, ${rounds} rounds of ${requests} requests, in ${minutes} minutes; load average of the
machine before it: ${load}.
${versions()}.

CPU time per request above a handler without sessions, in microseconds: the median of the rounds, with the least and the most, and by how much
express-session's is multiplied, each round by itself. Rounds are interleaved, so that what disturbs the machine disturbs everybody; trust ratios more than times.

## What was promised

| | | line | figure |
|---|---|---|---|
${promised.join('\n')}

## In one process

Requests and responses of \`node:http\` without sockets, one at a time; the record has about 300 bytes. "Map" is a store object that answers at once from a \`Map\` of JSON,
the cheapest that there can be; "memory:" is the core's own store.

![CPU per request in one process](charts/node-memory.svg)

${table(all.memory, 'express-session, Map')}

## A whole Express server on Redis

What the server's process takes above the same server without sessions (${ROUTES.map(route => `${route} ${said(bare[route])} µs`).join(', ')}): 32 connections, 128 visitors, all threads of the process counted, a new process each round.

![CPU per request of a server on Redis](charts/node-redis.svg)

${table(all.redis, 'express-session, connect-redis')}

## What it does for that

- A change of a store object reads again before it writes, through a queue: express-session writes what it has. Through connect-redis it compares with
  the text that the request read, and reads again only where that is not there any more.
- With Express's meaning each request touches its session, as express-session does; with \`strict\` only once five per cent of its time are over.
- A store by its URL is waited for on a thread of the core's own. What the requests of one turn of Node's loop ask for is handed over together, and what is
  ready comes back together: the two threads change 0.2 times a request each, where they changed 1.3 and 1.5 times when every operation was handed over by
  itself and its timer woke the thread once more.
- JavaScript holds one object of the core's for sixteen requests' sessions: to collect one for each was a sixth of the busy time.
- The answer waits for the store; express-session's begins before. The four methods that hold it are the same functions for all responses.

## Where the rest goes

- **A read by URL**: of what it adds on the server, the core's thread has about 25 µs (two requests to Redis: the read, the touch), V8's own threads about as
  much (they compile and collect; a new process each round is still warming up), and the rest is on the main thread.
- **A read through connect-redis**: both packages send GET and EXPIRE through the same client, whose promises, signals and parser are most of it. By thread, in one
  count: the main one 197 µs a request against 225 (127 without sessions), V8's own 65 against 47 (21): what is won on the one is spent on the others, in a
  process that is still compiling. One command for both, GETEX, would need the session's lifetime before the session is read.
- **A read of a Map**: the store's own \`touch\`, which parses and writes the record, is a third of it, the collector a quarter.
- **\`memory:\` above a Map**: a quarter is in the add-on and its allocations (the record's text with its new end, the session, its JSON), a
  quarter in V8's JSON (the record is parsed once, its objects are written twice to see whether they changed), the rest in V8 and in crossings.
- **Not tried**: a Node loop that polls the core's sockets itself would save the core's thread; it needs libuv's functions, which the add-on does not link.
`
}

const load = loadavg().map(value => value.toFixed(2)).join(' ')
const begun = Date.now()
const [memory, redis] = [await inProcess(), await onRedis()]
const all = { memory: added(memory, ROUTES), redis: added(redis, ROUTES) }
const lines = judged(all)
for (const { name, route, other, most, figure, verdict } of lines) console.log(`${verdict}\t${name} · ${route}\t${said(figure)} of ${other}, at most ${most}`)
const bare = Object.fromEntries(ROUTES.map(route => [route, spread(redis.map(round => round.bare[route]))]))
const text = page(all, lines, load, bare, Math.ceil((Date.now() - begun) / 60_000))
if (options.write) {
  writeFileSync(here('../NODE.md'), text)
  const note = 'In microseconds; the median of the rounds, with the least and the most. Less is better.'
  writeFileSync(here('../charts/node-memory.svg'), draw('CPU that the session middleware takes per request, in one process', note, ROUTES, { 'in this process': spreads(all.memory) }))
  writeFileSync(here('../charts/node-redis.svg'), draw('CPU that sessions add to a request of an Express server, on Redis', note, ROUTES, { Redis: spreads(all.redis) }))
} else {
  console.log(text)
}
process.exit()
