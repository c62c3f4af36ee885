'use strict'

// Calls of a store object: each calls back once, in bounded time, and never into the store's own `try`.

/** Tells that a store object did not call back. */
function timeout (method, ms) {
  const error = new Error(`the session store did not answer ${method} within ${ms} ms`)
  error.code = 'ESTORETIMEOUT'
  return error
}

/** Throws where no caller's `catch` takes it for its own: what the application throws is the process's to hear. */
function rethrow (error) {
  process.nextTick(() => { throw error })
}

/** Calls that wait for `ms` milliseconds at most: in the order in which they began, so that one timer does for all. */
class Waiting {
  constructor (ms) {
    this.ms = ms
    this.calls = new Set()
    this.timer = undefined
  }

  add (call) {
    call.end = performance.now() + this.ms
    this.calls.add(call)
    if (this.timer === undefined) this.arm(this.ms)
  }

  arm (ms) {
    this.timer = setTimeout(() => this.look(), ms)
    this.timer.unref?.()
  }

  /** Tells those whose time is up, and waits for the next. */
  look () {
    this.timer = undefined
    const now = performance.now()
    for (const call of this.calls) {
      if (call.end > now) {
        if (this.timer === undefined) this.arm(Math.ceil(call.end - now))
        return
      }
      this.calls.delete(call)
      call.expire()
    }
  }
}

const waits = new Map()

function waitOf (ms) {
  let wait = waits.get(ms)
  if (wait === undefined) waits.set(ms, wait = new Waiting(ms))
  return wait
}

/**
 * Calls `store[method](...args, callback)` and hands its outcome to `done`, once; at once where the store
 * calls back at once. A throw and a rejected promise are errors, silence is one after `ms` milliseconds.
 */
function call (store, method, args, ms, done) {
  let isCalling = true
  let outcome
  let waiting
  const settle = (error, value) => {
    if (outcome !== undefined) return
    outcome = [error, value]
    if (isCalling) return
    waitOf(ms).calls.delete(waiting)
    try {
      done(error, value)
    } catch (thrown) {
      rethrow(thrown)
    }
  }
  try {
    const returned = store[method](...args, settle)
    if (typeof returned?.catch === 'function') returned.catch(error => settle(error ?? new Error(`${method} failed`)))
  } catch (error) {
    settle(error ?? new Error(`${method} failed`))
  }
  isCalling = false
  if (outcome !== undefined) return done(...outcome)
  waiting = { end: 0, expire: () => settle(timeout(method, ms)) }
  waitOf(ms).add(waiting)
}

module.exports = { call, rethrow }
