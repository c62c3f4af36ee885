'use strict'

// Whose session a record is, by the core's rules: what `login` set, or Passport.

const addon = require('./addon')

/** Returns the `user` who is signed in by a record, `null` for nobody, and all `users` whom its keys name. */
function usersOf (record, keys) {
  return JSON.parse(addon.usersOf(JSON.stringify(record), keys ?? null))
}

module.exports = { usersOf }
