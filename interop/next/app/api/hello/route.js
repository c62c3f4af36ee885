// A route handler: what reached it, as JSON.

export function GET (request) {
  return Response.json({ user: request.headers.get('x-session-user'), cookie: request.headers.get('cookie') })
}

export async function POST (request) {
  return Response.json({ user: request.headers.get('x-session-user'), body: await request.text() })
}
