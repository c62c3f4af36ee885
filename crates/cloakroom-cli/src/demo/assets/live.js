// Keeps the page true: what it shows while the session lives, and a notice when it has ended.

const ENDED = 4401;
const LONGEST_WAIT_MS = 30_000;

// A login in another tab ends the old session, and this browser has the new one; its cookie may be on
// the way still.
const COOKIE_WAIT_MS = 300;

let wait = 500;
let hasEnded = false;

// Tabs of a visitor without a session have no connection: a tab that has one tells them.
const tabs = new BroadcastChannel('session');

if (document.body.dataset.state) begin();
else tabs.addEventListener('message', refresh, { once: true });

function begin() {
  connect();
  tabs.postMessage('begun');
}

// Keeps a connection; `over` is the reason for which the last one was closed, until it is known who is
// there now.
function connect(over) {
  const address = new URL('/ws?background', location.href);
  address.protocol = address.protocol.replace('http', 'ws');
  const socket = new WebSocket(address);
  const ask = () => document.visibilityState === 'visible' && socket.readyState === WebSocket.OPEN && socket.send('cart');
  document.addEventListener('visibilitychange', ask);
  socket.addEventListener('message', ({ data }) => {
    if (over && !JSON.parse(data).userId) {
      showEnd(over);
      return socket.close();
    }
    over = undefined;
    wait = 500;
    if (data !== document.body.dataset.state) refresh();
  });
  socket.addEventListener('close', ({ code, reason }) => {
    document.removeEventListener('visibilitychange', ask);
    if (hasEnded) return;
    if (code === ENDED) return void setTimeout(connect, COOKIE_WAIT_MS, reason);
    // The shop may be on its way back; not all pages ask at the same moment.
    setTimeout(connect, wait * (0.5 + Math.random()), over);
    wait = Math.min(2 * wait, LONGEST_WAIT_MS);
  });
}

// Shows the page as it is now: its header always, the rest unless a form of it is being filled in.
async function refresh() {
  const answer = await fetch(location.href, { headers: { accept: 'text/html' } }).catch(() => undefined);
  if (hasEnded || !answer?.ok) return;
  if (answer.redirected) return location.reload();
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const begins = page.body.dataset.state && !document.body.dataset.state;
  document.body.dataset.state = page.body.dataset.state ?? '';
  replace(page, 'header');
  if ([...document.querySelectorAll('main input')].some(isFilledIn)) renewTokens(page);
  else replace(page, 'main');
  document.dispatchEvent(new Event('refreshed'));
  if (begins) connect();
}

// The form that stays is of the session as it is now.
function renewTokens(page) {
  const token = page.querySelector('input[name="_csrf"]')?.value;
  for (const input of document.querySelectorAll('input[name="_csrf"]')) input.value = token ?? '';
}

function isFilledIn(input) {
  return input.type !== 'hidden' && input.value !== input.defaultValue;
}

// Puts the new page's part in the place of this one's, and the focus where it was.
function replace(page, part) {
  const [old, now] = [document.querySelector(part), page.querySelector(part)];
  const index = focusable(old).indexOf(document.activeElement);
  old.replaceWith(now);
  if (index >= 0) focusable(now)[index]?.focus({ preventScroll: true });
}

function focusable(part) {
  return [...part.querySelectorAll('a[href], button, input, summary, [tabindex]')];
}

function showEnd(reason) {
  hasEnded = true;
  const template = document.querySelector(reason === 'session expired' ? '#expired' : '#ended');
  const main = document.querySelector('main');
  main.replaceChildren(template.content.cloneNode(true));
  document.querySelector('nav a[href="/cart"] .count')?.remove();
  document.querySelector('nav a[href="/profile"]')?.remove();
  main.focus();
}
