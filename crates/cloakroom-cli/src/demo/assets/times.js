// Instants as the reader's own clock shows them, and how long it is until then, counted down. The words
// are those of words.rs.

const local = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
const words = new Intl.RelativeTimeFormat('en');

let moments = [];

find();
document.addEventListener('refreshed', find);
setInterval(count, 1000);

function find() {
  moments = [...document.querySelectorAll('time[datetime]:not([title])')].map((time) => {
    const at = new Date(time.dateTime);
    time.title = time.textContent;
    time.textContent = local.format(at);
    return { at, left: time.previousElementSibling };
  }).concat(moments.filter(({ left }) => left?.isConnected));
}

function count() {
  for (const { at, left } of moments) {
    if (left?.isConnected && left.matches('.left')) left.textContent = until(at - Date.now());
  }
}

function until(milliseconds) {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds <= 0) return 'now';
  if (seconds < 90) return words.format(seconds, 'second');
  if (seconds < 5_400) return words.format(Math.round(seconds / 60), 'minute');
  if (seconds <= 171_000) return words.format(Math.round(seconds / 3_600), 'hour');
  return words.format(Math.round(seconds / 86_400), 'day');
}
