/** The contract as an OpenAPI document, the same for everybody: it names no user, server or setting. */
import { Context } from "effect"
import { type HttpApiEndpoint, OpenApi } from "effect/http-api"
import type { Need } from "../../../domain/access/Viewer.ts"
import { Needs } from "./api/Admission.ts"
import { RestApi } from "./api/RestApi.ts"

/** For whom an operation is, in words. */
export const needWords: Readonly<Record<Need, string>> = {
  own: "For every user, about their own things.",
  read: "For admins and auditors.",
  change: "For admins who have signed in; a key is not enough."
}

/** The operations at one path, by method. */
export const operationsAt = (document: OpenApi.OpenAPISpec, path: string) =>
  Object.entries((document.paths[path] ?? {}) as Readonly<Record<string, OpenApi.OpenAPISpecOperation>>)

interface Groups {
  readonly [group: string]: { readonly endpoints: Readonly<Record<string, HttpApiEndpoint.Top>> }
}

export const documentOf = (basePath: string): OpenApi.OpenAPISpec => {
  const document = OpenApi.fromApi(RestApi)
  const groups = RestApi.groups as unknown as Groups
  for (const path of Object.keys(document.paths)) {
    for (const [, operation] of operationsAt(document, path)) {
      const [group = "", name = ""] = operation.operationId.split(".")
      const endpoint = groups[group]?.endpoints[name]
      if (endpoint !== undefined) operation.description = needWords[Context.get(endpoint.annotations, Needs)]
      // Empty, it would say that the operation takes nobody's key.
      Reflect.deleteProperty(operation, "security")
    }
  }
  return { ...document, servers: [{ url: basePath === "" ? "/" : basePath }] }
}
