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

/** So many keys are looked for one by one; more by an index. */
const FEW = 16

/** The slices of a session by their keys, in the session's order. Made for each request, so two lists and no `Map`. */
class Snapshot {
  constructor () {
    this.keys = []
    this.values = []
    this.index = undefined
  }

  get size () { return this.keys.length }

  /** Returns where a key is, -1 where it is not; most are where they were. */
  at (key, hint = -1) {
    if (this.keys[hint] === key) return hint
    if (this.keys.length <= FEW) return this.keys.indexOf(key)
    this.index ??= new Map(this.keys.map((key, at) => [key, at]))
    return this.index.get(key) ?? -1
  }

  has (key) { return this.at(key) !== -1 }
  get (key) { return this.values[this.at(key)] }

  set (key, value) {
    const at = this.at(key)
    if (at !== -1) this.values[at] = value
    else this.push(key, value)
  }

  push (key, value) {
    this.index?.set(key, this.keys.length)
    this.keys.push(key)
    this.values.push(value)
  }

  delete (key) {
    const at = this.at(key)
    if (at === -1) return
    this.keys.splice(at, 1)
    this.values.splice(at, 1)
    this.index = undefined
  }
}

/** Returns the session's data as it stands. */
function snapshot (session) {
  const slices = new Snapshot()
  for (const key of Object.keys(session)) {
    if (key === 'cookie') continue
    const value = slice(session[key])
    if (value !== undefined) slices.push(key, value)
  }
  return slices
}

/** Says whether two snapshots differ, were it in their keys' order. */
function differs (before, now) {
  if (before.size !== now.size) return true
  for (let at = 0; at < now.size; at++) {
    if (before.keys[at] !== now.keys[at] || !isSame(before.values[at], now.values[at])) return true
  }
  return false
}

/** Returns what leads from one snapshot to another: the keys that were set, and those that were removed. */
function patch (before, now) {
  const set = now.keys.filter((key, at) => {
    const was = before.at(key, at)
    return was === -1 || !isSame(before.values[was], now.values[at])
  })
  const removed = before.keys.filter((key, at) => now.at(key, at) === -1)
  return { set, removed }
}

/** JavaScript keeps such keys before all others, wherever they were set. */
const INTEGER = /^(0|[1-9]\d{0,9})$/

/** Returns the keys that stand behind others than before: who removes a key and sets it again has moved it to the end. */
function moved (before, now) {
  let last = -1
  let isBehind = false
  const keys = []
  for (const [at, key] of now.keys.entries()) {
    if (INTEGER.test(key)) continue
    const place = before.at(key, at)
    if (place === -1) {
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

module.exports = { differs, moved, patch, snapshot, slice, isSame, Json, Snapshot }
