'use strict'

// Saves that a handler began and did not wait for: the end of its request does.

class UnderWay {
  count = 0
  waiting = []

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
    this.waiting.push(next)
  }

  go () {
    if (this.count > 0) return
    for (const next of this.waiting.splice(0)) next()
  }
}

module.exports = { UnderWay }
