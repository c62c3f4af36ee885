'use strict'

// Sessions in a store object of express-session's kind: read, written over what is stored by now, never brought back.

const Cookie = require('../session/cookie')
const Session = require('../session/session')
const { call } = require('./calls')
const { differs, patch, snapshot } = require('./changes')
const { inTurn } = require('./turns')

/** Returns the error of a session that ended while a request ran. */
function gone () {
  const error = new Error('nothing was saved: the session has ended meanwhile')
  error.code = 'ESESSIONGONE'
  error.status = error.statusCode = 409
  return error
}

class Keeper {
  constructor (store, timeoutMs) {
    this.store = store
    this.timeoutMs = timeoutMs
    // Looked for once, as express-session does; everything else when it is called.
    this.touches = typeof store.touch === 'function'
  }

  /** Reads a record; `undefined` where there is none. */
  read (id, done) {
    this.call('get', [id], (error, record) => {
      if (error && error.code !== 'ENOENT') return done(error)
      done(null, error || !record ? undefined : record)
    })
  }

  /** Stores a session that begins. */
  create (id, session, done) {
    this.call('set', [id, session], done)
  }

  /**
   * Stores what a request changed, over what is stored by now. `base` is what the request read or stored last.
   * A session that is gone stays gone: `done` has its error.
   */
  update (id, session, base, done) {
    inTurn(this.store, id, end => {
      const finish = error => {
        end()
        done(error)
      }
      this.read(id, (error, record) => {
        if (error) return finish(error)
        if (record === undefined) return finish(gone())
        let merged
        try {
          merged = merge(record, session, base)
        } catch (error) {
          return finish(error)
        }
        this.call('set', [id, merged], finish)
      })
    })
  }

  /** Moves a session's end. */
  touch (id, session, done) {
    inTurn(this.store, id, end => {
      this.call('touch', [id, session], error => {
        end()
        done(error)
      })
    })
  }

  destroy (id, done) {
    inTurn(this.store, id, end => {
      this.call('destroy', [id], error => {
        end()
        done(error)
      })
    })
  }

  /** Lets the store begin another session in the place of a request's own. */
  regenerate (req, done) {
    inTurn(this.store, req.sessionID, end => {
      this.call('regenerate', [req], error => {
        end()
        done(error)
      })
    })
  }

  call (method, args, done) {
    call(this.store, method, args, this.timeoutMs, done)
  }
}

/** Returns what is to be stored: the session itself where nobody else wrote, else its changes over the record. */
function merge (record, session, base) {
  const stored = snapshot(record)
  if (!differs(base, stored)) return session
  const { set, removed } = patch(base, snapshot(session))
  const data = { cookie: session.cookie, ...record }
  for (const key of removed) delete data[key]
  for (const key of set) data[key] = session[key]
  data.cookie = session.cookie
  return new Session({ sessionID: session.id, sessionStore: session.req?.sessionStore }, data)
}

/** Makes a request's session of a record, by the store's own way where a store has one. */
function inflate (store, req, record) {
  if (!overridesCreate(store)) return (req.session = build(req, record))
  const session = store.createSession(req, record)
  return (req.session = session instanceof Session ? session : adopt(req, session))
}

function build (req, record) {
  const expires = record.cookie.expires
  const originalMaxAge = record.cookie.originalMaxAge
  const cookie = new Cookie(record.cookie)
  if (typeof expires === 'string') cookie.expires = new Date(expires)
  cookie.originalMaxAge = originalMaxAge
  const session = new Session(req, record)
  session.cookie = cookie
  return session
}

/** Takes over what another package's session holds. */
function adopt (req, other) {
  const own = new Session(req, other)
  own.cookie = other.cookie instanceof Cookie ? other.cookie : build(req, { cookie: other.cookie.data ?? other.cookie }).cookie
  return own
}

/** Says whether the store makes sessions in a way of its own: what has all of the base class's methods is that. */
function overridesCreate (store) {
  let owner = store
  while (owner !== null && !Object.hasOwn(owner, 'createSession')) owner = Object.getPrototypeOf(owner)
  return owner !== null && !(Object.hasOwn(owner, 'load') && Object.hasOwn(owner, 'regenerate'))
}

module.exports = { Keeper, gone, inflate }
