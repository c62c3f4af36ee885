// An Express application with Passport, as its handbook has it, on the store of the Rust example.

import { once } from 'node:events'

import { RedisStore } from 'connect-redis'
import express from 'express'
import session from 'express-session'
import passport from 'passport'
import { Strategy } from 'passport-local'
import { createClient } from 'redis'

import { PASSWORDS, SECRET } from './support.mjs'

/** eve has an account here alone. */
const ACCOUNTS = { ...PASSWORDS, eve: 'apple' }

/** Starts it; `options` are those of `req.login` and `req.logout`. */
export async function startExpress (store, options = {}) {
  const client = await createClient({ url: store }).connect()
  const own = new passport.Passport()
  own.use(new Strategy((username, password, done) =>
    done(null, ACCOUNTS[username] === password && { name: username })))
  own.serializeUser((user, done) => done(null, user.name))
  own.deserializeUser((name, done) => done(null, name in ACCOUNTS && { name }))
  const app = express()
  app.use(session({
    secret: SECRET,
    resave: false,
    saveUninitialized: false,
    store: new RedisStore({ client })
  }))
  app.use(express.urlencoded({ extended: false }))
  app.use(own.authenticate('session'))
  app.post('/login', own.authenticate('local', options), (request, response) => response.json({ user: request.user.name }))
  app.post('/logout', (request, response, next) =>
    request.logout(options, error => error ? next(error) : response.sendStatus(204)))
  app.get('/me', (request, response) =>
    request.user ? response.json({ user: request.user.name }) : response.sendStatus(401))
  // What applications do to a session by themselves.
  app.post('/note', (request, response) => change(request, response, session => { session.note = request.user?.name }))
  app.post('/drop-user-id', (request, response) => change(request, response, session => { delete session.userId }))
  app.post('/empty-passport', (request, response) => change(request, response, session => { session.passport = {} }))
  app.post('/null-user', (request, response) => change(request, response, session => { session.user = null }))
  app.get('/data', (request, response) => response.json(request.session))
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    stop: async () => {
      server.closeAllConnections()
      server.close()
      await client.close()
    }
  }
}

function change (request, response, how) {
  how(request.session)
  response.sendStatus(204)
}
