'use strict'

// Which request is being served by what: the middleware's own state of a request, unseen by the application.

const VISIT = Symbol('cloakroom.visit')

/** Returns the middleware's state of a request, `undefined` where none has it. */
function visitOf (req) {
  return req[VISIT]
}

function attach (req, visit) {
  Object.defineProperty(req, VISIT, { value: visit, configurable: true, writable: true })
}

module.exports = { attach, visitOf }
