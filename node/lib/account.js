'use strict'

// What a session's user can do, on a store object: sign in, see and end sessions. The core does it where the store is its own.

const { createHash } = require('node:crypto')

const addon = require('./addon')
const { ask } = require('./bell')
const { snapshot, Snapshot } = require('./changes')
const { laidOver } = require('./keeper')
const { usersOf } = require('./users')

/** What a login leaves behind: a right that was withdrawn does not outlive it, and tokens of forms from before are of no more use. */
const LEFT_BEHIND = ['roles', 'csrfSecret']
/** Under which the core notes when and where a user signed in. */
const NOTE = '_ck'

/** Names a session for its user: not by its id. */
function handleOf (id) {
  return createHash('sha256').update(`handle\0${id}`).digest('base64url').slice(0, 22)
}

function userKeyOf ({ layer }) {
  return layer.options.userKeys?.[0] ?? 'userId'
}

/** Gives the session another id; the data stays, and the new record is stored before the old one goes. */
function renew (visit, done) {
  const { req, layer } = visit
  const old = req.session
  const wasStored = !visit.isNew(old) || visit.savedId === old.id
  layer.store.generate(req)
  const { session } = req
  for (const key of Object.keys(old)) session[key] = old[key]
  visit.save(session, error => {
    if (error) return done(error)
    if (!wasStored) return done()
    layer.keeper.destroy(old.id, done)
  })
}

/** Signs a user in: another id, without what another user left, and with a note of when that was. */
function login (visit, user, done) {
  const { req, layer } = visit
  const { session } = req
  const key = userKeyOf(visit)
  const isAnothers = session[key] !== undefined && session[key] !== null && String(session[key]) !== String(user)
  for (const name of Object.keys(session)) {
    if (name !== 'cookie' && (isAnothers || LEFT_BEHIND.includes(name))) delete session[name]
  }
  let args
  try {
    args = [JSON.stringify(session), JSON.stringify(user) ?? 'null', req.socket?.remoteAddress, req.headers['user-agent']]
  } catch (error) {
    return done(error)
  }
  ask(addon.loginNote, layer.deskFor(visit.wire), args, (error, note) => {
    if (error) return done(error)
    session[key] = user
    if (note !== '') session[NOTE] = JSON.parse(note)
    renew(visit, done)
  })
}

/** Changes one key by the value that it has by now; with what else the request changed. */
function update (visit, key, change, done) {
  const { req, layer } = visit
  const { session } = req
  if (visit.isNew(session) && visit.savedId !== session.id) return updateInMemory(session, key, change, done)
  let value
  const base = visit.known
  const now = snapshot(session)
  const make = record => {
    value = change(record[key])
    const merged = laidOver(record, session, base)
    merged[key] = value
    return merged
  }
  layer.keeper.rewrite(session.id, make, error => {
    if (error) return done(error)
    session[key] = value
    // What is stored now: the rest as it was sent, this key as it became.
    visit.savedId = session.id
    now.delete(key)
    visit.saved = visit.known = inOrderOf(session, now, key)
    done(null, value)
  })
}

/** Nobody else can know a session that was never stored. */
function updateInMemory (session, key, change, done) {
  try {
    session[key] = change(session[key])
  } catch (error) {
    return done(error)
  }
  done(null, session[key])
}

function inOrderOf (session, sent, key) {
  const ordered = new Snapshot()
  const { keys, values } = snapshot(session)
  for (const [at, name] of keys.entries()) {
    if (name === key) ordered.push(name, values[at])
    else if (sent.has(name)) ordered.push(name, sent.get(name))
  }
  return ordered
}

/** Lists the sessions of the user who is signed in here. */
function own (visit, done) {
  const user = visit.req.session?.[userKeyOf(visit)]
  if (user === undefined || user === null) return done(null, [])
  sessionsOf(visit.layer, user, done)
}

/** Lists the ids of a user's sessions, those among them whose keys name somebody else as well. */
function sessionsOf (layer, user, done) {
  const isTheirs = ([, record]) => usersOf(record, layer.options.userKeys).users.includes(String(user))
  layer.keeper.list((error, sessions) => {
    if (error) return done(error)
    done(null, sessions.filter(isTheirs).map(([id]) => id))
  })
}

/** Ends all sessions of a user, whoever asks; answers how many. */
function endSessionsOf (layer, user, done) {
  sessionsOf(layer, user, (error, ids) => error ? done(error) : endEach({ layer }, ids, done))
}

function devices (visit, done) {
  own(visit, (error, ids) => {
    if (error) return done(error)
    const unknown = { name: null, created: null, signedIn: null, lastSeen: null, address: null, userAgent: null }
    done(null, ids.map(id => ({ handle: handleOf(id), isCurrent: id === visit.req.session.id, ...unknown })))
  })
}

/** Ends sessions, one after the other; answers how many. */
function endEach (visit, ids, done, count = 0) {
  if (count === ids.length) return done(null, count)
  visit.layer.keeper.destroy(ids[count], error => error ? done(error) : endEach(visit, ids, done, count + 1))
}

function endDevice (visit, handle, done) {
  own(visit, (error, ids) => {
    if (error) return done(error)
    endEach(visit, ids.filter(id => handleOf(id) === handle), (error, count) => done(error, count > 0))
  })
}

function endOthers (visit, done) {
  own(visit, (error, ids) => {
    if (error) return done(error)
    endEach(visit, ids.filter(id => id !== visit.req.session.id), done)
  })
}

function endAll (visit, done) {
  own(visit, (error, ids) => {
    if (error) return done(error)
    visit.isDestroyed = true
    delete visit.req.session
    endEach(visit, ids, done)
  })
}

module.exports = { devices, endAll, endDevice, endOthers, endSessionsOf, login, renew, update }
