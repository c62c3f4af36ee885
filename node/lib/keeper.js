'use strict'

// Sessions in a store object of express-session's kind: read, written over what is stored by now, never brought back.

const Cookie = require('../session/cookie')
const Session = require('../session/session')
const { call } = require('./calls')
const { differs, patch, snapshot } = require('./changes')
const { comparerOf } = require('./comparers')
const { inTurn } = require('./turns')

/** How often a write is tried again over what others write meanwhile. */
const MOST_TRIES = 100

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

  /** Reads a record; `undefined` where there is none. With it comes its text, where a write can compare with that. */
  read (id, done) {
    const comparer = comparerOf(this.store)
    if (comparer?.readsAsStore === true) return this.readText(comparer, id, done)
    this.readRecord(id, done)
  }

  readText (comparer, id, done) {
    this.ask(comparer, 'read', [id], (error, text) => {
      if (error || text === undefined) return done(error)
      if (typeof text !== 'string') return this.readRecord(id, done)
      const record = tried(() => JSON.parse(text), done)
      if (record !== undefined) done(null, record || undefined, text)
    })
  }

  readRecord (id, done) {
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
   * Stores what a request changed, over what is stored by now. `base` is what the request read or stored last,
   * `text` the record that it read, where nothing was stored since and that is known.
   * A session that is gone stays gone: `done` has its error.
   */
  update (id, session, base, text, done) {
    this.rewrite(id, record => merge(record, session, base), done, text === undefined ? undefined : { text, session })
  }

  /** Stores what `make` makes of the record that is stored by now; it may be called several times. */
  rewrite (id, make, done, first) {
    inTurn(this.store, id, end => {
      const finish = error => {
        end()
        done(error)
      }
      const comparer = comparerOf(this.store)
      if (comparer === undefined) this.overwrite(id, make, finish)
      else if (first === undefined) this.exchange(comparer, id, make, finish, MOST_TRIES)
      else this.swap(comparer, id, make, finish, first)
    })
  }

  /** Reads, and writes what the changes make of it. Another process may write in between. */
  overwrite (id, make, done) {
    this.read(id, (error, record) => {
      if (error) return done(error)
      if (record === undefined) return done(gone())
      const merged = tried(() => make(record), done)
      if (merged !== undefined) this.call('set', [id, merged], done)
    })
  }

  /** Writes over what the request itself read, where that is still there: mostly it is, and it need not be read again. */
  swap (comparer, id, make, done, { text, session }) {
    this.ask(comparer, 'write', [id, text, session], (error, isWritten) => {
      if (error || isWritten) return done(error)
      this.exchange(comparer, id, make, done, MOST_TRIES)
    })
  }

  /** The same where the store's own client can write only over what was read: nobody writes in between. */
  exchange (comparer, id, make, done, tries) {
    this.ask(comparer, 'read', [id], (error, text) => {
      if (error) return done(error)
      if (typeof text !== 'string') return text === undefined ? done(gone()) : this.overwrite(id, make, done)
      const merged = tried(() => make(JSON.parse(text)), done)
      if (merged === undefined) return
      this.ask(comparer, 'write', [id, text, merged], (error, isWritten) => {
        if (error || isWritten) return done(error)
        if (tries === 0) return done(conflict())
        this.exchange(comparer, id, make, done, tries - 1)
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

  /** Lists the sessions that the store can list: pairs of an id and a record. */
  list (done) {
    if (typeof this.store.all !== 'function') return done(unlisted())
    this.call('all', [], (error, found) => {
      if (error) return done(error)
      if (!Array.isArray(found)) return done(null, Object.entries(found ?? {}))
      if (found.some(record => typeof record?.id !== 'string')) return done(unlisted())
      done(null, found.map(({ id, ...record }) => [id, record]))
    })
  }

  ask (comparer, method, args, done) {
    call(callbacks(comparer), method, args, this.timeoutMs, done)
  }

  call (method, args, done) {
    call(this.store, method, args, this.timeoutMs, done)
  }
}

function unlisted () {
  const error = new Error('this store object cannot list sessions with their ids: give the store by its URL')
  error.code = 'ENOTLISTED'
  return error
}

function conflict () {
  const error = new Error('the session was changed by others too often to be saved')
  error.code = 'ESESSIONCONFLICT'
  error.status = error.statusCode = 503
  return error
}

/** Returns what `make` does, or tells `done` why it did not. */
function tried (make, done) {
  try {
    return make()
  } catch (error) {
    done(error)
  }
}

/** The methods of an object that give promises, in the callback style. */
function callbacks (object) {
  const method = name => (...args) => {
    const fn = args.pop()
    object[name](...args).then(value => fn(null, value), fn)
  }
  return { read: method('read'), write: method('write') }
}

/** Returns what is to be stored: the session itself where nobody else wrote, else its changes over the record. */
function merge (record, session, base) {
  return differs(base, snapshot(record)) ? laidOver(record, session, base) : session
}

/** Returns the record with what a request changed. */
function laidOver (record, session, base) {
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
  const session = new Session(req, record)
  session.cookie = Cookie.of(record.cookie)
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

module.exports = { Keeper, build, gone, inflate, laidOver }
