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

/**
 * Calls `store[method](...args, callback)` and hands its outcome to `done`, once; at once where the store
 * calls back at once. A throw and a rejected promise are errors, silence is one after `ms` milliseconds.
 */
function call (store, method, args, ms, done) {
  let isCalling = true
  let outcome
  let timer
  const settle = (error, value) => {
    if (outcome !== undefined) return
    outcome = [error, value]
    if (isCalling) return
    clearTimeout(timer)
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
  timer = setTimeout(() => settle(timeout(method, ms)), ms)
  timer.unref?.()
}

module.exports = { call, rethrow }
