import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

// Relative, so that parts find each other below any path; the server puts the right one into index.html.
export default defineConfig({
  base: './',
  plugins: [react()],
  build: { outDir: 'dist', assetsInlineLimit: 0 },
})
