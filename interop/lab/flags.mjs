// The lab's command line; both labs take the same flags.

import { parseArgs } from 'node:util'

/** What the person at the command line must mend. */
export class UsageError extends Error {}

const text = { type: 'string' }
const flag = { type: 'boolean', default: false }

const OPTIONS = {
  addr: { ...text, default: '127.0.0.1:0' },
  store: { ...text, default: 'memory:' },
  secret: { ...text, multiple: true, default: [] },
  name: { ...text, default: 'connect.sid' },
  prefix: { ...text, default: 'sess:' },
  'max-age-ms': { ...text, default: 'none' },
  'touch-after-ms': { ...text, default: '0' },
  unset: { ...text, default: 'keep' },
  'user-key': { ...text, default: 'userId' },
  session: { ...text, default: 'express' },
  'mixed-fleet': flag,
  resave: flag,
  'save-uninitialized': flag,
  rolling: flag
}

/** Whose sessions: express-session's; the package's on the same store objects; or on its own stores, by their URLs. */
const SESSIONS = ['express', 'package', 'native']

export function parseFlags (args) {
  const values = parse(args)
  if (values.secret.length === 0) throw new UsageError('--secret is required')
  if (!['keep', 'destroy'].includes(values.unset)) throw new UsageError('--unset takes keep or destroy')
  if (!SESSIONS.includes(values.session)) throw new UsageError(`--session takes ${SESSIONS.join(', ')}`)
  return {
    session: values.session,
    ...address(values.addr),
    store: values.store,
    secrets: values.secret,
    name: values.name,
    prefix: values.prefix,
    maxAgeMs: values['max-age-ms'] === 'none' ? null : millis('max-age-ms', values['max-age-ms']),
    touchAfterMs: millis('touch-after-ms', values['touch-after-ms']),
    unset: values.unset,
    userKey: values['user-key'],
    mixedFleet: values['mixed-fleet'],
    resave: values.resave,
    saveUninitialized: values['save-uninitialized'],
    rolling: values.rolling
  }
}

function parse (args) {
  try {
    return parseArgs({ args, options: OPTIONS }).values
  } catch (error) {
    throw new UsageError(error.message.split('. ')[0])
  }
}

function address (addr) {
  const colon = addr.lastIndexOf(':')
  const port = Number(addr.slice(colon + 1))
  if (colon < 1 || colon === addr.length - 1 || !(Number.isInteger(port) && port >= 0 && port < 65536)) {
    throw new UsageError('--addr takes HOST:PORT')
  }
  return { host: addr.slice(0, colon), port }
}

function millis (name, value) {
  if (!/^-?\d+$/.test(value)) throw new UsageError(`--${name} takes a whole number of milliseconds`)
  return Number(value)
}
