import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

// The server takes /p/PROJECT off every address, so /app/assets serves all projects.
export default defineConfig({
  base: '/app/',
  plugins: [react()],
  build: { outDir: 'dist', assetsInlineLimit: 0 },
})
