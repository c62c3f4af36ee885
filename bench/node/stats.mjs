// The median of rounds, with the least and the most.

export function spread (values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  const median = sorted.length % 2 === 1 ? sorted[Math.floor(middle)] : (sorted[middle - 1] + sorted[middle]) / 2
  return { median, low: sorted[0], high: sorted.at(-1) }
}

/** Three digits, as tables have them. */
export const short = value => value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)

export const said = ({ median, low, high }) => `${short(median)} (${short(low)}–${short(high)})`

/** What the middlewares add to bare, by contender and route, each round by itself. */
export function added (rounds, routes) {
  const names = Object.keys(rounds[0]).filter(name => name !== 'bare')
  return Object.fromEntries(names.map(name => [name, Object.fromEntries(routes.map(route =>
    [route, rounds.map(round => round[name][route] - round.bare[route])]))]))
}

/** One contender's figures by another's, round by round. */
export function ratios (one, other, routes) {
  return Object.fromEntries(routes.map(route => [route, spread(one[route].map((value, round) => value / other[route][round]))]))
}
