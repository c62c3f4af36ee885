// What there is to buy; prices in cents.

export const goods = {
  'wool-scarf': { name: 'Wool scarf', price: 2900, about: 'Grey, and long enough for two turns.' },
  'felt-hat': { name: 'Felt hat', price: 4900, about: 'Keeps its shape in the rain.' },
  umbrella: { name: 'Umbrella', price: 3500, about: 'Wooden handle, eight ribs.' },
  'leather-gloves': { name: 'Leather gloves', price: 3900, about: 'Lined, in three sizes.' }
}

/** How many things a cart holds: of each at most so many. */
export const MOST = 9

export const money = cents => `€ ${(cents / 100).toFixed(2)}`

export function count (cart = {}) {
  return Object.values(cart).reduce((sum, quantity) => sum + quantity, 0)
}

export function total (cart = {}) {
  return Object.entries(cart).reduce((sum, [sku, quantity]) => sum + (goods[sku]?.price ?? 0) * quantity, 0)
}
