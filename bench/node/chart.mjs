// Bars beside each other, a panel for each route: as the charts of `bench/` are.

import { short } from './stats.mjs'

const WIDTH = 980
const LEFT = 230
const MARGIN = 16
const LINE = 20
const BAR = 12
/** Room for a figure after its bar. */
const FIGURE = 58

const STYLE = `<style>
svg { --ground: #ffffff; --text: #1f2328; --dim: #59636e; --ours: #0969da; --peer: #a8b1bb; --spread: #1f2328; --line: #d1d9e0; }
@media (prefers-color-scheme: dark) {
svg { --ground: #0d1117; --text: #f0f6fc; --dim: #9198a1; --ours: #58a6ff; --peer: #59636e; --spread: #f0f6fc; --line: #3d444d; } }
text { font: 12px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: var(--text); }
.title { font-size: 15px; font-weight: 600; }
.dim { fill: var(--dim); }
.family { font-weight: 600; }
.ours { fill: var(--ours); font-weight: 600; }
rect.ground { fill: var(--ground); }
rect.peer { fill: var(--peer); }
rect.ours { fill: var(--ours); }
line { stroke: var(--line); }
line.spread { stroke: var(--spread); }
</style>`

const escape = text => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
const text = (x, y, kind, words) => `<text class="${kind}" x="${x.toFixed(1)}" y="${y.toFixed(1)}">${escape(words)}</text>`

/** Draws families of rows, `{ family: { name: { column: spread } } }`: an SVG document. */
export function draw (title, note, columns, families) {
  const cells = Object.values(families).flatMap(rows => Object.values(rows))
  const width = (WIDTH - LEFT - MARGIN) / columns.length
  const panels = columns.map((column, at) => {
    const most = Math.max(...cells.map(row => row[column].high))
    return { column, left: LEFT + width * at, length: value => Math.max(0, value / most) * (width - FIGURE) }
  })
  const body = [text(MARGIN, 28, 'title', title), text(MARGIN, 46, 'dim', note)]
  for (const { column, left } of panels) body.push(text(left, 76, 'family', column))
  let y = 86
  for (const [family, rows] of Object.entries(families)) {
    body.push(text(MARGIN, y + 14, 'family', family))
    y += LINE
    for (const [name, row] of Object.entries(rows)) {
      body.push(...bars(name, row, panels, y))
      y += LINE
    }
    y += 6
  }
  for (const { left } of panels) body.push(`<line x1="${left.toFixed(1)}" x2="${left.toFixed(1)}" y1="84" y2="${y}"/>`)
  const height = y + 10
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escape(title)}">
${STYLE}
<rect class="ground" width="100%" height="100%" rx="6"/>
${body.join('\n')}
</svg>
`
}

function bars (name, row, panels, y) {
  const kind = name.startsWith('cloakroom') ? 'ours' : 'peer'
  const parts = [text(MARGIN + 10, y + 14, kind === 'ours' ? 'ours' : 'name', name)]
  for (const { column, left, length } of panels) {
    const { median, low, high } = row[column]
    const middle = (y + 4 + BAR / 2).toFixed(1)
    parts.push(`<rect class="${kind}" x="${left.toFixed(1)}" y="${y + 4}" width="${length(median).toFixed(1)}" height="${BAR}"/>`)
    parts.push(`<line class="spread" x1="${(left + length(low)).toFixed(1)}" x2="${(left + length(high)).toFixed(1)}" y1="${middle}" y2="${middle}"/>`)
    parts.push(text(left + length(high) + 5, y + 14, 'figure', short(median)))
  }
  return parts
}
