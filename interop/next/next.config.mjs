import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

/** @type {import('next').NextConfig} */
export default {
  poweredByHeader: false,
  distDir: process.env.NEXT_DIST_DIR ?? '.next',
  turbopack: { root: dirname(fileURLToPath(import.meta.url)) },
  // The image optimiser is not used here, and fetches what its caller names.
  images: { unoptimized: true }
}
