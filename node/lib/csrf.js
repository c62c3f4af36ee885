'use strict'

// Requests that another site makes a visitor's browser send: told apart by where they come from, and by a token of the
// session where the browser does not say. The core judges.

const addon = require('./addon')
const { tell } = require('./bell')
const { answer } = require('./guards')
const { visitOf } = require('./visits')

/** The key of the secret in a session; `login` takes it away. */
const SECRET = 'csrfSecret'
const FIELD = '_csrf'

/**
 * Makes a middleware that refuses requests with unsafe methods which come from another site. It stands behind the session, and
 * behind whatever reads forms; `req.csrfToken()` gives a page its token.
 *
 * @param {object} [options] `allowOrigins`: origins that may send requests as well, as `Origin` spells them;
 *   `refused(req, res, next, refusal)`: an answer of the application's own.
 */
function csrf (options = {}) {
  const { allowOrigins = [], refused } = options
  for (const name of Object.keys(options)) {
    if (name !== 'allowOrigins' && name !== 'refused') throw new TypeError(`csrf has no option ${name}`)
  }
  if (refused !== undefined && typeof refused !== 'function') throw new TypeError('refused is a function')
  const allowed = addon.origins([].concat(allowOrigins))
  const middleware = function csrf (req, res, next) {
    const visit = visitOf(req)
    if (visit === undefined) return next(new Error('csrf needs the session middleware before it'))
    req.csrfToken = () => tokenOf(visit)
    const why = judged(req, req.method, visit, allowed)
    if (why === undefined) return next()
    answer({ status: 403, reason: 'csrf', text: why }, options, req, res, next)
  }
  /** Says whether a socket may be opened by this request: not where another site's page opens it. */
  middleware.allowsSocket = req => headOf(req, 'POST', req.socket?.encrypted === true, allowed) !== 'refused'
  return middleware
}

/** Judges a request by its head alone. */
function headOf (req, method, isSecure, allowed) {
  const { headers } = req
  const host = headers[':authority'] ?? headers.host
  const own = host === undefined ? undefined : `${isSecure ? 'https' : 'http'}://${host}`
  return addon.judge(allowed, method, headers['sec-fetch-site'], headers.origin, own, headers['x-csrf-token'], headers['content-type'])
}

/** Says why a request is refused, `undefined` where it is not. */
function judged (req, method, visit, allowed) {
  switch (headOf(req, method, visit.layer.isSecure(req), allowed)) {
    case 'pass': return undefined
    case 'refused': return 'this request comes from another site'
    case 'nowhere': return 'this request needs the header X-CSRF-Token'
    case 'header': return checked(req, req.headers['x-csrf-token'])
    case 'form': return checked(req, req.body?.[FIELD])
  }
}

function checked ({ session }, token) {
  const secret = session?.[SECRET]
  const isOne = typeof secret === 'string' && typeof token === 'string' && addon.acceptsCsrfToken(secret, token)
  return isOne ? undefined : 'this form is out of date: load its page again'
}

/** Returns a token of the session, masked again each time; the first generates a secret in it. */
function tokenOf (visit) {
  const { session } = visit.req
  if (!session) throw new Error('the session has ended: it has no token')
  if (visit.csrfToken !== undefined) return visit.csrfToken()
  const had = session[SECRET]
  const [secret, token] = tell(addon.csrfToken, typeof had === 'string' ? had : null)
  if (secret !== had) session[SECRET] = secret
  return token
}

module.exports = { csrf, SECRET }
