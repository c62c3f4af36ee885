// Starts the shop: `cargo xtask node --example` builds the core, installs what it needs and runs this.
// PORT (3000), DATA (a folder beside this file) and SESSION_SECRET (drawn once and kept there) are its settings.

import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { shop } from './app.mjs'

const data = process.env.DATA ?? fileURLToPath(new URL('data', import.meta.url))
mkdirSync(data, { recursive: true, mode: 0o700 })

/** The secret of before, so that nobody is signed out by a new start. */
function keptSecret () {
  const file = join(data, 'secret')
  try {
    writeFileSync(file, randomBytes(48).toString('base64url'), { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
  }
  return readFileSync(file, 'utf8')
}

const { app, listen } = shop({ store: `sqlite:${join(data, 'sessions.db')}`, secret: process.env.SESSION_SECRET ?? keptSecret() })
const server = createServer({ headersTimeout: 15_000, requestTimeout: 30_000 }, app)
const sockets = listen(server)
server.listen(process.env.PORT ?? 3000, '127.0.0.1', () => console.log(`open http://127.0.0.1:${server.address().port}`))
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => sockets.close(() => process.exit()))
