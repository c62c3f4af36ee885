'use strict'

// The head, held back until the session is stored: `writeHead`, `write`, `end` and `flushHeaders` wait for it, and
// what was written meanwhile goes out in its order. Nothing waits where there is nothing to store.

const { Buffer } = require('node:buffer')
const { OutgoingMessage } = require('node:http')

const { addSetCookie, afterwards, applyFields, fields, reset } = require('./response')

/** What throws while the head is held, as it does once it has left. */
const CLOSED = ['setHeader', 'setHeaders', 'appendHeader', 'removeHeader']

const State = { OPEN: 0, HELD: 1, RELEASED: 2, SWALLOWED: 3 }

/** Where a response has its first hold, whose methods are the same functions for all responses. */
const FIRST = Symbol('cloakroom.first')
/** Where one that is not of core's HTTP/1 has its hold while its head is held. */
const HOLD = Symbol('cloakroom.hold')
/** What core takes for a head that has left. */
const HELD_HEADER = 'held\r\n\r\n'
/** Most responses wait with one call, and many with none. */
const NOTHING = Object.freeze([])

const firsts = {
  writeHead (...args) { return this[FIRST].writeHead(args) },
  write (...args) { return this[FIRST].write(args) },
  end (...args) { return this[FIRST].end(args) },
  flushHeaders (...args) { return this[FIRST].flushHeaders(args) }
}

/** One for all responses, so that they stay of one shape. */
const HEADERS_SENT = {
  get () {
    for (let hold = this[HOLD]; hold !== undefined; hold = hold.outer) {
      if (hold.state === State.HELD) return true
    }
    return Reflect.get(Object.getPrototypeOf(this), 'headersSent', this)
  },
  configurable: true
}

function coded (error, code) {
  error.code = code
  return error
}

function headersSent (verb) {
  return coded(new Error(`Cannot ${verb} headers after they are sent to the client`), 'ERR_HTTP_HEADERS_SENT')
}

class Hold {
  /**
   * Holds a response. `visit.close(done)` stores the session, `visit.late(done)` what was changed after the
   * head; `failed(error)` is told of a response that is taken back, and of what changes no answer once it has gone out.
   */
  constructor (res, visit, failed, answersAnyway) {
    this.res = res
    this.visit = visit
    this.failed = failed
    this.answersAnyway = answersAnyway
    this.state = State.OPEN
    this.before = fields(res)
    this.inner = { writeHead: res.writeHead, write: res.write, end: res.end, flushHeaders: res.flushHeaders }
    this.queue = NOTHING
    this.bytes = 0
    this.needsDrain = false
    this.isEnded = false
    this.isOfCore = res instanceof OutgoingMessage
    this.outer = undefined
    if (this.isOfCore && res[FIRST] === undefined) this.replaceFirst()
    else for (const method of Object.keys(firsts)) this.replace(method)
  }

  /** Puts its methods in the place of the response's: by their names, and no functions of its own, as every response needs it. */
  replaceFirst () {
    const { res } = this
    res[FIRST] = this
    res.writeHead = firsts.writeHead
    res.write = firsts.write
    res.end = firsts.end
    res.flushHeaders = firsts.flushHeaders
  }

  replace (method) {
    const hold = this
    if (typeof this.inner[method] !== 'function') return
    const own = this[method]
    this.res[method] = function (...args) {
      return own.call(hold, args)
    }
  }

  /** Tells of an error that changes no answer. Whoever handles it may close the connection, since the head has left. */
  report (error) {
    afterwards(this.res, () => this.failed(error))
  }

  pass (method, args) {
    return this.inner[method].apply(this.res, args)
  }

  // The four methods, by what state the head is in.

