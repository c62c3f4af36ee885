'use strict'

// Saves that a handler began and did not wait for: the end of its request does.

/** Most requests have nobody who waits. */
const NOBODY = Object.freeze([])

class UnderWay {
  count = 0
  waiting = NOBODY

  /** Notes that one begins; what it returns is called at its end, once. */
  begin () {
    this.count += 1
    return () => {
      this.count -= 1
      // Whoever asked for it hears of it first.
      if (this.count === 0 && this.waiting.length > 0) setImmediate(() => this.go())
    }
  }

  /** Runs `next` once none is under way, at once where none is. */
  whenDone (next) {
    if (this.count === 0) return next()
    if (this.waiting === NOBODY) this.waiting = []
    this.waiting.push(next)
  }

  go () {
    if (this.count > 0) return
    const { waiting } = this
    this.waiting = NOBODY
    for (const next of waiting) next()
  }
}

module.exports = { UnderWay }
