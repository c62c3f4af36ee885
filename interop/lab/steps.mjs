// What one request does to its session: each step of the body, in order, as an Express handler would write it.

import { setTimeout as sleep } from 'node:timers/promises'

/** Runs the steps one after the other; a step that fails answers its error, and the next one still runs. */
export async function runSteps (req, steps, lab) {
  const results = []
  for (const step of steps) {
    try {
      results.push(await run(req, step, lab) ?? null)
    } catch (error) {
      results.push({ error: error.message })
    }
  }
  return results
}

function run (req, step, lab) {
  const operation = OPERATIONS[step?.op]
  if (operation === undefined) throw new Error(`unknown op ${JSON.stringify(step?.op)}`)
  return operation(req, step, lab)
}

const OPERATIONS = {
  __proto__: null,

  get: (req, { key }) => data(current(req)).get(key),
  all: req => Object.fromEntries(data(current(req))),
  set (req, { key, value }) { current(req)[key] = value },
  remove (req, { key }) { delete current(req)[key] },
  add (req, { key, by }) {
    const value = current(req)[key] ?? 0
    if (typeof value !== 'number') throw new Error(`${key} is not a number`)
    return (req.session[key] = value + by)
  },

  save: req => call(current(req), 'save'),
  reload: req => call(current(req), 'reload'),
  regenerate: req => call(current(req), 'regenerate'),
  destroy: req => call(current(req), 'destroy'),
  touch (req) { current(req).touch() },
  drop (req) {
    current(req)
    req.session = null
  },
  // Express has no such thing; the package in node/ has.
  rotate (req) {
    const session = current(req)
    if (session.renew === undefined) throw new Error('rotate is Rust only')
    return session.renew()
  },

  cookie (req, { op, ...attributes }) {
    const { cookie } = current(req)
    for (const [name, value] of Object.entries(attributes)) {
      cookie[name] = name === 'expires' && typeof value === 'string' ? new Date(value) : value
    }
  },

  // As Passport does with keepSessionInfo: a new id, the data stays.
  async login (req, { user, roles }, { userKey }) {
    const { cookie, ...data } = current(req)
    await call(current(req), 'regenerate')
    // Setting expires would set the lifetime anew; the touch at the end computes it.
    const { expires, ...attributes } = cookie.data
    Object.assign(req.session.cookie, attributes)
    Object.assign(req.session, data)
    req.session[userKey] = user
    if (roles !== undefined) req.session.roles = roles
  },
  logout: req => call(current(req), 'destroy'),
  async logout_everywhere (req, step, lab) {
    const sids = await sessionsOf(req, lab)
    for (const sid of sids) await call(lab.backend.store, 'destroy', sid)
    // As after destroy: what is left of this request must not save the session anew.
    delete req.session
    return sids.length
  },
  sessions: async (req, step, lab) => (await sessionsOf(req, lab)).length,

  async sleep (req, { ms }) { await sleep(ms) }
}

function current (req) {
  if (!req.session) throw new Error('there is no session')
  return req.session
}

/** The application's own keys: without the cookie's state, and without what cloakroom notes in a record. */
function data (session) {
  return new Map(Object.entries(session).filter(([key]) => key !== 'cookie' && key !== '_ck'))
}

/** The ids of the stored, live sessions of the user who is logged in here. */
async function sessionsOf (req, { userKey, backend }) {
  const user = current(req)[userKey]
  if (user === undefined || user === null) throw new Error('nobody is logged in')
  const all = [...await backend.records()]
  return all.filter(([, record]) => JSON.parse(record)[userKey] === user).map(([sid]) => sid)
}

/** A method of the callback style, awaited. */
function call (object, method, ...args) {
  return new Promise((resolve, reject) => {
    object[method](...args, error => error ? reject(error) : resolve(null))
  })
}
