// Rendered on the server for whom the gate says is there: nobody else sets this header.

import { headers } from 'next/headers'
import Link from 'next/link'

export default async function Page () {
  const user = (await headers()).get('x-session-user')
  return (
    <>
      <h1>Hello {user === null ? 'nobody' : decodeURIComponent(user)}</h1>
      <Link href='/slow' prefetch={false}>the slow page</Link>
    </>
  )
}
