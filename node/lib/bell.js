'use strict'

// Operations of the core that take their time: asked for by number, answered when its bell rings.

const { setImmediate } = require('node:timers')

const addon = require('./addon')
const { rethrow } = require('./calls')

/** Who waits for which number. */
const waiting = new Map()
let last = 0
let bell
/** Keeps the process alive while somebody waits: the bell itself does not. */
let keepAlive
/** Whether what was asked for is about to begin. */
let isGoing = false

function listen () {
  bell = addon.bell(answer)
  keepAlive = setInterval(() => {}, 2 ** 30)
  keepAlive.unref()
}

function answer () {
  for (const told of addon.take(bell)) {
    const space = told.indexOf(' ')
    const number = Number(told.slice(0, space))
    const done = waiting.get(number)
    waiting.delete(number)
    if (done === undefined) continue
    try {
      finish(told.slice(space + 1), done)
    } catch (error) {
      rethrow(error)
    }
  }
  if (waiting.size === 0) keepAlive.unref()
}

function finish (text, done) {
  if (text[0] === '+') done(null, text.slice(1))
  else done(failure(text.slice(1)))
}

/** Makes an error of what the core says of a failure. */
function failure (json) {
  let said
  try {
    said = JSON.parse(json)
  } catch {
    return new Error(json)
  }
  const error = new Error(said.message)
  error.code = said.code
  error.status = error.statusCode = said.status
  return error
}

/** Calls a function of the core that may take its time; `done(error, text)` at once where it does not. */
function ask (fn, subject, args, done) {
  if (bell === undefined) listen()
  const number = last = (last + 1) >>> 0
  let text
  try {
    text = fn(subject, bell, number, ...args)
  } catch (error) {
    return done(failure(error.message))
  }
  if (text !== null) return finish(text, done)
  if (waiting.size === 0) keepAlive.ref()
  waiting.set(number, done)
}

/** The same where waiting for it must not keep the process alive. */
function askIdly (fn, subject, args, done) {
  ask(fn, subject, args, done)
  // What follows this in flight keeps it alive again.
  if (waiting.size === 1) keepAlive.unref()
}

/** The same for what waits for a store: all of one turn of the loop begins together. */
function askSoon (fn, subject, args, done) {
  const before = last
  ask(fn, subject, args, done)
  if (isGoing || !waiting.has((before + 1) >>> 0)) return
  isGoing = true
  setImmediate(go)
}

function go () {
  isGoing = false
  addon.go(bell)
}

/** Calls a function of the core that answers at once. */
function tell (fn, ...args) {
  try {
    return fn(...args)
  } catch (error) {
    throw failure(error.message)
  }
}

module.exports = { ask, askIdly, askSoon, tell }
