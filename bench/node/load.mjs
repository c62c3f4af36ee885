// Visitors of one server, from a process of their own: each keeps its cookie, and every answer is checked.
// `node load.mjs PORT`; a line `ROUTE COUNT` on stdin is answered by one with the server's CPU per request, in microseconds.

import { Agent, request } from 'node:http'
import { createInterface } from 'node:readline'

const CONNECTIONS = 32
const VISITORS = 128
const port = Number(process.argv[2])
const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })

function ask (method, path, cookie) {
  return new Promise((resolve, reject) => {
    const sent = request({ port, method, path, agent, headers: cookie ? { cookie } : {} }, response => {
      let body = ''
      response.setEncoding('utf8').on('data', piece => { body += piece })
      response.on('end', () => resolve({ status: response.statusCode, body, field: response.headers['set-cookie']?.[0] }))
    })
    sent.on('error', reject)
    sent.end()
  })
}

/** A route: how it is asked, and what its answer is to be. */
const ROUTES = {
  anonymous: { ask: () => ask('GET', '/anonymous'), expected: () => 'anon' },
  read: { ask: visitor => ask('GET', '/read', visitor.cookie), expected: () => 'ada' },
  change: { ask: visitor => ask('POST', '/change', visitor.cookie), expected: visitor => visitor.cookie ? String(visitor.n += 1) : '1' }
}

async function signIn () {
  const { field } = await ask('POST', '/login')
  return { cookie: field?.split(';', 1)[0], n: 0 }
}

async function play (visitors, { ask, expected }, count) {
  let left = count
  const worker = async visitor => {
    while (left-- > 0) {
      const { status, body } = await ask(visitor)
      const wanted = expected(visitor)
      if (status !== 200 || body !== wanted) throw new Error(`${status} ${body} where ${wanted} was expected`)
    }
  }
  await Promise.all(visitors.slice(0, CONNECTIONS).map(worker))
}

const visitors = await Promise.all(Array.from({ length: VISITORS }, signIn))
const cpu = async () => Number((await ask('GET', '/cpu')).body)
console.log('ready')
for await (const line of createInterface({ input: process.stdin })) {
  const [name, count] = line.split(' ')
  await play(visitors, ROUTES[name], Number(count) / 4)
  const before = await cpu()
  await play(visitors, ROUTES[name], Number(count))
  // What the server's other threads still do.
  await new Promise(resolve => setTimeout(resolve, 30))
  console.log((await cpu() - before) / Number(count))
}
process.exit()
