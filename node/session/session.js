'use strict'

// What a handler holds: data as plain properties, the cookie, and methods that do not show among them.

const { visitOf } = require('../lib/visits')

/** Holds one visitor's data for as long as one request runs; keys that the prototype has itself are left out. */
function Session (req, data) {
  Object.defineProperty(this, 'req', { value: req })
  Object.defineProperty(this, 'id', { value: req.sessionID })
  if (typeof data !== 'object' || data === null) return
  for (const key in data) {
    if (!(key in this)) this[key] = data[key]
  }
}

/** Returns what a method of the callback style comes to: `this`, or a promise where there is no callback. */
function either (session, fn, run) {
  if (fn !== undefined && fn !== null) {
    run(fn)
    return session
  }
  const promise = new Promise((resolve, reject) => run(error => error ? reject(error) : resolve()))
  // Whoever does not look at it, as Express's applications do not, must not end the process by it.
  promise.catch(() => {})
  return promise
}

const methods = {
  /** Begins the cookie's lifetime anew; in memory, the end of the request stores it. */
  touch () { return this.resetMaxAge() },

  resetMaxAge () {
    this.cookie.maxAge = this.cookie.originalMaxAge
    return this
  },

  /** Stores the session now instead of at the end of the request. */
  save (fn) {
    return either(this, fn, done => {
      const visit = visitOf(this.req)
      if (visit === undefined) this.req.sessionStore.set(this.id, this, done)
      else visit.save(this, done)
    })
  },

  /** Reads the session again: `req.session` is then a new object, and what was not saved is gone. */
  reload (fn) {
    return either(this, fn, done => {
      const visit = visitOf(this.req)
      if (visit === undefined) reload(this.req, this.id, done)
      else visit.reload(this, done)
    })
  },

  /** Ends the session, here and for every request that still runs with it. */
  destroy (fn) {
    return either(this, fn, done => {
      const visit = visitOf(this.req)
      delete this.req.session
      if (visit === undefined) this.req.sessionStore.destroy(this.id, done)
      else visit.destroy(this, done)
    })
  },

  /** Begins another session, with another id and without data, in the place of this one. */
  regenerate (fn) {
    return either(this, fn, done => {
      const visit = visitOf(this.req)
      if (visit === undefined) this.req.sessionStore.regenerate(this.req, done)
      else visit.regenerate(this, done)
    })
  }
}

function reload (req, id, done) {
  req.sessionStore.get(id, (error, record) => {
    if (error) return done(error)
    if (!record) return done(new Error('failed to load session'))
    req.sessionStore.createSession(req, record)
    done()
  })
}

/** Adds a method that does not show among the data. */
function define (name, value) {
  Object.defineProperty(Session.prototype, name, { configurable: true, enumerable: false, value, writable: true })
}

for (const name of Object.keys(methods)) define(name, methods[name])

module.exports = Session
module.exports.define = define
module.exports.either = either
