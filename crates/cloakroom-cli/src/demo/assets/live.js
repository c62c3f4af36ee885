// Keeps the page true: the cart's number while the session lives, and a word when it has ended.

const ENDED = 4401;
const LONGEST_WAIT_MS = 30_000;

// A login in another tab ends the old session, and this browser has the new one; its cookie may be on
// the way still.
const COOKIE_WAIT_MS = 300;

let wait = 500;
let hasEnded = false;

connect();

// Keeps a connection; `over` says why the last one was ended, until it is known who is there now.
function connect(over) {
  const address = new URL('/ws?background', location.href);
  address.protocol = address.protocol.replace('http', 'ws');
  const socket = new WebSocket(address);
  const ask = () => document.visibilityState === 'visible' && socket.readyState === WebSocket.OPEN && socket.send('cart');
  document.addEventListener('visibilitychange', ask);
  socket.addEventListener('message', ({ data }) => {
    const { userId, count } = JSON.parse(data);
    if (over && !userId) {
      showEnd(over);
      return socket.close();
    }
    over = undefined;
    wait = 500;
    showCount(count);
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

function showCount(count) {
  const link = document.querySelector('nav a[href="/cart"]');
  let badge = link.querySelector('.count');
  if (count === 0) return badge?.remove();
  if (!badge) {
    badge = document.createElement('span');
    badge.className = 'count';
    link.append(' ', badge);
  }
  badge.textContent = count;
}

function showEnd(reason) {
  hasEnded = true;
  showCount(0);
  const template = document.querySelector(reason === 'session expired' ? '#expired' : '#ended');
  const main = document.querySelector('main');
  main.replaceChildren(template.content.cloneNode(true));
  document.querySelector('nav a[href="/profile"]')?.remove();
  main.focus();
}
