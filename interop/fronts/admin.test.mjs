// The operators' console mounted in an application, two processes on one Redis, by its forms and in a real browser.

import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { chromium } from 'playwright-core'

import { CHROMIUM, fromHere, PASSWORDS, startExample, startRedis, Visitor } from './support.mjs'

const SCREENSHOTS = fromHere('../../target/screenshots')
const FRESH_SECS = 2
const PAGES = ['/console', '/console/sessions', '/console/search?q=lin', '/console/user?name=linus', '/console/ended']

let redis, panels, hasty, browser

before(async () => {
  redis = await startRedis()
  panels = [await startExample('admin', redis.url), await startExample('admin', redis.url)]
  hasty = await startExample('admin', redis.url, ['--fresh-secs', String(FRESH_SECS)])
  browser = await chromium.launch(CHROMIUM)
})

after(async () => {
  await browser?.close()
  for (const server of [hasty, ...(panels ?? []), redis]) await server?.stop()
})

test('who is signed out is sent to the login, and an account without a role reaches nothing', async () => {
  const visitor = new Visitor()
  const sent = await visitor.page(`${panels[0].url}/console`)
  assert.equal(sent.status, 303)
  assert.equal(sent.headers.get('location'), '/login?next=/console')
  await visitor.login(panels[0], 'linus')
  for (const path of PAGES) assert.equal((await visitor.page(panels[0].url + path)).status, 403, path)
  assert.equal((await visitor.submit(`${panels[0].url}/console/user/end`, { user: 'ada' })).status, 403)
})

test('an editor looks, sees no button, and ends nothing', async () => {
  const [editor, victim] = [await signedIn('grace'), await signedIn('linus')]
  for (const path of PAGES) {
    const page = await editor.page(panels[1].url + path)
    assert.equal(page.status, 200, path)
    assert.doesNotMatch(await page.text(), /\/(end|reveal)"|<button[^>]*>(End|Reveal)/, path)
  }
  const token = await tokenOf(await signedIn('ada'), panels[0])
  for (const path of ['/user/end', '/session/end', '/session/reveal', '/end']) {
    const fields = { user: 'linus', handle: 'x', key: 'roles', expected: '1', _csrf: token }
    assert.equal((await editor.submit(`${panels[0].url}/console${path}`, fields)).status, 403, path)
  }
  assert.ok(await isSignedIn(victim))
})

test('an admin ends all sessions of another, in all processes, and their own goes on', async () => {
  const victims = [await signedIn('grace', 0), await signedIn('grace', 1), await signedIn('grace', 1)]
  const admin = await signedIn('ada', 0)
  const ended = await end(admin, panels[0], 'grace')
  assert.equal(ended.status, 303)
  assert.equal(ended.headers.get('location'), '/console/ended?done=1')
  for (const victim of victims) assert.equal(await isSignedIn(victim), false)
  const page = await (await admin.page(`${panels[1].url}/console/user?name=grace`)).text()
  assert.match(page, /No live session of this user/)
  assert.ok(await isSignedIn(admin))
})

test('a login that is not fresh ends nothing, and after another one it may', async () => {
  const [admin, victim] = [await signedIn('ada'), await signedIn('grace')]
  const token = await tokenOf(admin, hasty)
  await sleep((FRESH_SECS + 1) * 1000)
  const stale = await admin.submit(`${hasty.url}/console/user/end`, { user: 'grace', _csrf: token })
  assert.equal(stale.status, 403)
  assert.ok(await isSignedIn(victim))
  assert.match(await (await admin.page(`${hasty.url}/login?again=1&next=/console`)).text(), /once more/)
  assert.equal((await admin.login(hasty, 'ada', { next: '/console' })).headers.get('location'), '/console')
  assert.equal((await end(admin, hasty, 'grace')).status, 303)
  assert.equal(await isSignedIn(victim), false)
})

test('what is shown is escaped, and the page runs no script', async () => {
  const page = await new Visitor().page(`${panels[0].url}/login?next=${encodeURIComponent('"><script>alert(1)</script>')}`)
  assert.match(page.headers.get('content-security-policy'), /default-src 'none'/)
  assert.doesNotMatch(await page.text(), /<script/)
})

const LOOKS = {
  light: { colorScheme: 'light' },
  dark: { colorScheme: 'dark' },
  phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true }
}

for (const [look, options] of Object.entries(LOOKS)) {
  test(`in a browser, from the login to the console and an ending: ${look}`, async () => {
    await signedIn('grace', 1)
    const context = await browser.newContext(options)
    const complaints = []
    try {
      context.setDefaultTimeout(10_000)
      const page = await context.newPage()
      page.on('console', message => { if (message.type() === 'error') complaints.push(message.text()) })
      await page.goto(panels[0].url)
      await picture(page, `admin-login-${look}`)
      await page.getByLabel('Name').fill('ada')
      await page.getByLabel('Password').fill(PASSWORDS.ada)
      await page.getByRole('button', { name: 'Sign in' }).click()
      await page.getByRole('heading', { name: 'Overview' }).waitFor()
      await picture(page, `admin-overview-${look}`)
      await page.goto(`${panels[0].url}/console/user?name=grace`)
      await picture(page, `admin-user-${look}`)
      await page.getByRole('button', { name: /^End \d+ session/ }).click()
      await page.getByRole('status').filter({ hasText: 'ended.' }).waitFor()
      await picture(page, `admin-ended-${look}`)
    } finally {
      await context.close()
    }
    assert.deepEqual(complaints, [])
  })
}

/** Somebody who signed in at one of the panels. */
async function signedIn (user, panel = 0) {
  const visitor = new Visitor()
  assert.equal((await visitor.login(panels[panel], user)).status, 303)
  return visitor
}

/** Whether every panel knows who this is: whoever is signed out is sent to the login. */
async function isSignedIn (visitor) {
  const answers = await Promise.all(panels.map(async panel => (await visitor.page(`${panel.url}/console`)).status !== 303))
  assert.equal(answers[0], answers[1], 'the panels agree')
  return answers[0]
}

async function end (admin, panel, user) {
  const _csrf = await tokenOf(admin, panel)
  return admin.submit(`${panel.url}/console/user/end`, { user, _csrf })
}

/** The token of an admin's forms: any page of one's own user has it. */
async function tokenOf (admin, panel) {
  const page = await (await admin.page(`${panel.url}/console/user?name=ada`)).text()
  return page.match(/name="_csrf" value="([^"]+)"/)[1]
}

async function picture (page, name) {
  mkdirSync(SCREENSHOTS, { recursive: true })
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true })
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])
  assert.ok(content <= window, `${name} is ${content} px wide in a window of ${window} px`)
}
