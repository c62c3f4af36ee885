// A page that arrives in two parts: the frame at once, the rest when it is ready.

import { Suspense } from 'react'
import { setTimeout as sleep } from 'node:timers/promises'
import { headers } from 'next/headers'

export default async function Page () {
  await headers()
  return <><p>the first part</p><Suspense fallback={<p>wait</p>}><Rest /></Suspense></>
}

async function Rest () {
  await sleep(1500)
  return <p>the last part</p>
}
