'use strict'

// Stores that the core has itself, by URL: a store object of express-session's kind for jobs, and what a
// middleware's requests are served by.

const addon = require('./addon')
const { ask, tell } = require('./bell')
const Store = require('../session/store')

const SCHEME = /^(memory|sqlite|rediss?(\+\w+)?|postgres(ql)?|mongodb(\+srv)?):/
/** A session whose cookie has no end is kept for a day, as connect-redis keeps it. */
const DAY_MS = 24 * 60 * 60 * 1000

/** Says whether an option names a store by its URL. */
function isUrl (store) {
  return typeof store === 'string' && SCHEME.test(store)
}

/** Keeps sessions in one of the core's own stores. `prefix`, `mixedFleet` and `near` (ms) are its options. */
function NativeStore (url, { prefix, mixedFleet, near } = {}) {
  Store.call(this)
  if (!isUrl(url)) throw new TypeError('a store is an object, or one of the URLs memory:, sqlite:, redis:, postgres:, mongodb:')
  const options = JSON.stringify({ prefix, mixedFleet, nearMs: near })
  Object.defineProperty(this, 'place', { value: tell(addon.place, url, options) })
  Object.defineProperty(this, 'state', { value: { isOpen: false, waiting: undefined } })
  this.open(() => {})
}

Object.setPrototypeOf(NativeStore.prototype, Store.prototype)

/** Connects, unless that is done; whoever comes meanwhile waits with the first. A failure is tried again by the next. */
NativeStore.prototype.open = function (done) {
  const { state } = this
  if (state.isOpen) return done()
  if (state.waiting !== undefined) return state.waiting.push(done)
  const waiting = state.waiting = [done]
  ask(addon.connect, this.place, [], error => {
    state.isOpen = !error
    state.waiting = undefined
    for (const one of waiting) one(error)
  })
}

/** How many requests' sessions go together: what JavaScript holds of the core is dear to collect. */
const TOGETHER = 16

/** A middleware's sessions in a store, and room for those of its next requests. */
class Keep {
  #visits
  #used = TOGETHER

  constructor (core) { this.core = core }

  /** Returns where the next request's session goes. */
  visits () {
    if (this.#used === TOGETHER) {
      this.#visits = tell(addon.visits, this.core)
      this.#used = 0
    }
    return this.#visits
  }

  /** Returns its number there. */
  next () { return this.#used++ }
}

function operate (store, method, id, text, expires, done) {
  store.open(error => {
    if (error) return done(error)
    ask(addon.storeOp, store.place, [method, String(id), text, expires], done)
  })
}

const ignore = () => {}

function endOf ({ cookie }) {
  const expires = cookie?.expires
  return expires ? new Date(expires).getTime() : Date.now() + DAY_MS
}

NativeStore.prototype.get = function (id, fn) {
  operate(this, 'get', id, '', 0, (error, text) => error ? fn(error) : fn(null, text === '' ? undefined : JSON.parse(text)))
}

NativeStore.prototype.set = function (id, session, fn = ignore) {
  operate(this, 'set', id, JSON.stringify(session), endOf(session), error => fn(error))
}

NativeStore.prototype.touch = function (id, session, fn = ignore) {
  operate(this, 'touch', id, '', endOf(session), error => fn(error))
}

NativeStore.prototype.destroy = function (id, fn = ignore) {
  operate(this, 'destroy', id, '', 0, error => fn(error))
}

NativeStore.prototype.length = function (fn) {
  operate(this, 'length', '', '', 0, (error, text) => error ? fn(error) : fn(null, Number(text)))
}

NativeStore.prototype.clear = function (fn = ignore) {
  operate(this, 'clear', '', '', 0, error => fn(error))
}

NativeStore.prototype.ids = function (fn) {
  operate(this, 'ids', '', '', 0, (error, text) => error ? fn(error) : fn(null, JSON.parse(text)))
}

NativeStore.prototype.all = function (fn) {
  this.ids((error, ids) => {
    if (error) return fn(error)
    const found = Object.create(null)
    let left = ids.length
    if (left === 0) return fn(null, found)
    let failed
    for (const id of ids) {
      this.get(id, (error, record) => {
        failed ??= error
        if (record) found[id] = record
        if (--left === 0) failed ? fn(failed) : fn(null, found)
      })
    }
  })
}

module.exports = { Keep, NativeStore, isUrl }
