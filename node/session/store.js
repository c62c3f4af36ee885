'use strict'

// What every store object has from its base: sessions made from records, and begun again.

const { EventEmitter } = require('node:events')

const Cookie = require('./cookie')
const Session = require('./session')

/** Keeps sessions by id. A store adds `get`, `set` and `destroy`, and as it can `touch`, `all`, `length`, `clear`. */
function Store () {
  EventEmitter.call(this)
}

Object.setPrototypeOf(Store.prototype, EventEmitter.prototype)

/** Ends a request's session and begins another; the middleware sets `generate`. */
Store.prototype.regenerate = function (req, fn) {
  this.destroy(req.sessionID, error => {
    this.generate(req)
    fn(error)
  })
}

/** Gives the session of an id, `undefined` where there is none. */
Store.prototype.load = function (id, fn) {
  this.get(id, (error, record) => {
    if (error) return fn(error)
    if (!record) return fn()
    fn(null, this.createSession({ sessionID: id, sessionStore: this }, record))
  })
}

/** Makes a request's session of a record; its cookie is the record's own. */
Store.prototype.createSession = function (req, record) {
  const expires = record.cookie.expires
  const originalMaxAge = record.cookie.originalMaxAge
  const cookie = record.cookie = new Cookie(record.cookie)
  if (typeof expires === 'string') cookie.expires = new Date(expires)
  cookie.originalMaxAge = originalMaxAge
  return (req.session = new Session(req, record))
}

module.exports = Store
