'use strict'

// Sessions outside every request, for jobs: by their ids, by their users. No request is made up, and nothing lives longer.

const { randomBytes } = require('node:crypto')

const addon = require('./addon')
const { ask, tell } = require('./bell')
const { patch, slice, snapshot, Json } = require('./changes')
const { build, gone, Keeper } = require('./keeper')
const { isUrl, NativeStore } = require('./native')
const { inTurn } = require('./turns')
const { usersOf } = require('./users')
const Session = require('../session/session')

const STORE_TIMEOUT_MS = 10_000
const MOST_TRIES = 1000
/** What the core notes in a record; it is not the application's. */
const NOTE = '_ck'

/** One session, as it was when it was read: `data` is to be changed, `save` stores what was. */
class Kept {
  #shelf
  #base

  constructor (shelf, id, record) {
    this.#shelf = shelf
    /** The session's id. It opens the session to whoever has the secret: it belongs in no log. */
    this.id = id
    this.#show(record)
  }

  #show (record) {
    const { cookie, [NOTE]: note, ...data } = record
    this.data = data
    /** Who is signed in, `null` for nobody. */
    this.user = usersOf(record, this.#shelf.userKeys).user
    /** When its cookie ends, `null` where the browser decides. */
    this.expires = cookie?.expires ? new Date(cookie.expires) : null
    this.#base = snapshot(data)
  }

