/** What a client asks about the server itself: its version and what it can do. */
import { Fault } from '#base/errors.ts'
import { type Route, rawRoute } from '#platform/http/index.ts'
import { renderFault } from './errors.ts'
import { mlflowRoute } from './routes.ts'

/** The MLflow version whose behaviour is offered; clients choose by it, as the OTLP export of spans from 3.4 on. */
export const mlflowVersion = '3.18.0'

export const serverRoutes = (): Route[] => [
  rawRoute({
    id: 'mlflow.version',
    method: 'GET',
    path: '/version',
    summary: 'MLflow: the version that this server speaks',
    permission: 'public',
    async handle(_request, reply) {
      reply.header('content-type', 'text/html; charset=utf-8')
      return mlflowVersion
    },
  }),
  ...(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const).map((method) =>
    rawRoute({
      id: `mlflow.missing.${method.toLowerCase()}`,
      method,
      path: '/api/2.0/mlflow/*',
      summary: 'MLflow: what is not there, in words that its clients know',
      permission: 'public',
      renderFault,
      async handle(request) {
        const what = `${request.method} ${(request.url.split('?')[0] ?? '').slice(0, 200)}`
        throw new Fault('not_found', 'mlflow.endpoint_not_found', `there is nothing at ${what}`)
      },
    }),
  ),
  mlflowRoute({
    at: 'GET server-info',
    permission: 'public',
    run: async () => ({
      store_type: 'SqlStore',
      workspaces_enabled: false,
      trace_archival_enabled: false,
      multipart_uploads_enabled: false,
      multipart_downloads_enabled: false,
      artifact_serving_enabled: true,
      presigned_upload_run_id_supported: false,
      presigned_upload_model_id_supported: false,
      model_artifact_presigned_downloads_supported: false,
      features_enabled: {},
      tracking_auth: '',
      artifacts_presigned_only: false,
    }),
  }),
]
