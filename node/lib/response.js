'use strict'

// A response's fields, of whatever kind the response is: HTTP/1, HTTP/2's compatible one, or a stand-in.

/** Adds a Set-Cookie field to those that are there; too late once the head has left. */
function addSetCookie (res, field) {
  if (res.headersSent || typeof res.setHeader !== 'function') return
  const before = typeof res.getHeader === 'function' ? res.getHeader('Set-Cookie') : undefined
  if (before === undefined || before === null) res.setHeader('Set-Cookie', [field])
  else res.setHeader('Set-Cookie', [].concat(before, field))
}

/** Returns the fields that a response has by now, `undefined` where it has none or cannot say. */
function fields (res) {
  if (typeof res.getHeaderNames !== 'function') return undefined
  return res.getHeaderNames().length === 0 ? undefined : res.getHeaders()
}

/** Gives a response that is not sent yet the status and the fields that it began with. */
function reset (res, before = {}) {
  if (typeof res.getHeaderNames === 'function') {
    for (const name of res.getHeaderNames()) res.removeHeader(name)
    for (const name of Object.keys(before)) res.setHeader(name, before[name])
  }
  res.statusCode = 200
  if (res.statusMessage !== undefined) res.statusMessage = undefined
}

/** Sets what `writeHead` was given as fields: an object, a flat list of names and values, or a list of pairs. */
function applyFields (res, given) {
  if (!Array.isArray(given)) {
    for (const name of Object.keys(given)) if (name) res.setHeader(name, given[name])
    return
  }
  const pairs = Array.isArray(given[0]) ? given : Array.from({ length: given.length / 2 }, (_, i) => given.slice(2 * i, 2 * i + 2))
  const seen = new Map()
  for (const [name, value] of pairs) {
    const key = String(name).toLowerCase()
    const values = seen.has(key) ? seen.get(key).concat(value) : value
    seen.set(key, Array.isArray(values) ? values : [].concat(values))
    res.setHeader(name, seen.get(key).length === 1 && !Array.isArray(value) ? value : seen.get(key))
  }
}

/** Calls `fn` once the answer has gone out, or its client has gone. */
function afterwards (res, fn) {
  if (typeof res.once !== 'function' || res.writableFinished || res.destroyed) return setImmediate(fn)
  let isCalled = false
  const once = () => {
    if (isCalled) return
    isCalled = true
    fn()
  }
  res.once('finish', once)
  res.once('close', once)
}

module.exports = { addSetCookie, afterwards, applyFields, fields, reset }
