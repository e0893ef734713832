/** The session cookie on the wire. Pure. */
const cookieName = 'headrace_session'

export function sessionCookie(
  secret: string,
  { path, ttlMs, isSecure }: { path: string; ttlMs: number; isSecure: boolean },
): string {
  const parts = [`${cookieName}=${secret}`, `Path=${path}`, `Max-Age=${Math.floor(ttlMs / 1_000)}`]
  return [...parts, 'HttpOnly', 'SameSite=Lax', ...(isSecure ? ['Secure'] : [])].join('; ')
}

export function sessionSecretOf(cookies: string | undefined): string | undefined {
  const found = /(?:^|;\s*)headrace_session=([\w-]{20,100})(?:;|$)/.exec(cookies ?? '')
  return found?.[1]
}
