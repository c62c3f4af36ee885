'use strict'

// express-session's one function, on cloakroom's core.

const addon = require('./lib/addon')
const { endSessionsOf: endListed } = require('./lib/account')
const { ask } = require('./lib/bell')
const { csrf } = require('./lib/csrf')
const { requireLogin, requireRole, safeNext } = require('./lib/guards')
const { Hold } = require('./lib/hold')
const { Layer } = require('./lib/layer')
const { manager } = require('./lib/manager')
const { attach, noteAway } = require('./lib/visits')
const { Visit } = require('./lib/visit')
const { NativeStore } = require('./lib/native')
const { NativeVisit } = require('./lib/native-visit')
const { fieldOf, findTickets } = require('./lib/tickets')
const Cookie = require('./session/cookie')
const MemoryStore = require('./session/memory')
const Session = require('./session/session')
const Store = require('./session/store')

/** Returns the middleware: a session for each request, stored before the response's head leaves. */
function session (options) {
  const layer = new Layer(options)
  const middleware = function session (req, res, next) {
    // Another middleware has given it one; or the store is away, as it said; or the cookie is for other paths.
    if (!layer.isReady) noteAway(req)
    if (req.session || !layer.isReady || !layer.covers(req)) return next()
    const wire = layer.wireFor(req)
    if (wire === undefined) return next(new Error('secret option required for sessions'))
    serve(layer, wire, req, res, next)
  }
  /** Ends all sessions of a user, on every server; answers how many. */
  middleware.endSessionsOf = (user, fn) => Session.answer(fn, done => endSessionsOf(layer, user, done))
  return middleware
}

function endSessionsOf (layer, user, done) {
  if (!layer.isNative) return endListed(layer, user, done)
  layer.whenKept(layer.wire, (error, keep) => {
    if (error) return done(error)
    ask(addon.endSessionsOf, keep.core, [String(user)], (error, count) => error ? done(error) : done(null, Number(count)))
  })
}

function serve (layer, wire, req, res, next) {
  req.sessionStore = layer.store
  if (layer.isNative) return serveNatively(layer, wire, req, res, next)
  const tickets = findTickets(layer, wire, req)
  const visit = new Visit(layer, wire, req)
  attach(req, visit)
  hold(res, visit, next, layer)
  open(visit, tickets, error => next(error))
}

/** The same on a store of the core's own. */
function serveNatively (layer, wire, req, res, next) {
  layer.whenKept(wire, (error, keep) => {
    if (error) return next(error)
    let visit
    try {
      visit = new NativeVisit(layer, keep, req, fieldOf(layer, wire, req))
    } catch (error) {
      return next(error)
    }
    attach(req, visit)
    hold(res, visit, next, layer)
    visit.open(error => next(error))
  })
}

/** Holds the response back until the session is stored. */
function hold (res, visit, next, layer) {
  return new Hold(res, visit, next, layer.errors === 'express')
}

/** Opens the session of the first of a request's tickets that the store knows, or begins one. */
function open (visit, tickets, next) {
  const [ticket, ...others] = tickets
  if (ticket === undefined) return begin(visit, next)
  visit.req.sessionID = ticket.id
  visit.layer.keeper.read(ticket.id, (error, record, text) => {
    if (error) return next(error)
    if (record === undefined) return open(visit, others, next)
    try {
      visit.isOutdated = ticket.isOutdated
      visit.open(record, text)
    } catch (error) {
      return next(error)
    }
    next()
  })
}

function begin (visit, next) {
  try {
    visit.begin()
  } catch (error) {
    return next(error)
  }
  next()
}

module.exports = session
session.Store = Store
session.Cookie = Cookie
session.Session = Session
session.MemoryStore = MemoryStore
session.NativeStore = NativeStore
session.requireLogin = requireLogin
session.requireRole = requireRole
session.csrf = csrf
session.safeNext = safeNext
session.manager = manager
session.coreVersion = addon.coreVersion
