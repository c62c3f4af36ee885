'use strict'

// What a request changed: each key's value beside the one that was loaded, by the JSON that a record would have of it.

/** Holds the JSON of an object, so that it is not taken for a text of the same characters. */
class Json {
  constructor (text) { this.text = text }
}

/** Returns what a record would have of a value, `undefined` where it would have nothing. */
function slice (value) {
  switch (typeof value) {
    case 'string': case 'boolean': return value
    case 'number': return Number.isFinite(value) ? value : null
    case 'object': if (value === null) return null; break
    case 'undefined': case 'function': case 'symbol': return undefined
  }
  const text = JSON.stringify(value)
  return text === undefined ? undefined : new Json(text)
}

function isSame (a, b) {
  return a === b || (a instanceof Json && b instanceof Json && a.text === b.text)
}

/** Returns the session's data as it stands: a map from key to slice, in the session's order. */
function snapshot (session) {
  const slices = new Map()
  for (const key of Object.keys(session)) {
    if (key === 'cookie') continue
    const value = slice(session[key])
    if (value !== undefined) slices.set(key, value)
  }
  return slices
}

/** Says whether two snapshots differ, were it in their keys' order. */
function differs (before, now) {
  if (before.size !== now.size) return true
  const keys = before.keys()
  for (const [key, value] of now) {
    if (keys.next().value !== key || !isSame(before.get(key), value)) return true
  }
  return false
}

/** Returns what leads from one snapshot to another: the keys that were set, and those that were removed. */
function patch (before, now) {
  const set = []
  for (const [key, value] of now) {
    if (!isSame(before.get(key), value)) set.push(key)
  }
  const removed = []
  for (const key of before.keys()) {
    if (!now.has(key)) removed.push(key)
  }
  return { set, removed }
}

module.exports = { differs, patch, snapshot, slice, isSame, Json }
