// The cookies of one visitor, kept as browsers keep them (RFC 6265bis, by tough-cookie): they end by
// `Expires` and `Max-Age`, go to their path and host only, and two of one name are told apart.

import { CookieJar } from 'tough-cookie'

/** Where a cookie goes that a test plants: a port says nothing to a cookie. */
const HERE = 'http://127.0.0.1/'
const OPTIONS = { prefixSecurity: 'strict', rejectPublicSuffixes: true, allowSpecialUseDomain: true }

export class BrowserJar {
  #jar

  constructor (jar = new CookieJar(undefined, OPTIONS)) {
    this.#jar = jar
  }

  /** The `Cookie` field of a request, empty where it has no cookie. */
  header (url) {
    return this.#jar.getCookieStringSync(String(url))
  }

  /** Keeps what the answer to a request sets; what a browser would not keep is lost. */
  keep (response, url) {
    for (const field of response.headers.getSetCookie()) {
      this.#jar.setCookieSync(field, String(url), { ignoreError: true })
    }
  }

  /** Plants a cookie by no server's leave. */
  set (name, value) {
    this.#jar.setCookieSync(`${name}=${value}; Path=/`, HERE)
  }

  get (name) {
    return this.#live().find(cookie => cookie.key === name)?.value
  }

  values () {
    return this.#live().map(cookie => cookie.value)
  }

  /** Names and values, in the order in which they are sent. */
  * [Symbol.iterator] () {
    for (const { key, value } of this.#live()) yield [key, value]
  }

  /** The same cookies in a jar of their own. */
  clone () {
    return new BrowserJar(this.#jar.cloneSync())
  }

  #live () {
    return this.#jar.getCookiesSync(HERE)
  }
}
