export const metadata = { title: 'Behind the gate', icons: { icon: 'data:,' } }

export default function Layout ({ children }) {
  return <html lang='en'><body>{children}</body></html>
}
