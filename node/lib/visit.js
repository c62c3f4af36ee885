'use strict'

// One request on a store object: what it found, what it did, and what is to be done when its head is about to leave.

const addon = require('./addon')
const { serialize } = require('./attributes')
const { ask } = require('./bell')
const { differs, snapshot, Snapshot } = require('./changes')
const { devices, endAll, endDevice, endOthers, login, renew, update } = require('./account')
const { COOKIE, FACT, STORE } = require('./facts')
const { inflate } = require('./keeper')
const { UnderWay } = require('./under-way')

const EPOCH = new Date(0)
const NOTHING = new Snapshot()

class Visit {
  constructor (layer, wire, req, ticket) {
    this.layer = layer
    this.wire = wire
    this.req = req
    /** The id by which the client came, if there is a session under it. */
    this.shown = undefined
    this.isOutdated = ticket?.isOutdated ?? false
    this.originalId = undefined
    /** The data that the request began with, and the last that it read or stored. */
    this.base = NOTHING
    this.known = NOTHING
    /** The record's text, if the store can compare with it and nothing was stored since. */
    this.text = undefined
    this.cookie = undefined
    /** What this request stored, and under which id. */
    this.savedId = undefined
    this.saved = undefined
    this.touched = undefined
    this.isDestroyed = false
    /** The data as they were when the plan was made. */
    this.now = undefined
    /** Whether a save of the handler's own is under way, and what waits for it. */
    this.underWay = new UnderWay()
  }

  /** Begins a session that the client does not have. */
  begin () {
    this.layer.store.generate(this.req)
    this.note(snapshot(this.req.session))
  }

  /** Opens the session that the store has. */
  open (record, text) {
    this.text = text
    const session = inflate(this.layer.store, this.req, record)
    this.shown = session.id
    this.cookie = session.cookie
    // What the record has and the session does not is to be removed from it.
    this.note(snapshot(record))
  }

  note (base) {
    this.originalId = this.req.sessionID
    this.base = this.known = base
  }

  isNew (session) {
    return this.shown !== session.id
  }

  /** Stores the session: as a new one where the store has none under its id, else over what is there. */
  store (session, done, now = snapshot(session)) {
    const isStored = !this.isNew(session) || this.savedId === session.id
    const { savedId, saved, known, text } = this
    this.text = undefined
    this.savedId = session.id
    this.saved = this.known = now
    const underWay = this.underWay.begin()
    const finish = error => {
      underWay()
      if (error && this.saved === now) Object.assign(this, { savedId, saved, known })
      done(error)
    }
    const { keeper } = this.layer
    if (isStored) keeper.update(session.id, session, known, text, finish)
    else keeper.create(session.id, session, finish)
  }

  // What the session's own methods call.

  save (session, done) {
    try {
      this.touch(session)
      this.store(session, done)
    } catch (error) {
      done(error)
    }
  }

  reload (session, done) {
    this.layer.keeper.read(session.id, (error, record, text) => {
      if (error) return done(error)
      if (record === undefined) return done(new Error('failed to load session'))
      try {
        this.text = text
        const fresh = inflate(this.layer.store, this.req, record)
        // As express-session has it: whether it was modified is still asked of what the request began with.
        this.known = snapshot(record)
        if (this.savedId === fresh.id) this.saved = this.known
      } catch (error) {
        return done(error)
      }
      done()
    })
  }

  destroy (session, done) {
    this.isDestroyed = true
    this.layer.keeper.destroy(session.id, done)
  }

  regenerate (session, done) {
    this.layer.keeper.regenerate(this.req, done)
  }

  // What express-session never had.

  renew (done) { renew(this, done) }
  update (key, change, done) { update(this, key, change, done) }
  login (user, done) { login(this, user, done) }

  logout (done) {
    const { session } = this.req
    delete this.req.session
    this.destroy(session, done)
  }

  devices (done) { devices(this, done) }
  endDevice (handle, done) { endDevice(this, handle, done) }
  endOthers (done) { endOthers(this, done) }
  endAll (done) { endAll(this, done) }

  /** Asks the core whether the session may pass a guard. */
  admit (wanted, done) {
    try {
      ask(addon.admitRecord, this.layer.deskFor(this.wire), [JSON.stringify(this.req.session), wanted], done)
    } catch (error) {
      done(error)
    }
  }

