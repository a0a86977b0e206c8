/** The contract of the admin API: routes, shapes and errors, for the server, the OpenAPI document and typed clients alike. */
import { HttpApi, OpenApi } from "effect/http-api"
import { LiveApi } from "./LiveApi.ts"
import { MeApi } from "./MeApi.ts"
import { ServersApi } from "./ServersApi.ts"
import { SignInsApi } from "./SignInsApi.ts"
import { UsersApi } from "./UsersApi.ts"

const description = `Administration of the hub, and self-service for its users.

A request is made with an MCPHub key (\`Authorization: Bearer mcphub_…\` or \`x-mcphub-key\`), or signed in by cookie; then a request that changes something repeats the \`csrf\` of \`GET /api/me\` in the header \`x-mcphub-csrf\`. A key gives what its owner may see and their own things; changing servers, settings and other users takes a sign-in of an admin.

Errors are problem details (RFC 9457) whose \`kind\` is for programs. Lists take \`limit\` and \`cursor\` and answer \`{ "items", "next" }\`. What two people may change at once has an \`ETag\`, which a change repeats in \`If-Match\`.`

/** How one may identify oneself; the middleware of the contract does not say it by itself. */
const security = {
  key: { type: "http", scheme: "bearer", description: "An MCPHub key" },
  header: { type: "apiKey", in: "header", name: "x-mcphub-key" },
  cookie: { type: "apiKey", in: "cookie", name: "mcphub_session" }
}

export class RestApi extends HttpApi.make("mcphub")
  .add(MeApi, SignInsApi, UsersApi, ServersApi, LiveApi)
  // A misspelt or unknown name would otherwise pass as one that was not said, and more be done than was meant.
  .annotate(HttpApi.QueryParseOptions, { onExcessProperty: "error" })
  .annotate(HttpApi.PayloadParseOptions, { onExcessProperty: "error" })
  .annotateMerge(
    OpenApi.annotations({
      title: "MCPHub",
      version: "3",
      description,
      transform: (document) => ({
        ...document,
        components: { ...(document["components"] as object), securitySchemes: security },
        security: Object.keys(security).map((name) => ({ [name]: [] }))
      })
    })
  ) {}
