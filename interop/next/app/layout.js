export const metadata = { title: 'Behind the gate' }

export default function Layout ({ children }) {
  return <html lang='en'><body>{children}</body></html>
}
