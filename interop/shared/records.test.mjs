// The records that real servers wrote, kept by Express's own stores and read here, and the reverse.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import { openRaw } from './raw.mjs'
import { stores, Visitor, withBoth } from './labs.mjs'

const VECTORS = new URL('../vectors.json', import.meta.url)
const { stored_records: { records } } = JSON.parse(readFileSync(process.env.CLOAKROOM_VECTORS ?? VECTORS))

/** The data of a record, without the cookie. */
function data (record) {
  const { cookie, ...data } = JSON.parse(record.redis.value)
  return data
}

// A key that Express's own Session object has is lost there when the record is loaded, and refused here.
const kept = records.filter(({ name, redis }) => typeof redis?.value === 'string' && !name.startsWith('reserved name'))

for (const [name, url] of stores()) {
  test(`${name}: each of ${kept.length} records, written by either, read by the other`, async () => {
    const raw = await openRaw(url)
    await withBoth(url, [], async labs => {
      for (const record of kept) {
        const steps = Object.entries(data(record)).map(([key, value]) => ({ op: 'set', key, value }))
        const texts = []
        for (const [writer, reader] of [[labs.node, labs.rust], [labs.rust, labs.node]]) {
          const visitor = new Visitor()
          const { sid } = await visitor.run(writer, { op: 'set', key: 'a-key', value: 1 }, ...steps)
          assert.deepEqual(await visitor.step(reader, 'all'), { 'a-key': 1, ...data(record) }, `${record.name}: ${writer.kind}`)
          texts.push(await raw.text(sid))
        }
        assert.equal(texts[1], texts[0], record.name)
      }
    }).finally(() => raw.close())
  })
}