  writeHead (args) {
    if (this.state === State.RELEASED) return this.pass('writeHead', args)
    if (this.state === State.SWALLOWED) return this.res
    if (this.state === State.HELD) throw headersSent('write')
    const status = args[0] | 0
    if (status < 100 || status > 999) return this.pass('writeHead', args)
    const rest = typeof args[1] === 'string' ? args.slice(0, 2) : args.slice(0, 1)
    const given = args[rest.length] ?? (rest.length === 1 ? args[2] : undefined)
    if (given) applyFields(this.res, given)
    return this.begin('writeHead', rest)
  }

  write (args) {
    if (this.state === State.RELEASED) return this.pass('write', args)
    if (this.state === State.SWALLOWED) return this.swallow(args)
    check(args[0])
    return this.begin('write', args)
  }

  end (args) {
    if (this.state === State.SWALLOWED) return this.swallow(args)
    if (this.isEnded) return this.endAgain(args)
    if (typeof args[0] !== 'function' && args[0] !== undefined && args[0] !== null) check(args[0])
    this.isEnded = true
    try {
      return this.state === State.RELEASED ? this.endLate(args) : this.begin('end', args)
    } catch (error) {
      // What core refuses, a status that does not exist, is no end: whoever handles it may answer.
      this.isEnded = this.res.headersSent === true
      throw error
    }
  }

  /** Heeds nothing but the callback, as express-session: core would end the process for another chunk. */
  endAgain (args) {
    const fn = callbackOf(args)
    if (fn === undefined) return this.res
    return this.state === State.HELD ? this.enqueue('end', [fn]) : this.pass('end', [fn])
  }

  flushHeaders (args) {
    if (this.state === State.RELEASED) return this.pass('flushHeaders', args)
    if (this.state === State.SWALLOWED) return undefined
    return this.begin('flushHeaders', args)
  }

  /** Goes straight on where the store has answered, else waits with what came before. */
  begin (method, args) {
    if (this.state === State.OPEN) this.commit()
    if (this.state === State.RELEASED) return this.pass(method, args)
    return this.enqueue(method, args)
  }

  enqueue (method, args) {
    if (this.queue === NOTHING) this.queue = []
    this.queue.push({ method, args })
    if (method !== 'write') return this.res
    this.bytes += typeof args[0] === 'string' ? Buffer.byteLength(args[0], encodingOf(args)) : args[0].byteLength
    if (this.bytes < (this.res.writableHighWaterMark ?? 16384)) return true
    this.needsDrain = true
    return false
  }

  /** Lets the session be stored. */
  commit () {
    let isCalling = true
    let outcome
    const settle = (error, result) => {
      if (isCalling) outcome = { error, result }
      else this.settle(error, result)
    }
    try {
      this.visit.close(settle)
    } catch (error) {
      // Not the store's: what the handler left cannot be stored.
      settle(withStatus(error, 500), {})
    }
    isCalling = false
    if (outcome !== undefined && !outcome.error) return this.release(outcome.result)
    this.hold()
    // The handler may have more to say before it is known what becomes of its answer.
    if (outcome !== undefined) setImmediate(() => this.settle(outcome.error, outcome.result))
  }

  /** Lets the head go, with the session's cookie. */
  release ({ field, report }) {
    this.state = State.RELEASED
    if (field !== undefined) addSetCookie(this.res, field)
    if (report) this.report(report)
  }

  /** Lets the response look as if its head had left. Nothing is taken away afterwards: a response that loses properties is slow. */
  hold () {
    this.state = State.HELD
    if (this.isOfCore) {
      // Core's own methods throw by it.
      this.res._header = HELD_HEADER
      return
    }
    this.lookSent()
    for (const method of CLOSED) {
      const verb = method === 'removeHeader' ? 'remove' : method === 'appendHeader' ? 'append' : 'set'
      this.close(method, () => { throw headersSent(verb) })
    }
    this.close('_implicitHeader', () => {})
  }

  lookSent () {
    const { res } = this
    this.outer = res[HOLD]
    res[HOLD] = this
    if (!Object.hasOwn(res, 'headersSent')) Object.defineProperty(res, 'headersSent', HEADERS_SENT)
  }

