'use strict'

// The attributes of a Set-Cookie field (RFC 6265bis §4.1), in the order and with the refusals of npm's `cookie`.

const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const DOMAIN = /^\.?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i
const PATH = /^[ -:=-~]*$/
const PRIORITIES = { low: 'Low', medium: 'Medium', high: 'High' }
const SAME_SITES = { strict: 'Strict', lax: 'Lax', none: 'None' }

/** Returns the field for a value that is escaped already; an attribute that cannot be said is an error. */
function serialize (name, value, cookie, maxAge) {
  if (!NAME.test(name)) throw new TypeError('argument name is invalid')
  const expires = cookie.expires
  return name + '=' + value +
    (maxAge === undefined ? '' : '; Max-Age=' + maxAge) +
    (cookie.domain ? '; Domain=' + matching(DOMAIN, cookie.domain, 'domain') : '') +
    (cookie.path ? '; Path=' + matching(PATH, cookie.path, 'path') : '') +
    (expires ? '; Expires=' + date(expires) : '') +
    (cookie.httpOnly ? '; HttpOnly' : '') +
    (cookie.secure ? '; Secure' : '') +
    (cookie.partitioned ? '; Partitioned' : '') +
    (cookie.priority ? '; Priority=' + oneOf(PRIORITIES, cookie.priority, 'priority') : '') +
    (cookie.sameSite ? '; SameSite=' + (cookie.sameSite === true ? 'Strict' : oneOf(SAME_SITES, cookie.sameSite, 'sameSite')) : '')
}

function matching (pattern, text, option) {
  if (!pattern.test(text)) throw invalid(option)
  return text
}

function date (expires) {
  if (!(expires instanceof Date) || Number.isNaN(expires.getTime())) throw invalid('expires')
  return expires.toUTCString()
}

function oneOf (names, value, option) {
  const name = typeof value === 'string' ? value.toLowerCase() : undefined
  if (name === undefined || !Object.hasOwn(names, name)) throw invalid(option)
  return names[name]
}

function invalid (option) {
  return new TypeError(`option ${option} is invalid`)
}

module.exports = { serialize }
