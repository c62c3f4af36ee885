'use strict'

// One request on one of the core's own stores: the object is here, the session and every decision are in the core.

const addon = require('./addon')
const { ask, askIdly, askSoon, tell } = require('./bell')
const { differs, moved, patch, snapshot, slice, Json } = require('./changes')
const { mayName } = require('./tickets')
const { UnderWay } = require('./under-way')
const Cookie = require('../session/cookie')
const Session = require('../session/session')

/** Attributes that a handler may change, beside the lifetime. */
const ATTRIBUTES = ['partitioned', 'priority', 'secure', 'httpOnly', 'domain', 'path', 'sameSite']
/** By how many milliseconds a lifetime drifts when it is begun again. */
const DRIFT_MS = 50
/** The key of the secret of a session's tokens. */
const SECRET = 'csrfSecret'
const MOST_TRIES = 1000

class NativeVisit {
  /** Where the core has the request's session, once it was told of it, and under which number. */
  #visits
  #slot

  constructor (layer, keep, req, field) {
    this.layer = layer
    this.keep = keep
    this.req = req
    this.field = field
    this.session = undefined
    this.base = undefined
    this.hasDestroyed = false
    /** Whether the head left before the core heard of the session. */
    this.isClosed = false
    this.underWay = new UnderWay()
  }

