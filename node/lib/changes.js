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

/** JavaScript keeps such keys before all others, wherever they were set. */
const INTEGER = /^(0|[1-9]\d{0,9})$/

/** Returns the keys that stand behind others than before: who removes a key and sets it again has moved it to the end. */
function moved (before, now) {
  const places = new Map([...before.keys()].map((key, place) => [key, place]))
  let last = -1
  let isBehind = false
  const keys = []
  for (const key of now.keys()) {
    if (INTEGER.test(key)) continue
    const place = places.get(key)
    if (place === undefined) {
      isBehind = true
    } else if (isBehind || place < last) {
      keys.push(key)
      isBehind = true
    } else {
      last = place
    }
  }
  return keys
}

module.exports = { differs, moved, patch, snapshot, slice, isSame, Json }
