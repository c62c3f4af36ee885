'use strict'

// What a handler holds: data as plain properties, the cookie, and methods that do not show among them.

const { visitOf } = require('../lib/visits')

/** Holds one visitor's data for as long as one request runs; keys that the prototype has itself are left out. */
function Session (req, data) {
  Object.defineProperty(this, 'req', { value: req })
  Object.defineProperty(this, 'id', { value: req.sessionID })
  if (typeof data !== 'object' || data === null) return
  for (const key in data) {
    if (!isReserved(key, this)) this[key] = data[key]
  }
}

/** The names of methods that express-session does not have: data of these names goes before them. */
const OWN = new Set()

/** Says whether a key of a record is left out, as express-session leaves it out: its own members have that name. */
function isReserved (key, session = Session.prototype) {
  return key === 'req' || key === 'id' || (key in session && !OWN.has(key))
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
  /** Begins the cookie's lifetime again; in memory, the end of the request stores it. */
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

/**
 * What express-session never had; each takes a callback, or gives a promise.
 *
 * `renew()`: another id, the data stays. `update(key, fn)`: a key changed by the value that it has by now. `login(user)`,
 * `logout()`, `devices()`, `endDevice(handle)`, `endOthers()`, `endAll()`: what the user's account can do. `ended()`: why
 * the session ended, once it did.
 */
const accounts = {
  renew: ['renew'],
  update: ['update', 'key', 'change'],
  login: ['login', 'user'],
  logout: ['logout'],
  devices: ['devices'],
  endDevice: ['endDevice', 'handle'],
  endOthers: ['endOthers'],
  endAll: ['endAll'],
  ended: ['ended']
}

for (const name of Object.keys(accounts)) {
  const count = accounts[name].length - 1
  OWN.add(name)
  define(name, function (...args) {
    const fn = typeof args[count] === 'function' ? args[count] : undefined
    return answer(fn, done => {
      const visit = visitOf(this.req)
      if (visit === undefined) return done(new Error(`${name} needs a request that a middleware has given its session`))
      visit[name](...args.slice(0, count), done)
    })
  })
}

/** Hands an outcome to a callback, or to whoever holds the promise. */
function answer (fn, run) {
  if (fn !== undefined) return run(fn)
  const promise = new Promise((resolve, reject) => run((error, value) => error ? reject(error) : resolve(value)))
  promise.catch(() => {})
  return promise
}

module.exports = Session
module.exports.isReserved = isReserved
module.exports.answer = answer
