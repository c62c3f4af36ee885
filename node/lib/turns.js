'use strict'

// Whose turn it is to write a session: of this process's requests one at a time, for each store and id.

const stores = new WeakMap()

function queuesOf (store) {
  let queues = stores.get(store)
  if (queues === undefined) stores.set(store, queues = new Map())
  return queues
}

/** Runs `job(end)` when nobody else writes the session, at once where nobody does; `end()` is for whoever waits. */
function inTurn (store, id, job) {
  const queues = queuesOf(store)
  const waiting = queues.get(id)
  if (waiting !== undefined) {
    waiting.push(job)
    return
  }
  const queue = []
  queues.set(id, queue)
  let isEnded = false
  const end = () => {
    if (isEnded) return
    isEnded = true
    if (queue.length === 0) queues.delete(id)
    else goOn(queues, id, queue)
  }
  job(end)
}

/** Runs those who wait, one after the other. A loop, so that stores that answer at once do not pile up calls. */
function goOn (queues, id, queue) {
  let isRunning = false
  let isFree = true
  const run = () => {
    if (isRunning) return
    isRunning = true
    try {
      while (isFree && queue.length > 0) {
        isFree = false
        begin(queue.shift())
      }
    } finally {
      // What an application's callback throws is not the next one's affair.
      isRunning = false
      if (isFree && queue.length === 0) queues.delete(id)
      else if (isFree) setImmediate(run)
    }
  }
  const begin = next => {
    let isEnded = false
    next(() => {
      if (isEnded) return
      isEnded = true
      isFree = true
      run()
    })
  }
  run()
}

module.exports = { inTurn }
