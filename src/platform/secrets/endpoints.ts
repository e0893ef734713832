/** The native API of secrets: values go in and never come out. */
import { z } from 'zod'
import { endpoint, type Route } from '#platform/http/index.ts'
import { Secret, SecretName, type Secrets, secretValue } from './secrets.ts'

export const secretsEndpoints = (secrets: Secrets): Route[] => [
  endpoint({
    id: 'secrets.list',
    method: 'GET',
    path: '/api/v1/secrets',
    summary: 'Names of the secrets of the project, never their values',
    permission: 'secret:list',
    input: z.strictObject({}),
    output: z.object({ secrets: z.array(Secret) }),
    run: secrets.list,
  }),
  endpoint({
    id: 'secrets.set',
    method: 'PUT',
    path: '/api/v1/secrets/:name',
    summary: 'Keep a secret, sealed',
    permission: 'secret:set',
    input: z.strictObject({ name: SecretName, value: secretValue }),
    output: Secret,
    run: secrets.set,
  }),
  endpoint({
    id: 'secrets.remove',
    method: 'DELETE',
    path: '/api/v1/secrets/:name',
    summary: 'Forget a secret',
    permission: 'secret:remove',
    input: z.strictObject({ name: SecretName }),
    output: z.object({}),
    run: secrets.remove,
  }),
  endpoint({
    id: 'admin.rotateSecrets',
    method: 'POST',
    path: '/api/v1/admin/secrets/rotate',
    summary: 'Seal every secret anew under a new key',
    permission: 'admin:rotate',
    input: z.strictObject({}),
    output: z.object({ secrets: z.number() }),
    run: secrets.rotate,
  }),
]
