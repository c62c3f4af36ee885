// The programs that these tests start, and a visitor with a jar of cookies.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { BrowserJar } from '../browser-jar.mjs'

export const SECRET = 'a keyboard, a cat, and nobody who knows both of them'
export const PASSWORDS = { ada: 'analytical-engine', grace: 'nanoseconds', linus: 'just-for-fun' }
/** How these tests start Debian's browser. */
export const CHROMIUM = {
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking']
}
const EXAMPLES = process.env.CLOAKROOM_EXAMPLES ?? fromHere('../../target/debug/examples')
const READY_MS = 30_000

export function fromHere (path) {
  return fileURLToPath(new URL(path, import.meta.url))
}

/** What `body` starts ends with it, the last first. */
export async function withAll (body) {
  const ends = []
  try {
    return await body(async starting => {
      const started = await starting
      ends.unshift(() => started.stop())
      return started
    })
  } finally {
    for (const end of ends) await end()
  }
}

/** A program that says `listening on URL` once it is ready. */
export async function startExample (name, store, flags = []) {
  const words = ['--store', store, '--secret', SECRET, ...flags]
  return ready(join(EXAMPLES, name), words, {}, /^listening on (.*)$/)
}

/** A program whose output says by `pattern` that it is ready; what the group holds is its URL. */
export async function ready (program, words, options, pattern) {
  const child = spawn(program, words, { ...options, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise(resolve => {
    child.once('exit', resolve)
    child.once('error', resolve)
  })
  const url = await Promise.race([
    said(child, pattern),
    ended.then(() => { throw new Error(`${program} does not start`) }),
    sleep(READY_MS, null, { ref: false }).then(() => { throw new Error(`${program} does not get ready`) })
  ])
  const running = () => child.exitCode === null && child.signalCode === null
  const end = async signal => {
    if (running()) child.kill(signal)
    await ended
  }
  return { url, pid: child.pid, stop: () => end('SIGTERM'), kill: () => end('SIGKILL') }
}

async function said (child, pattern) {
  const lines = createInterface({ input: child.stdout })
  return new Promise(resolve => lines.on('line', line => {
    const found = line.match(pattern)
    if (found !== null) resolve(found[1])
  }))
}

/** A Redis of the test's own. */
export async function startRedis () {
  const folder = temporary()
  const port = await freePort()
  const words = ['--port', port, '--bind', '127.0.0.1', '--save', '', '--dir', folder.path].map(String)
  const server = await ready('redis-server', words, {}, /Ready to accept connections/)
  return {
    url: `redis://127.0.0.1:${port}`,
    stop: async () => {
      await server.stop()
      folder.remove()
    }
  }
}

export function temporary () {
  const path = mkdtempSync(join(tmpdir(), 'cloakroom-fronts-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

export async function freePort () {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

/** A browser: it keeps cookies, sends them to whichever server it asks, and follows no redirect. */
export class Visitor {
  cookies = new BrowserJar()

  async fetch (url, { headers, ...options } = {}) {
    const response = await fetch(url, { redirect: 'manual', ...options, headers: { ...headers, ...this.header(url) } })
    this.cookies.keep(response, url)
    return response
  }

  /** Asks for a page, as browsers do. */
  page (url, headers = {}) {
    return this.fetch(url, { headers: { accept: 'text/html,*/*', ...headers } })
  }

  /** Sends a form from a page of the same site. */
  submit (url, fields, headers = {}) {
    const origin = new URL(url).origin
    return this.fetch(url, { method: 'POST', headers: { origin, ...headers }, body: new URLSearchParams(fields) })
  }

  /** Signs in; whoever comes too often waits as long as the answer says. */
  async login (server, username, more = {}) {
    for (;;) {
      const answer = await this.submit(`${server.url}/login`, { username, password: PASSWORDS[username], ...more })
      if (answer.status !== 429) return answer
      await sleep(1000 * Number(answer.headers.get('retry-after')))
    }
  }

  /** The header field that carries its cookies, for a request that is made by hand. */
  header (url = 'http://127.0.0.1/') {
    const cookie = this.cookies.header(url)
    return cookie === '' ? {} : { cookie }
  }

  /** The same browser before something happened to it. */
  clone () {
    const other = new Visitor()
    other.cookies = this.cookies.clone()
    return other
  }
}
