'use strict'

// The store in this process's memory, for development and tests; `sessions` holds the records' JSON by id.

const Store = require('./store')

/** Keeps sessions in this process: they are gone when it ends, and no other process sees them. */
function MemoryStore () {
  Store.call(this)
  this.sessions = Object.create(null)
}

Object.setPrototypeOf(MemoryStore.prototype, Store.prototype)

/** Returns the live record of an id; one whose time is up is removed. */
function live (store, id) {
  const text = store.sessions[id]
  if (!text) return undefined
  const record = JSON.parse(text)
  const expires = record.cookie?.expires
  if (expires && new Date(expires) <= Date.now()) {
    delete store.sessions[id]
    return undefined
  }
  return record
}

const later = (fn, ...results) => { if (fn) setImmediate(fn, ...results) }

MemoryStore.prototype.all = function (fn) {
  const found = Object.create(null)
  for (const id of Object.keys(this.sessions)) {
    const record = live(this, id)
    if (record !== undefined) found[id] = record
  }
  later(fn, null, found)
}

MemoryStore.prototype.clear = function (fn) {
  this.sessions = Object.create(null)
  later(fn)
}

MemoryStore.prototype.destroy = function (id, fn) {
  delete this.sessions[id]
  later(fn)
}

MemoryStore.prototype.get = function (id, fn) {
  setImmediate(fn, null, live(this, id))
}

MemoryStore.prototype.length = function (fn) {
  this.all((error, found) => error ? fn(error) : fn(null, Object.keys(found).length))
}

MemoryStore.prototype.set = function (id, session, fn) {
  this.sessions[id] = JSON.stringify(session)
  later(fn)
}

/** Moves a session's end; its data stays as it is stored. */
MemoryStore.prototype.touch = function (id, session, fn) {
  const record = live(this, id)
  if (record !== undefined) {
    record.cookie = session.cookie
    this.sessions[id] = JSON.stringify(record)
  }
  later(fn)
}

module.exports = MemoryStore
