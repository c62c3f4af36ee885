'use strict'

// The ids that a request's cookies vouch for, in the order in which they are tried.

const addon = require('./addon')
const { warnOnce } = require('./warn')

/** Returns the tickets of a request: its Cookie field's, else what cookie-parser made of it. */
function findTickets (layer, wire, req) {
  const field = req.headers.cookie
  const found = mayName(layer, field) ? addon.open(wire, field) : null
  if (found !== null) return typeof found === 'string' ? [ticket(found)] : found.map(ticket)
  if (!req.signedCookies && !req.cookies) return []
  return parsed(layer, wire, req)
}

/** Returns the Cookie field of a request, or one that says what cookie-parser found where the field has nothing. */
function fieldOf (layer, wire, req) {
  const field = req.headers.cookie
  if (!req.signedCookies && !req.cookies) return field
  const [ticket] = findTickets(layer, wire, req)
  return ticket === undefined ? field : `${layer.name}=${addon.signed(wire, ticket.id)}`
}

/** Says whether a Cookie field may have a cookie of the middleware's name. */
function mayName ({ name }, field) {
  return field !== undefined && field.includes(name)
}

function ticket (text) {
  return { id: text.slice(1), isOutdated: text[0] === '-' }
}

function parsed ({ name }, wire, { signedCookies, cookies }) {
  const verified = signedCookies?.[name]
  const raw = cookies?.[name]
  const id = verified || (typeof raw === 'string' && raw.startsWith('s:') ? addon.unsigned(wire, raw) : null)
  if (!id) return []
  warnOnce('a session cookie was found by cookie-parser alone; it should be in the Cookie field')
  return [{ id, isOutdated: false }]
}

module.exports = { fieldOf, findTickets, mayName }
