/** Server state: read, kept, and read again when something happens. */
import { useCallback, useEffect, useState } from 'react'
import { call, onChange } from './client.ts'

export interface Loaded<T> {
  readonly data: T | undefined
  readonly error: Error | undefined
  readonly reload: () => void
}

export function useApi<T>(path: string, options: { everyMs?: number } = {}): Loaded<T> {
  const [data, setData] = useState<T>()
  const [error, setError] = useState<Error>()
  const { everyMs } = options
  const load = useCallback(() => {
    call<T>('GET', path).then(
      (found) => {
        setData(found)
        setError(undefined)
      },
      (thrown: Error) => setError(thrown),
    )
  }, [path])
  useEffect(() => {
    load()
    const off = onChange(load)
    const timer = everyMs === undefined ? undefined : setInterval(() => !document.hidden && load(), everyMs)
    return () => {
      off()
      clearInterval(timer)
    }
  }, [load, everyMs])
  return { data, error, reload: load }
}
