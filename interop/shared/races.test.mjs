// A sign-out here while Express is about to save what it read: Express brings the session back, and
// we never take it for one. `CLOAKROOM_ROUNDS=1000` plays each race that often.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { stores, Visitor, withBoth } from './labs.mjs'

const ROUNDS = Number(process.env.CLOAKROOM_ROUNDS ?? 40)
const TOGETHER = 20

/** Whether each side takes the session for one after a round. */
async function round (labs) {
  const visitor = new Visitor()
  await visitor.step(labs.node, 'login', { user: 'ada' })
  // Express has read the session and waits; meanwhile it is destroyed here.
  const saving = visitor.clone().run(labs.node, { op: 'sleep', ms: 30 }, { op: 'set', key: 'late', value: 1 })
  const leaving = visitor.clone().run(labs.rust, { op: 'sleep', ms: Math.floor(Math.random() * 40) }, { op: 'destroy' })
  await Promise.all([saving, leaving])
  // Express first: what we refuse we may remove.
  const node = await visitor.clone().me(labs.node) !== null
  const rust = await visitor.clone().me(labs.rust) !== null
  return { node, rust }
}

async function rounds (labs) {
  const accepted = { rust: 0, node: 0 }
  for (let done = 0; done < ROUNDS; done += TOGETHER) {
    const results = await Promise.all(Array.from({ length: TOGETHER }, () => round(labs)))
    for (const result of results) {
      accepted.rust += result.rust
      accepted.node += result.node
    }
  }
  return accepted
}

for (const [name, url] of stores()) {
  test(`${name}: a session that Express brings back is refused here`, async t => {
    await withBoth(url, { node: ['--resave'], rust: ['--mixed-fleet'] }, async labs => {
      const accepted = await rounds(labs)
      t.diagnostic(`${name}: of ${ROUNDS} rounds ${accepted.node} brought back by Express, ${accepted.rust} taken here`)
      assert.equal(accepted.rust, 0)
    })
  })

  test(`${name}: the control: without a mark some are taken`, async () => {
    await withBoth(url, { node: ['--resave'], rust: [] }, async labs => {
      const accepted = await rounds(labs)
      assert.ok(accepted.rust > 0, 'a race that nobody loses shows nothing')
    })
  })
}

for (const [name, url] of stores().filter(([name]) => name === 'postgres')) {
  test(`${name}: behind the trigger Express brings nothing back either`, async t => {
    await withBoth(url, { node: ['--resave'], rust: ['--mixed-fleet', '--shield'] }, async labs => {
      const accepted = await rounds(labs)
      t.diagnostic(`${name}: of ${ROUNDS} rounds ${accepted.node} brought back by Express, ${accepted.rust} taken here`)
      assert.deepEqual(accepted, { rust: 0, node: 0 })
    })
  })
}
