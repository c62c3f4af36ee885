'use strict'

// The numbers of `crates/cloakroom-node/src/plan.rs`: facts and options in, an operation and a cookie out.

const FACT = {
  SESSION: 1,
  ID: 1 << 1,
  NEW: 1 << 2,
  MODIFIED: 1 << 3,
  SAVED: 1 << 4,
  UNSAVED: 1 << 5,
  EXPIRES: 1 << 6,
  SHOWN: 1 << 7,
  DESTROYED: 1 << 8,
  SENDABLE: 1 << 9,
  OUTDATED: 1 << 10,
  TOUCHES: 1 << 11
}

const OPTION = {
  RESAVE: 1 << 16,
  SAVE_UNINITIALIZED: 1 << 17,
  ROLLING: 1 << 18,
  UNSET_DESTROY: 1 << 19,
  SLIDING: 1 << 20
}

const STORE = { MASK: 3, NOTHING: 0, SAVE: 1, TOUCH: 2, DESTROY: 3 }
const COOKIE = { MASK: 12, KEEP: 0, SEND: 4, CLEAR: 8 }

module.exports = { FACT, OPTION, STORE, COOKIE }
