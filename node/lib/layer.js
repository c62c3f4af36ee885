'use strict'

// What a middleware was set up with: express-session's options, checked once, in its words.

const addon = require('./addon')
const { OPTION } = require('./facts')
const { tell } = require('./bell')
const { Keeper } = require('./keeper')
const { isUrl, Keep, NativeStore } = require('./native')
const { warnOnce } = require('./warn')
const Cookie = require('../session/cookie')
const MemoryStore = require('../session/memory')
const Session = require('../session/session')

const DEFAULT_NAME = 'connect.sid'
const STORE_TIMEOUT_MS = 10_000
const SHORTEST_SECRET = 32
/** How many secrets of requests are remembered: one, unless an application has a secret for each tenant. */
const MOST_WIRES = 100

class Layer {
  constructor (options = {}) {
    const strict = options.strict === true
    this.isStrict = strict
    this.name = options.name || options.key || DEFAULT_NAME
    this.cookieOptions = options.cookie || {}
    this.generateId = options.genid || addon.randomId
    this.trustProxy = options.proxy
    this.errors = options.errors
    check(options, this)
    this.secrets = secretsOf(options.secret)
    this.wires = new Map()
    /** The middleware's sessions in a store of the core's own. */
    this.keep = undefined
    if (this.secrets !== undefined) this.wire = this.wireOf(this.secrets)
    this.bits = bitsOf(options, strict)
    this.options = options
    this.store = storeOf(options)
    this.isNative = this.store instanceof NativeStore
    /** Whether a session that begins can be made without the core: nothing but the options says what it is like. */
    this.beginsHere = !strict && !options.genid && options.absoluteTimeout === undefined && !this.isDynamic()
    this.savesUntouched = (this.bits & OPTION.SAVE_UNINITIALIZED) !== 0
    this.keeper = new Keeper(this.store, options.storeTimeout ?? STORE_TIMEOUT_MS)
    this.store.generate = req => this.generate(req)
    this.maxAgeOf = strict ? secondsLeft : () => undefined
    warnOfMemory(this.store)
    this.isReady = true
    this.store.on('disconnect', () => { this.isReady = false })
    this.store.on('connect', () => { this.isReady = true })
  }

  /** Begins a session for a request. */
  generate (req) {
    const options = this.optionsOf(req)
    req.sessionID = this.generateId(req)
    req.session = new Session(req)
    const cookie = req.session.cookie = new Cookie(options)
    if (cookie.secure === 'auto' || cookie.sameSite === 'auto') this.resolveAuto(cookie, req)
  }

  resolveAuto (cookie, req) {
    const isSecure = this.isSecure(req)
    if (cookie.secure === 'auto') cookie.secure = isSecure
    if (cookie.sameSite === 'auto') cookie.sameSite = isSecure ? 'none' : 'lax'
  }

  optionsOf (req) {
    const { cookieOptions } = this
    const options = typeof cookieOptions === 'function' ? cookieOptions(req) : cookieOptions
    return this.isStrict ? { ...STRICT_COOKIE, ...options } : options
  }

  // What the core is told where the store is its own.

  /** Calls back with the middleware's sessions in the store, once that is connected. */
  whenKept (wire, done) {
    this.store.open(error => {
      if (error) return done(error)
      try {
        this.keeps ??= new Map()
        if (!this.keeps.has(wire)) this.keeps.set(wire, new Keep(tell(addon.keep, this.store.place, wire, this.policy())))
        this.keep = this.keeps.get(wire)
      } catch (error) {
        return done(error)
      }
      done(null, this.keep)
    })
  }

  /** Returns where the core looks at records of a store object. */
  deskFor (wire) {
    this.desks ??= new Map()
    let desk = this.desks.get(wire)
    if (desk === undefined) this.desks.set(wire, desk = tell(addon.desk, wire, this.policy()))
    return desk
  }

  policy () {
    const { options, cookieOptions } = this
    const has = bit => (this.bits & bit) !== 0
    const cookie = this.isStrict ? { ...STRICT_COOKIE, ...cookieOptions } : cookieOptions
    return JSON.stringify({
      strict: this.isStrict,
      resave: has(OPTION.RESAVE),
      saveUninitialized: has(OPTION.SAVE_UNINITIALIZED),
      rolling: has(OPTION.ROLLING),
      unsetDestroys: has(OPTION.UNSET_DESTROY),
      cookie: this.isDynamic() ? {} : attributesOf(cookie),
      userKeys: options.userKeys,
      storeTimeoutMs: options.storeTimeout,
      idleTimeoutMs: typeof cookie.maxAge === 'number' ? cookie.maxAge : undefined,
      absoluteTimeoutMs: options.absoluteTimeout,
      renewalTimeoutMs: options.renewalTimeout
    })
  }

  /** Says whether a new cookie's attributes depend on the request, or on when it comes. */
  isDynamic () {
    const { cookieOptions: options } = this
    return typeof options === 'function' || Boolean(options.expires) || options.maxAge instanceof Date
  }

  /** Returns what the application's own functions say of a session that is about to begin: its id, its attributes. */
  saidOf (req) {
    const id = this.options.genid ? String(this.generateId(req)) : undefined
    if (!this.isDynamic()) return [id, undefined]
    const cookie = new Cookie(this.optionsOf(req))
    // A function's own `auto` is resolved, too: see the deviations.
    this.resolveAuto(cookie, req)
    return [id, JSON.stringify(attributesOf(cookie))]
  }

