// connect-pg-simple keeps instants without a zone: both sides must mean the same one, whatever the
// server's zone is.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { openRaw } from './raw.mjs'
import { servers, Visitor, withBoth } from './labs.mjs'

const LIFETIME = 3_600_000

for (const [zone, url] of servers('CLOAKROOM_TIMEZONES')) {
  test(`${zone}: an hour is an hour for both`, async () => {
    const raw = await openRaw(url)
    await withBoth(url, ['--max-age-ms', String(LIFETIME)], async labs => {
      for (const [writer, reader] of [[labs.node, labs.rust], [labs.rust, labs.node]]) {
        const visitor = new Visitor()
        const from = Date.now()
        const { sid } = await visitor.run(writer, { op: 'login', user: 'ada' })
        const written = await raw.expires(sid)
        const [early, late] = [from + LIFETIME - written, written - Date.now() - LIFETIME]
        assert.ok(early < 1500 && late < 1500, `${writer.kind} writes it ${early} ms early, ${late} ms late`)
        assert.equal(await visitor.me(reader), 'ada')
        // The touch of the reader has moved it by the time in between, and no zone.
        const touched = await raw.expires(sid)
        const most = Date.now() - from + 1500
        assert.ok(touched >= written && touched - written < most, `${reader.kind} moves it by ${touched - written} ms`)
      }
    }).finally(() => raw.close())
  })

  test(`${zone}: what is over is over for both, and what is not is not pruned`, async () => {
    await withBoth(url, ['--max-age-ms', '5000'], async labs => {
      for (const writer of [labs.node, labs.rust]) {
        const visitor = new Visitor()
        await visitor.step(writer, 'login', { user: 'ada' })
        for (const lab of Object.values(labs)) assert.equal(await visitor.clone().me(lab), 'ada')
        await new Promise(resolve => setTimeout(resolve, 7100))
        for (const lab of Object.values(labs)) assert.equal(await visitor.clone().me(lab), null, `${lab.kind} after ${writer.kind}`)
      }
    })
  })
}
