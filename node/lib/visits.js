'use strict'

// Which request is being served by what: the middleware's own state of a request, unseen by the application.

const VISIT = Symbol('cloakroom.visit')
const AWAY = Symbol('cloakroom.away')

/** Returns the middleware's state of a request, `undefined` where none has it. */
function visitOf (req) {
  return req[VISIT]
}

function attach (req, visit) {
  req[VISIT] = visit
}

/** Notes that a request goes on without a session because its store is away, as it said itself. */
function noteAway (req) {
  Object.defineProperty(req, AWAY, { value: true, configurable: true })
}

function isAway (req) {
  return req[AWAY] === true
}

module.exports = { attach, isAway, noteAway, visitOf }