  /** Stores what was changed, over what is stored by now; a session that has ended stays ended: `ESESSIONGONE`. */
  async save () {
    const now = snapshot(this.data)
    const { set, removed } = patch(this.#base, now)
    for (const key of set) refuseReserved(key)
    if (set.length + removed.length === 0) return
    await this.#shelf.change(this.id, Object.fromEntries(set.map(key => [key, this.data[key]])), removed)
    this.#base = now
  }

  /** Changes one key by the value that it has by now; `change` may be called several times. */
  async update (key, change) {
    refuseReserved(key)
    const value = await this.#shelf.update(this.id, key, change, this.#base.get(key))
    this.data[key] = value
    const sliced = slice(value)
    if (sliced === undefined) this.#base.delete(key)
    else this.#base.set(key, sliced)
    return value
  }

  /** Reads it again; what was not saved is gone. */
  async reload () {
    const record = await this.#shelf.read(this.id)
    if (record === undefined) throw gone()
    this.#show(record)
  }

  /** Ends it, on every server; says whether it was there. */
  end () { return this.#shelf.end(this.id) }
}

function refuseReserved (key) {
  if (key !== NOTE && key !== 'cookie' && !Session.isReserved(key)) return
  const error = new TypeError(`a session cannot keep data under ${key}`)
  error.code = 'ERESERVEDKEY'
  throw error
}

/** The sessions of a store, for jobs. */
class Manager {
  #shelf

  constructor (store, options) {
    if (!isUrl(store) && typeof store?.get !== 'function') throw new TypeError('a manager takes a store, or the URL of one')
    const opened = isUrl(store) ? new NativeStore(store, options) : store
    this.#shelf = opened instanceof NativeStore ? new NativeShelf(opened, options) : new ObjectShelf(opened, options)
  }

  /** Opens the session of an id; `null` where there is none. */
  async open (id) {
    const record = await this.#shelf.read(text(id, 'an id'))
    return record === undefined ? null : new Kept(this.#shelf, id, record)
  }

  /** Ends the session of an id; says whether it was there. */
  async end (id) { return this.#shelf.end(text(id, 'an id')) }

  /** Opens the sessions in which a user is signed in. */
  async sessionsOf (user) {
    const found = await this.#shelf.recordsOf(String(user))
    const own = found.filter(([, record]) => usersOf(record, this.#shelf.userKeys).user === String(user))
    return own.map(([id, record]) => new Kept(this.#shelf, id, record))
  }

  /** Ends all sessions of a user, on every server; says how many. */
  async endSessionsOf (user) { return this.#shelf.endOf(String(user)) }

  /** Sets the roles that guards look at in all sessions of a user; says in how many. */
  async setRolesOf (user, roles) {
    if (!Array.isArray(roles)) throw new TypeError('roles are a list')
    return this.#shelf.setRolesOf(String(user), roles.map(String))
  }
}

function text (value, what) {
  if (typeof value !== 'string' || value === '') throw new TypeError(`${what} is a text`)
  return value
}

/** Sessions in one of the core's own stores. */
class NativeShelf {
  constructor (store, options) {
    this.store = store
    this.options = options
    this.userKeys = options.userKeys
  }

  async keep () {
    if (this.kept === undefined) {
      await promised(done => this.store.open(done))
      const secrets = [].concat(this.options.secret ?? randomBytes(48).toString('base64'))
      const { userKeys, storeTimeout: storeTimeoutMs } = this.options
      const wire = tell(addon.layer, 'connect.sid', secrets, false)
      this.kept = tell(addon.keep, this.store.place, wire, JSON.stringify({ userKeys, storeTimeoutMs }))
    }
    return this.kept
  }

  async job (id, job) {
    const keep = await this.keep()
    return promised(done => ask(addon.job, keep, [id, JSON.stringify(job)], done))
  }

  async read (id) {
    const found = await this.job(id, 'read')
    return found === '' ? undefined : JSON.parse(found)
  }

  /** Runs one write of a session after another: those of a process need not find out that they met. */
  inTurn (id, run) {
    return new Promise((resolve, reject) => inTurn(this.store, id, end => { run().finally(end).then(resolve, reject) }))
  }

  async change (id, set, removed) {
    const job = { change: { set: Object.entries(set), removed } }
    if (await this.inTurn(id, () => this.job(id, job)) !== 'true') throw gone()
  }

  /** `known` is what the key had when it was read. */
  update (id, key, change, known) {
    return this.inTurn(id, () => this.exchange(id, key, change, known))
  }

  async exchange (id, key, change, known) {
    let expected = known === undefined ? '' : JSON.stringify(known instanceof Json ? JSON.parse(known.text) : known)
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const value = change(expected === '' || expected === 'null' ? undefined : JSON.parse(expected))
      const answer = await this.job(id, { exchange: { key, expected, next: plain(value) } })
      if (answer === '=') return value
      if (answer === '!') throw gone()
      expected = answer
    }
    throw new Error('the value was changed by others too often')
  }

  async end (id) { return await this.job(id, 'end') === 'true' }

  async recordsOf (user) {
    const ids = JSON.parse(await this.job('', { sessionsOf: { user } }))
    const found = await Promise.all(ids.map(async id => [id, await this.read(id)]))
    return found.filter(([, record]) => record !== undefined)
  }

  async endOf (user) {
    const keep = await this.keep()
    return Number(await promised(done => ask(addon.endSessionsOf, keep, [user], done)))
  }

  async setRolesOf (user, roles) { return Number(await this.job('', { setRolesOf: { user, roles } })) }
}

/** Returns what a record would have of a value, `null` where it would have nothing. */
function plain (value) {
  const sliced = slice(value)
  return sliced instanceof Json ? JSON.parse(sliced.text) : sliced ?? null
}

/** Sessions in a store object. */
class ObjectShelf {
  constructor (store, { userKeys, storeTimeout }) {
    this.store = store
    this.userKeys = userKeys
    this.keeper = new Keeper(store, storeTimeout ?? STORE_TIMEOUT_MS)
  }

  read (id) { return promised(done => this.keeper.read(id, done)) }

  /** Writes what `make` makes of the data that is stored by now; the cookie stays, and with it the end. */
  rewrite (id, make) {
    const remade = record => {
      const data = { ...record }
      make(data)
      return build({ sessionID: id, sessionStore: this.store }, data)
    }
    return promised(done => this.keeper.rewrite(id, remade, done))
  }

  async change (id, set, removed) {
    await this.rewrite(id, data => {
      for (const key of removed) delete data[key]
      Object.assign(data, set)
    })
  }

  async update (id, key, change) {
    let value
    await this.rewrite(id, data => { data[key] = value = change(data[key] ?? undefined) })
    return value
  }

  async end (id) {
    if (await this.read(id) === undefined) return false
    await promised(done => this.keeper.destroy(id, done))
    return true
  }

  async recordsOf (user) {
    const all = await promised(done => this.keeper.list(done))
    return all.filter(([, record]) => usersOf(record, this.userKeys).users.includes(user))
  }

  async endOf (user) {
    const found = await this.recordsOf(user)
    for (const [id] of found) await promised(done => this.keeper.destroy(id, done))
    return found.length
  }

  async setRolesOf (user, roles) {
    let count = 0
    for (const [id] of await this.recordsOf(user)) {
      let isTheirs = false
      const make = data => {
        isTheirs = usersOf(data, this.userKeys).user === user
        if (isTheirs) data.roles = roles
      }
      try {
        await this.rewrite(id, make)
        if (isTheirs) count += 1
      } catch (error) {
        // One that has ended meanwhile needs no roles.
        if (error.code !== 'ESESSIONGONE') throw error
      }
    }
    return count
  }
}

function promised (run) {
  return new Promise((resolve, reject) => run((error, value) => error ? reject(error) : resolve(value)))
}

/**
 * Opens the sessions of a store for jobs: of a store object of express-session's kind, or of one of the core's own by its URL.
 *
 * @param {object} [options] `userKeys`, `storeTimeout`, and for a URL `prefix`, `mixedFleet`, `near`, as the middleware has them.
 */
function manager (store, options = {}) {
  return new Manager(store, options)
}

module.exports = { manager }
