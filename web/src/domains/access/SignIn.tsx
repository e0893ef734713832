/** What a server that knows its users asks first; and the way out. */
import { type FormEvent, useEffect, useState } from 'react'
import { call } from '../../api/client.ts'

export function SignIn() {
  const [error, setError] = useState<string>()
  const [isBusy, setBusy] = useState(false)
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    setBusy(true)
    try {
      await call('POST', '/api/v1/session', { user: form.get('user'), password: form.get('password') })
      location.reload()
    } catch (thrown) {
      setError((thrown as Error).message)
      setBusy(false)
    }
  }
  return (
    <main className="sign-in">
      <form onSubmit={submit} aria-label="Sign in">
        <h1>
          <span aria-hidden="true">≋</span> Headrace
        </h1>
        <label>
          User
          <input name="user" autoComplete="username" required />
        </label>
        <label>
          Password
          <input name="password" type="password" autoComplete="current-password" required />
        </label>
        {error === undefined ? null : <p role="alert">{error}</p>}
        <button type="submit" disabled={isBusy}>
          Sign in
        </button>
      </form>
    </main>
  )
}

export function SignOut() {
  const [actor, setActor] = useState<string>()
  useEffect(() => {
    call<{ byCookie?: boolean; actor?: string }>('GET', '/api/v1/session').then(
      (session) => setActor(session.byCookie === true ? session.actor : undefined),
      () => undefined,
    )
  }, [])
  if (actor === undefined) return null
  const leave = () => call('DELETE', '/api/v1/session').finally(() => location.reload())
  return (
    <button type="button" className="sign-out" onClick={leave}>
      Sign out {actor}
    </button>
  )
}