  /** Puts `whileHeld` in the place of a method, for as long as the head is held. */
  close (method, whileHeld) {
    const hold = this
    const inner = this.res[method]
    if (typeof inner !== 'function') return
    this.res[method] = function (...args) {
      return hold.state === State.HELD ? whileHeld() : inner.apply(this, args)
    }
  }

  /** The store has answered. */
  settle (error, result) {
    this.state = State.RELEASED
    if (this.isOfCore && this.res._header === HELD_HEADER) this.res._header = null
    if (error && !this.answersAnyway) return this.fail(error)
    this.release(result)
    this.replay()
    if (error) this.report(error)
  }

  replay () {
    const { res, queue } = this
    this.queue = NOTHING
    let goesOn = true
    try {
      for (const { method, args } of queue) goesOn = this.pass(method, args)
    } catch (error) {
      return this.failReplay(error)
    }
    if (this.needsDrain && !this.isEnded && goesOn !== false) res.emit('drain')
  }

  /** What core refuses when it gets it, as a status that does not exist. */
  failReplay (error) {
    if (this.res.headersSent) return this.res.destroy?.(error)
    this.isEnded = false
    reset(this.res, this.before)
    this.failed(error)
  }

  /** Takes the answer back: whole, where the handler has ended it; else in its place one of our own. */
  fail (error) {
    const { res, queue } = this
    this.queue = NOTHING
    reset(res, this.before)
    if (this.isEnded) {
      this.state = State.RELEASED
      this.isEnded = false
      for (const { args } of queue) callbackOf(args)?.(error)
      return this.failed(withStatus(error, 503))
    }
    this.answerUnavailable(error)
    this.state = State.SWALLOWED
    for (const { args } of queue) callbackOf(args)?.()
    if (this.needsDrain) res.emit('drain')
  }

  answerUnavailable (error) {
    const { res } = this
    const text = 'the session could not be saved\n'
    res.statusCode = error.status ?? 503
    res.setHeader('Content-Type', 'text/plain; charset=utf-8')
    res.setHeader('Content-Length', Buffer.byteLength(text))
    if (!(res.req?.httpVersionMajor >= 2)) res.setHeader('Connection', 'close')
    // Core writes the head by the response's own method.
    this.state = State.RELEASED
    this.pass('end', [text, () => this.report(error)])
  }

  /** Drops what a handler still writes to an answer that was taken back. */
  swallow (args) {
    const fn = callbackOf(args)
    if (fn !== undefined) process.nextTick(fn)
    return true
  }

  /** The end of an answer whose head has left: what was changed since is stored before it. */
  endLate (args) {
    if (!this.res.headersSent) return this.pass('end', args)
    let isCalling = true
    let isDone = false
    let result = this.res
    this.visit.late(error => {
      isDone = true
      if (error) this.report(error)
      if (!isCalling) return this.pass('end', args)
      result = this.pass('end', args)
    })
    isCalling = false
    if (!isDone) this.state = State.RELEASED
    return result
  }
}

/** Gives an error the status that its answer should have, unless it has one. */
function withStatus (error, status) {
  if (typeof error !== 'object' || error === null || !Object.isExtensible(error)) return error
  if (error.status === undefined && error.statusCode === undefined) error.status = error.statusCode = status
  return error
}

function callbackOf (args) {
  return args.find(argument => typeof argument === 'function')
}

function encodingOf (args) {
  return typeof args[1] === 'string' ? args[1] : 'utf8'
}

/** Refuses what core would refuse, where the caller hears of it. */
function check (chunk) {
  if (typeof chunk === 'string' || chunk instanceof Uint8Array) return
  if (chunk === null) throw coded(new TypeError('May not write null values to stream'), 'ERR_STREAM_NULL_VALUES')
  throw coded(new TypeError('The "chunk" argument must be of type string or an instance of Buffer or Uint8Array.'), 'ERR_INVALID_ARG_TYPE')
}

module.exports = { Hold }