  /** Says whether a request lies where the cookie does: its path begins with the cookie's, as a text. */
  covers (req) {
    const { cookieOptions } = this
    const path = typeof cookieOptions === 'function' ? cookieOptions(req)?.path : cookieOptions.path
    return path === undefined || path === '' || path === '/' || pathOf(req).startsWith(path)
  }

  /** Says whether a request came over TLS, to this server or, where that is trusted, to a proxy. */
  isSecure (req) {
    if (req.connection?.encrypted || req.socket?.encrypted) return true
    if (this.trustProxy === false) return false
    if (this.trustProxy !== true) return req.secure === true
    const proto = req.headers['x-forwarded-proto'] || ''
    return proto.split(',', 1)[0].trim().toLowerCase() === 'https'
  }

  /** Returns the secrets of a request: the middleware's own, or those that cookie-parser gave it. */
  wireFor (req) {
    if (this.wire !== undefined) return this.wire
    if (!req.secret) return undefined
    const secrets = secretsOf(req.secret)
    const key = JSON.stringify(secrets.map(secret => typeof secret === 'string' ? secret : [...secret]))
    let wire = this.wires.get(key)
    if (wire === undefined) {
      if (this.wires.size >= MOST_WIRES) this.wires.clear()
      this.wires.set(key, wire = this.wireOf(secrets))
    }
    return wire
  }

  wireOf (secrets) {
    if (!this.isStrict && secrets.some(secret => Buffer.byteLength(secret) < SHORTEST_SECRET)) {
      warnOnce('a secret has fewer than 32 bytes and may be guessed; draw one with `openssl rand -base64 48`')
    }
    return addon.layer(this.name, secrets, this.isStrict)
  }
}

/** What `strict` changes in a cookie: it is for TLS, for this site, and the session may rest half an hour. */
const STRICT_COOKIE = { secure: true, sameSite: 'lax', maxAge: 30 * 60 * 1000 }

function check (options, layer) {
  if (typeof layer.generateId !== 'function') throw new TypeError('genid option must be a function')
  if (options.unset && options.unset !== 'destroy' && options.unset !== 'keep') {
    throw new TypeError('unset option must be "destroy" or "keep"')
  }
  if (Array.isArray(options.secret) && options.secret.length === 0) {
    throw new TypeError('secret option array must contain one or more strings')
  }
  if (options.errors !== undefined && options.errors !== 'express') throw new TypeError('errors option must be "express"')
  if (layer.isStrict && !options.secret) throw new TypeError('secret option required for sessions')
}

function secretsOf (secret) {
  if (!secret) return undefined
  return (Array.isArray(secret) ? secret : [secret]).map(one => {
    if (typeof one === 'string' || one instanceof Uint8Array) return typeof one === 'string' ? one : Buffer.from(one)
    if (typeof one?.export === 'function') return one.export()
    throw new TypeError('a secret is a string or a Buffer')
  })
}

function bitsOf (options, strict) {
  return (defaulted(options, 'resave', strict) ? OPTION.RESAVE : 0) |
    (defaulted(options, 'saveUninitialized', strict) ? OPTION.SAVE_UNINITIALIZED : 0) |
    (options.rolling ? OPTION.ROLLING : 0) |
    (options.unset === 'destroy' ? OPTION.UNSET_DESTROY : 0) |
    (strict ? OPTION.SLIDING : 0)
}

/** Returns an option whose default express-session means to change, and says so. */
function defaulted (options, name, strict) {
  if (options[name] !== undefined) return Boolean(options[name])
  if (!strict) warnOnce(`${name} is not set and taken to be true, as in express-session; set it`)
  return !strict
}

function warnOfMemory (store) {
  if (process.env.NODE_ENV !== 'production' || !(store instanceof MemoryStore)) return
  warnOnce('sessions are kept in the memory of this process: they are gone when it ends, and no other process sees them')
}

function storeOf (options) {
  if (!options.store) return new MemoryStore()
  return isUrl(options.store) ? new NativeStore(options.store, options) : options.store
}

/** Returns a cookie's attributes as the core takes them, the lifetime in milliseconds. */
function attributesOf (options) {
  const { originalMaxAge, expires, ...others } = new Cookie(options).data
  const lifetime = expires instanceof Date ? expires.getTime() - Date.now() : originalMaxAge
  const isSet = ([, value]) => value !== undefined
  // A lifetime that was given in milliseconds is that, although some time has passed since.
  const maxAge = typeof options.maxAge === 'number' && !(options instanceof Cookie) ? options.maxAge : lifetime
  return Object.fromEntries([...Object.entries(others), ['maxAge', maxAge ?? null]].filter(isSet))
}

function secondsLeft (cookie) {
  return cookie.expires instanceof Date ? Math.max(0, Math.ceil((cookie.expires.getTime() - Date.now()) / 1000)) : undefined
}

/** Returns the path that was asked for, whatever router it is nested in. */
function pathOf (req) {
  const url = req.originalUrl ?? req.url ?? ''
  if (!url) return '/'
  if (url[0] !== '/') {
    try { return new URL(url).pathname || '/' } catch { return '/' }
  }
  const end = url.search(/[?#]/)
  return end === -1 ? url : url.slice(0, end) || '/'
}

module.exports = { Layer }