  ended (done) {
    done(new Error('a store object cannot tell when a session ends: give the store by its URL'))
  }

  // The end of the request.

  /** Begins the cookie's lifetime again, once: what is stored and what is sent end at one instant. */
  touch (session) {
    if (this.touched === session) return
    session.touch()
    this.touched = session
  }

  /** Says in bits what the plan is made of. */
  facts () {
    const { req, layer } = this
    const session = req.session
    if (!session) {
      return (this.shown !== undefined ? FACT.SHOWN : 0) | (this.isDestroyed ? FACT.DESTROYED : 0)
    }
    const now = this.now = snapshot(session)
    const isModified = session.id !== this.originalId || differs(this.base, now)
    const isSaved = this.savedId === session.id
    return FACT.SESSION |
      (typeof req.sessionID === 'string' ? FACT.ID : 0) |
      (this.isNew(session) ? FACT.NEW : 0) |
      (isModified ? FACT.MODIFIED : 0) |
      (isSaved ? FACT.SAVED : 0) |
      (isSaved && differs(this.saved, now) ? FACT.UNSAVED : 0) |
      (session.cookie.expires !== null && session.cookie.expires !== undefined ? FACT.EXPIRES : 0) |
      (!session.cookie.secure || layer.isSecure(req) ? FACT.SENDABLE : 0) |
      (this.isOutdated ? FACT.OUTDATED : 0) |
      (layer.keeper.touches ? FACT.TOUCHES : 0)
  }

  /**
   * Does what is left to do, and then calls `done(error, outcome)`: with an error where the session could not be
   * stored; the outcome has the Set-Cookie `field`, and a `report` of what nobody need wait for.
   */
  close (done) {
    if (this.underWay.count === 0) return this.closeNow(done)
    this.underWay.whenDone(() => {
      try {
        this.closeNow(done)
      } catch (error) {
        done(error, {})
      }
    })
  }

  closeNow (done) {
    const { session } = this.req
    if (session) this.touch(session)
    const plan = addon.plan(this.facts() | this.layer.bits)
    this.carryOut(plan & STORE.MASK, session, (error, report, isGone) => {
      if (error) return done(error, {})
      if (isGone) return done(null, { report })
      try {
        done(null, { report, field: this.fieldFor(plan & COOKIE.MASK, session) })
      } catch (error) {
        done(null, { report: error })
      }
    })
  }

  carryOut (operation, session, done) {
    const { keeper } = this.layer
    switch (operation) {
      case STORE.SAVE:
        return this.store(session, error => {
          // It ended elsewhere while this request ran. By now the client may have been given another cookie.
          if (error?.code === 'ESESSIONGONE') return done(null, undefined, true)
          done(error)
        }, this.now)
      case STORE.TOUCH:
        // A touch that failed loses nobody's data.
        return keeper.touch(session.id, session, error => done(null, error))
      case STORE.DESTROY:
        return keeper.destroy(this.req.sessionID, done)
      default:
        return done()
    }
  }

  /** Returns the Set-Cookie field that gives the client its cookie, or takes it away. */
  fieldFor (operation, session) {
    const { name, maxAgeOf } = this.layer
    switch (operation) {
      case COOKIE.SEND:
        return serialize(name, addon.signed(this.wire, session.id), session.cookie, maxAgeOf(session.cookie))
      case COOKIE.CLEAR:
        if (this.cookie.secure && !this.layer.isSecure(this.req)) return undefined
        return serialize(name, '', { ...this.cookie.data, expires: EPOCH })
    }
  }

  /** Stores what was changed after the head had left, for a session that its client has. */
  late (done) {
    const session = this.req.session
    if (!session || typeof this.req.sessionID !== 'string') return done()
    const isWithClient = !this.isNew(session) || this.savedId === session.id
    let isChanged
    try {
      isChanged = isWithClient && differs(this.known, snapshot(session))
    } catch (error) {
      return done(error)
    }
    if (!isChanged) return done()
    this.save(session, error => done(error?.code === 'ESESSIONGONE' ? undefined : error))
  }
}

module.exports = { Visit }
