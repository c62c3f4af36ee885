'use strict'

// Who may pass: middlewares before routes. The core decides, on what the session says.

const addon = require('./addon')
const { isAway, visitOf } = require('./visits')

const KNOWN = ['roles', 'fresh', 'when', 'rolesOf', 'loginAt', 'refused']
/** What a refusal's client is told where it asks for JSON. */
const REASONS = { login: 'login required', stepUp: 'login too long ago', forbidden: 'forbidden' }

/**
 * Makes a middleware that lets those through who are signed in.
 *
 * @param {object} [options] `fresh`: a login that is not longer ago than so many milliseconds; `when(req)`: whatever else is
 *   asked for; `loginAt`: the path to which browsers that ask for a page are sent; `refused(req, res, next, refusal)`: an
 *   answer of the application's own.
 */
function requireLogin (options = {}) {
  check(options)
  const wanted = { roles: options.roles ?? [], freshMs: options.fresh }
  return function guard (req, res, next) {
    const done = (error, access) => {
      if (error) return next(error)
      if (access === 'granted') return next()
      refuse(access, options, req, res, next)
    }
    // What a route throws is not a promise's to hear.
    accessOf(req, wanted, options).then(access => process.nextTick(done, null, access), error => process.nextTick(done, error))
  }
}

/** The same for those who have a role, or one of several; `rolesOf(user)`: asks the application for them, each time. */
function requireRole (roles, options = {}) {
  const group = [].concat(roles)
  if (group.length === 0 || group.some(role => typeof role !== 'string')) throw new TypeError('a role is a string')
  return requireLogin({ ...options, roles: [group] })
}

function check (options) {
  for (const name of Object.keys(options)) {
    if (!KNOWN.includes(name)) throw new TypeError(`a guard has no option ${name}`)
  }
  const { fresh, loginAt } = options
  if (fresh !== undefined && !(Number.isSafeInteger(fresh) && fresh >= 0)) throw new TypeError('fresh is a number of milliseconds')
  if (loginAt !== undefined && typeof loginAt !== 'string') throw new TypeError('loginAt is a path')
  for (const name of ['when', 'rolesOf', 'refused']) {
    if (options[name] !== undefined && typeof options[name] !== 'function') throw new TypeError(`${name} is a function`)
  }
}

/** Decides whether a request may pass: `granted`, `login`, `stepUp`, `forbidden`, or `away` where nobody knows. */
async function accessOf (req, wanted, { when, rolesOf }) {
  const visit = visitOf(req)
  if (visit === undefined) {
    if (isAway(req)) return 'away'
    throw new Error('a guard needs the session middleware before it')
  }
  // Of an ended session nothing is asked.
  if (!req.session) return 'login'
  if (rolesOf !== undefined && wanted.roles.length > 0) {
    const { access, user } = await decided(visit, {})
    if (access !== 'granted') return access
    wanted = { ...wanted, given: rolesNamed(await rolesOf(user)) }
  }
  const { access } = await decided(visit, wanted)
  // Nobody is asked for a password that would not let them in.
  if (when === undefined || (access !== 'granted' && access !== 'stepUp')) return access
  return await when(req) ? access : 'forbidden'
}

function rolesNamed (roles) {
  if (!Array.isArray(roles)) throw new TypeError('rolesOf gives a list of roles')
  return roles.map(String)
}

/** Asks the core: `{ access, user }`. */
function decided (visit, wanted) {
  return new Promise((resolve, reject) => {
    visit.admit(JSON.stringify(wanted), (error, text) => error ? reject(error) : resolve(JSON.parse(text)))
  })
}

/** Answers in the place of the route. */
function refuse (access, options, req, res, next) {
  if (access === 'away') {
    return answer({ status: 503, reason: 'away', field: 'retry-after', value: '1', text: '' }, options, req, res, next)
  }
  const accept = [].concat(req.headers.accept ?? []).join(',')
  const target = req.originalUrl ?? req.url
  const [status, field, value, text] = addon.refusal(access, req.method, accept, target, pageOf(req), options.loginAt ?? null)
  answer({ status: Number(status), reason: access, field, value, text: text || (REASONS[access] ?? '') }, options, req, res, next)
}

/** Says which page a request was sent from, for the way back after a login. */
function pageOf ({ headers }) {
  const isHtmx = headers['hx-request'] === 'true'
  const url = isHtmx ? headers['hx-current-url'] : headers.referer
  return { url: String(url ?? ''), host: headers.host ?? headers[':authority'] ?? '', isHtmx }
}

/** Sends a refusal: as JSON to programs that ask for it, else as text. */
function answer ({ status, reason, field, value, text }, { refused }, req, res, next) {
  if (refused !== undefined) return refused(req, res, next, { status, reason, location: field === 'location' ? value : undefined })
  res.statusCode = status
  if (field) res.setHeader(field, value)
  // What one visitor is refused another may see.
  res.setHeader('Cache-Control', 'no-store')
  const wantsJson = /\bjson\b/i.test(req.headers.accept ?? '')
  res.setHeader('Content-Type', wantsJson ? 'application/json; charset=utf-8' : 'text/plain; charset=utf-8')
  res.end(field === 'location' ? '' : wantsJson ? JSON.stringify({ error: text }) : text)
}

/** Returns the place of this site that `next` names, `undefined` for what might lead out of it. */
function safeNext (next) {
  return typeof next === 'string' ? addon.safeRedirectPath(next) ?? undefined : undefined
}

module.exports = { answer, requireLogin, requireRole, safeNext }
