import { createRoot } from 'react-dom/client'
import '@fontsource-variable/inter'
import '@fontsource-variable/jetbrains-mono'
import 'uplot/dist/uPlot.min.css'
import './ui/tokens.css'
import { App } from './app/App.tsx'

const root = document.getElementById('root')
if (root !== null) createRoot(root).render(<App />)
