// Starts the labs, and is the visitor of both: one jar of cookies, two servers.

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

import { BrowserJar } from '../browser-jar.mjs'

export const SECRET = 'keyboard cat keyboard cat keyboard cat'
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const OURS = process.env.CLOAKROOM_LAB ?? 'target/debug/examples/lab'
const SOCKETS = process.env.CLOAKROOM_SOCKETS ?? 'target/debug/examples/sockets'
const COMMANDS = { node: ['node', 'interop/lab.mjs'], rust: wordsOf(OURS), sockets: [SOCKETS] }

/** A command: a program by its path, or `node` and the words after it. */
function wordsOf (command) {
  return command.startsWith('node ') ? command.split(' ') : [command]
}

/** The stores that both share: their URLs by name. */
export function stores () {
  return servers('CLOAKROOM_STORES')
}

/** The servers that an environment variable names: their URLs by name. */
export function servers (variable) {
  const servers = process.env[variable]
  if (servers === undefined) throw new Error(`${variable} is not set: run \`cargo xtask interop\``)
  return Object.entries(JSON.parse(servers))
}

/** A lab: `kind` is node, rust or sockets (`examples/sockets.rs`), `flags` are the labs' own. */
export async function startLab (kind, store, flags = []) {
  const secret = flags.includes('--secret') ? [] : ['--secret', SECRET]
  const [program, ...words] = COMMANDS[kind]
  const child = spawn(program, [...words, '--store', store, ...secret, ...flags],
    { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] })
  const url = await ready(child, kind)
  return { kind, url, stop: () => stop(child) }
}

async function ready (child, kind) {
  for await (const line of createInterface({ input: child.stdout })) {
    const url = line.match(/^listening on (.*)$/)?.[1]
    if (url !== undefined) return url
  }
  throw new Error(`the ${kind} lab does not start`)
}

async function stop (child) {
  if (child.exitCode !== null) return
  const ended = new Promise(resolve => child.once('exit', resolve))
  child.kill('SIGTERM')
  await ended
}

/** Runs `body` with a lab of each kind on one store. */
export async function withBoth (store, flags, body) {
  const labs = {}
  try {
    for (const kind of ['node', 'rust']) {
      labs[kind] = await startLab(kind, store, flags?.[kind] ?? flags ?? [])
    }
    return await body(labs)
  } finally {
    await Promise.all(Object.values(labs).map(lab => lab.stop()))
  }
}

/** A browser: it keeps cookies and sends them to whichever server it asks. */
export class Visitor {
  cookies = new BrowserJar()

  /** Lets a server do steps with this visitor's session. */
  async run (lab, ...steps) {
    const response = await this.fetch(lab, '/run', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(steps)
    })
    if (response.status !== 200) throw new Error(`${lab.kind}: ${response.status}: ${await response.text()}`)
    const { sid, steps: results } = await response.json()
    return { sid, results }
  }

  /** The result of one step. */
  async step (lab, op, more = {}) {
    const { results } = await this.run(lab, { op, ...more })
    return results[0]
  }

  /** Who a server says is signed in, `null` for nobody. */
  async me (lab) {
    const response = await this.fetch(lab, '/me')
    const body = await response.json()
    return response.status === 200 ? body.userId : null
  }

  async fetch (lab, path, { headers, ...options } = {}) {
    const url = lab.url + path
    const cookie = this.cookies.header(url)
    const response = await fetch(url, { ...options, headers: { ...headers, ...(cookie && { cookie }) } })
    this.cookies.keep(response, url)
    return response
  }

  /** The same browser before something happened to it. */
  clone () {
    const other = new Visitor()
    other.cookies = this.cookies.clone()
    return other
  }
}
