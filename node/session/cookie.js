'use strict'

// A session's cookie: its attributes, and when it ends. What a record keeps under `cookie`.

const { serialize } = require('../lib/attributes')
const { warnOnce } = require('../lib/warn')

/**
 * Holds the attributes of one session's cookie: by default `Path=/`, `HttpOnly`, until the browser closes.
 *
 * @param {object} [options] `path`, `domain`, `httpOnly`, `secure`, `sameSite`, `priority`, `partitioned`,
 *   `maxAge` in milliseconds, `expires`; the later of the last two counts.
 */
function Cookie (options) {
  this.path = '/'
  this._expires = null
  this.originalMaxAge = null
  this.httpOnly = true
  if (options) {
    if (typeof options !== 'object') throw new TypeError('argument options must be a object')
    for (const name in options) {
      if (name !== 'data') this[name] = options[name]
    }
  }
  if (this.originalMaxAge === undefined || this.originalMaxAge === null) this.originalMaxAge = this.maxAge
}

/** Makes the cookie that a record keeps; the names that records have are written out, because every request makes one. */
function fromRecord (kept) {
  const cookie = new Cookie()
  for (const name in kept) {
    switch (name) {
      case 'data': case 'expires': case 'originalMaxAge': break
      case 'path': cookie.path = kept.path; break
      case 'httpOnly': cookie.httpOnly = kept.httpOnly; break
      case 'secure': cookie.secure = kept.secure; break
      case 'sameSite': cookie.sameSite = kept.sameSite; break
      default: cookie[name] = kept[name]
    }
  }
  const { expires } = kept
  if (expires !== null && expires !== undefined) cookie._expires = typeof expires === 'string' ? new Date(expires) : expires
  cookie.originalMaxAge = kept.originalMaxAge
  return cookie
}

const members = {
  /** Says when the cookie ends; the time until then is its new lifetime. */
  expires: {
    get () { return this._expires },
    set (date) {
      this._expires = date
      this.originalMaxAge = this.maxAge
    }
  },

  /** Says how many milliseconds the cookie still lives. */
  maxAge: {
    get () { return this._expires instanceof Date ? this._expires.getTime() - Date.now() : this._expires },
    set (ms) {
      if (ms && typeof ms !== 'number' && !(ms instanceof Date)) throw new TypeError('maxAge must be a number or Date')
      if (ms instanceof Date) warnOnce('maxAge as a Date is taken for `expires`; give a number of milliseconds')
      this.expires = typeof ms === 'number' ? new Date(Date.now() + ms) : ms
    }
  },

  /** Returns what a record keeps of it, in this order. */
  data: {
    get () {
      return {
        originalMaxAge: this.originalMaxAge,
        partitioned: this.partitioned,
        priority: this.priority,
        expires: this._expires,
        secure: this.secure,
        httpOnly: this.httpOnly,
        domain: this.domain,
        path: this.path,
        sameSite: this.sameSite
      }
    }
  }
}

const methods = {
  /** Returns the Set-Cookie field that gives a client this value. */
  serialize (name, value) { return serialize(name, encodeURIComponent(value), this) },

  toJSON () { return this.data }
}

for (const name of Object.keys(members)) {
  Object.defineProperty(Cookie.prototype, name, { ...members[name], configurable: true })
}
for (const name of Object.keys(methods)) {
  Object.defineProperty(Cookie.prototype, name, { value: methods[name], configurable: true, writable: true })
}

module.exports = Cookie
Object.defineProperty(Cookie, 'of', { value: fromRecord })