  open (done) {
    // Who shows no cookie of ours has a session that is made here, and the core hears of it once something is done to it.
    if (this.layer.beginsHere && !mayName(this.layer, this.field)) {
      try {
        this.layer.generate(this.req)
        this.note(this.req.session)
      } catch (error) {
        return done(error)
      }
      return done()
    }
    this.#open(mayName(this.layer, this.field) ? this.field : undefined, (error, text) => {
      if (error) return done(error)
      try {
        if (this.show(text).isNew) this.choose()
      } catch (error) {
        return done(error)
      }
      done()
    })
  }

  /** Lets the core open a session: at once without a Cookie field. */
  #open (field, done) {
    const { req, layer, keep } = this
    this.#visits = keep.visits()
    this.#slot = keep.next()
    askSoon(addon.openVisit, this.#visits, [this.#slot, field, layer.isSecure(req), req.socket?.remoteAddress, req.headers['user-agent']], done)
  }

  /** Calls a function of the core on the request's session; the core begins with the one that was made here. */
  #tell (fn, ...args) {
    this.#meet()
    return tell(fn, this.#visits, this.#slot, ...args)
  }

  #ask (by, fn, args, done) {
    this.#meet()
    by(fn, this.#visits, [this.#slot, ...args], done)
  }

  #meet () {
    if (this.#visits !== undefined) return
    const heard = []
    this.#open(undefined, error => heard.push(error))
    if (heard[0]) throw heard[0]
    this.#tell(addon.choose, this.session.id)
    // Nothing of it can be sent any more.
    if (this.isClosed) this.#ask(askSoon, addon.closeVisit, [], () => {})
  }

  /** Lets the application's own functions say what a session is to be like that begins now. */
  choose () {
    const [id, cookie] = this.layer.saidOf(this.req)
    if (id === undefined && cookie === undefined) return
    this.#tell(addon.choose, id, cookie)
    this.show()
  }

  /** Makes the request's session of what the core has of it. */
  show (text = this.#tell(addon.look)) {
    const { req } = this
    const seen = JSON.parse(text)
    req.sessionID = seen.id
    const session = new Session(req, seen.record)
    session.cookie = Cookie.of(seen.record.cookie)
    req.session = session
    this.note(session)
    return seen
  }

  note (session, now = snapshot(session)) {
    this.session = session
    this.base = now
    this.cookie = session.cookie.data
  }

  /** Says what the handler did to the session's object since it was shown or stored last; `undefined` for nothing. */
  changes (now) {
    const { session } = this.req
    if (!session) return this.hasDestroyed ? undefined : { unset: true }
    const cookie = this.cookieChanges(session)
    if (!differs(this.base, now)) return cookie && { set: [], removed: [], cookie }
    const { set, removed } = patch(this.base, now)
    const isMoved = new Set(moved(this.base, now))
    if (set.length + removed.length + isMoved.size === 0 && cookie === undefined) return undefined
    const isSet = new Set(set)
    const keys = now.keys.filter(key => (isSet.has(key) || isMoved.has(key)) && isStorable(key))
    return { set: keys.map(key => [key, session[key]]), removed: [...removed, ...isMoved], cookie: cookie ?? {} }
  }

  cookieChanges (session) {
    const { data } = session.cookie
    let changes
    for (const name of ATTRIBUTES) {
      if (data[name] !== this.cookie[name]) (changes ??= {})[name] = data[name] ?? null
    }
    const [before, now] = [this.cookie.originalMaxAge, data.originalMaxAge]
    const isSame = before === now || (typeof before === 'number' && typeof now === 'number' && Math.abs(before - now) <= DRIFT_MS)
    if (!isSame || !isDate(data.expires)) (changes ??= {}).maxAge = lifetime(data)
    return changes
  }

  /** Hands what was changed over to the core, by `hand` if there is anything. */
  apply (hand = changes => this.#tell(addon.apply, changes)) {
    const { session } = this.req
    if (typeof this.req.sessionID !== 'string') return false
    const now = session ? snapshot(session) : undefined
    const changes = this.changes(now)
    if (changes !== undefined) hand(JSON.stringify(changes))
    if (session && (changes !== undefined || session !== this.session)) this.note(session, now)
    return true
  }

  /** Does one of the session's own operations, once what was changed is known to the core. */
  act (name, argument, done) {
    try {
      this.apply()
    } catch (error) {
      return done(error)
    }
    this.request('act', [name, argument], done)
  }

  /** Asks the core for something that the end of the request is to wait for. */
  request (name, args, done) {
    const end = this.underWay.begin()
    this.#ask(ask, addon[name], args, (error, text) => {
      end()
      done(error, text)
    })
  }

  save (session, done) {
    this.act('save', '', error => done(error))
  }

  reload (session, done) {
    this.request('act', ['reload', ''], error => {
      if (error?.code === 'ESESSIONGONE') error.message = 'failed to load session'
      if (error) return done(error)
      try {
        this.show()
      } catch (error) {
        return done(error)
      }
      done()
    })
  }

  destroy (session, done) {
    this.hasDestroyed = true
    this.request('act', ['destroy', ''], error => done(error))
  }

  regenerate (session, done) {
    try {
      this.#tell(addon.reset)
      this.hasDestroyed = false
      this.show()
      this.choose()
    } catch (error) {
      return done(error)
    }
    setImmediate(done)
  }

  /** Gives the session another id; the data stays. */
  renew (done) {
    try {
      this.apply()
      this.#tell(addon.renew)
      const [id] = this.layer.saidOf(this.req)
      if (id !== undefined) this.#tell(addon.choose, id)
      this.follow()
    } catch (error) {
      return done(error)
    }
    done()
  }

  /** Shows in the request's object what the core made of the session: the same object where there is one. */
  follow () {
    const before = this.req.session
    this.show()
    const { session } = this
    if (!before || before.id !== session.id) return
    for (const key of Object.keys(before)) if (!(key in session)) delete before[key]
    Object.assign(before, session)
    this.req.session = before
    this.note(before)
  }

  login (user, done) { this.account('login', JSON.stringify(user), error => done(error)) }
  logout (done) { this.account('logout', '', error => done(error)) }
  devices (done) { this.account('devices', '', (error, text) => error ? done(error) : done(null, devices(text))) }
  endDevice (handle, done) { this.account('endDevice', String(handle), (error, text) => done(error, text === 'true')) }
  endOthers (done) { this.account('endOthers', '', (error, text) => done(error, Number(text))) }
  endAll (done) { this.account('endAll', '', (error, text) => done(error, Number(text))) }

  /** Does an operation of the user's account, and shows what became of the session. */
  account (name, argument, done) {
    this.act(name, argument, (error, text) => {
      if (error) return done(error)
      try {
        if (name === 'logout' || name === 'endAll') this.end()
        else if (name === 'login') this.follow()
      } catch (error) {
        return done(error)
      }
      done(null, text)
    })
  }

  end () {
    this.hasDestroyed = true
    delete this.req.session
  }

  /** Asks the core whether the session may pass a guard. */
  admit (wanted, done) {
    try {
      this.apply()
    } catch (error) {
      return done(error)
    }
    this.request('admit', [wanted], (error, text) => {
      if (error) return done(error)
      try {
        // The core has looked past its cache.
        if (this.layer.options.near !== undefined && this.req.session) this.follow()
      } catch (error) {
        return done(error)
      }
      done(null, text)
    })
  }

  /** Returns a token of the session against forged requests; the core draws the secret. */
  csrfToken () {
    this.apply()
    const token = this.#tell(addon.sessionCsrfToken)
    const { session } = this.req
    const secret = JSON.parse(this.#tell(addon.look)).record[SECRET]
    if (secret !== undefined && session[SECRET] !== secret) {
      session[SECRET] = secret
      this.note(session)
    }
    return token
  }

  ended (done) {
    this.#ask(askIdly, addon.act, ['ended', ''], done)
  }

  /** Changes one key by the value that it has by now, on whatever server that was set. */
  update (key, change, done) {
    const jsonOf = value => {
      const sliced = slice(value)
      return sliced === undefined ? '' : sliced instanceof Json ? sliced.text : JSON.stringify(sliced)
    }
    const attempt = (expected, tries) => {
      let value
      try {
        value = change(expected === '' ? undefined : JSON.parse(expected))
      } catch (error) {
        return done(error)
      }
      this.request('exchange', [key, expected === 'null' ? '' : expected, jsonOf(value) || 'null'], (error, text) => {
        if (error) return done(error)
        if (text === '=') return this.updated(key, value, done)
        if (tries === 0) return done(new Error('the value was changed by others too often'))
        attempt(text, tries - 1)
      })
    }
    try {
      this.apply()
    } catch (error) {
      return done(error)
    }
    attempt(jsonOf(this.req.session[key]), MOST_TRIES)
  }

  updated (key, value, done) {
    const { session } = this.req
    if (session) {
      session[key] = value
      this.note(session)
    }
    done(null, value)
  }

  // The end of the request.

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
    let changes
    if (!this.apply(said => { changes = said })) return done(null, {})
    if (this.#visits === undefined && changes === undefined && !this.layer.savesUntouched) {
      this.isClosed = true
      return done(null, {})
    }
    this.#ask(askSoon, addon.closeVisit, [changes], (error, field) => {
      if (error) done(error, {})
      else done(null, { field: field === '' ? undefined : field })
    })
  }

  late (done) {
    const { session } = this.req
    // One that was made here is nobody's.
    if (!session || typeof this.req.sessionID !== 'string' || this.#visits === undefined) return done()
    try {
      if (!differs(this.base, snapshot(session))) return done()
    } catch (error) {
      return done(error)
    }
    // What is new has no cookie to be found by.
    this.act('save', '', error => done(['ESESSIONGONE', 'ERR_HTTP_HEADERS_SENT'].includes(error?.code) ? undefined : error))
  }
}

/** Makes dates of what the core says in milliseconds. */
function devices (text) {
  const date = ms => ms === null ? null : new Date(ms)
  return JSON.parse(text).map(({ created, signedIn, lastSeen, ...device }) =>
    ({ ...device, created: date(created), signedIn: date(signedIn), lastSeen: date(lastSeen) }))
}

/** Says whether express-session would find a key again: it drops those that its objects have themselves. */
function isStorable (key) {
  return !Session.isReserved(key) && key !== '_ck'
}

function isDate (expires) {
  return !(expires instanceof Date) || !Number.isNaN(expires.getTime())
}

function lifetime ({ expires, originalMaxAge }) {
  if (expires instanceof Date && Number.isNaN(expires.getTime())) throw new TypeError('option expires is invalid')
  return typeof originalMaxAge === 'number' ? originalMaxAge : originalMaxAge ?? null
}

module.exports = { NativeVisit }
