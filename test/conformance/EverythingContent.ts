/** The prompts and resources the conformance suite reads, completes and subscribes to. */
import { completable, type McpServer, ResourceNotFoundError, ResourceTemplate } from "@modelcontextprotocol/server"
import * as z from "zod"
import { png } from "./EverythingTools.ts"

const user = <C>(content: C) => ({ role: "user" as const, content })
const text = (value: string) => ({ type: "text" as const, text: value })

export const registerPrompts = (server: McpServer) => {
  server.registerPrompt("test_simple_prompt", { description: "A prompt without arguments" }, () => ({
    messages: [user(text("This is a simple prompt for testing."))]
  }))
  const first = completable(z.string().describe("First test argument"), (value) =>
    ["testValue1", "testValue2", "other"].filter((known) => known.startsWith(value))
  )
  server.registerPrompt(
    "test_prompt_with_arguments",
    {
      description: "A prompt with two arguments",
      argsSchema: z.object({ arg1: first, arg2: z.string().describe("Second test argument") })
    },
    ({ arg1, arg2 }) => ({ messages: [user(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`))] })
  )
  server.registerPrompt(
    "test_prompt_with_embedded_resource",
    { description: "A prompt with a resource in it", argsSchema: z.object({ resourceUri: z.string() }) },
    ({ resourceUri }) => {
      const resource = { uri: resourceUri, mimeType: "text/plain", text: "Embedded resource content for testing." }
      return {
        messages: [user({ type: "resource" as const, resource }), user(text("Please process the resource above."))]
      }
    }
  )
  server.registerPrompt("test_prompt_with_image", { description: "A prompt with an image in it" }, () => ({
    messages: [
      user({ type: "image" as const, data: png, mimeType: "image/png" }),
      user(text("Please analyze the image above."))
    ]
  }))
}

export const registerResources = (server: McpServer) => {
  const plain = "text/plain"
  const fixed = (
    name: string,
    uri: string,
    mimeType: string,
    body: { readonly text: string } | { readonly blob: string }
  ) =>
    server.registerResource(name, uri, { description: `The ${name} resource`, mimeType }, () => ({
      contents: [{ uri, mimeType, ...body }]
    }))
  fixed("static-text", "test://static-text", plain, { text: "This is the content of the static text resource." })
  fixed("static-binary", "test://static-binary", "image/png", { blob: png })
  fixed("watched-resource", "test://watched-resource", plain, { text: "Watched resource content" })
  server.registerResource(
    "template",
    new ResourceTemplate("test://template/{id}/data", { list: undefined }),
    { description: "A resource by id", mimeType: "application/json" },
    ({ href }, { id }) => {
      if (!/^\w+$/.test(String(id))) throw new ResourceNotFoundError(href)
      const body = JSON.stringify({ id, templateTest: true, data: `Data for ID: ${String(id)}` })
      return { contents: [{ uri: href, mimeType: "application/json", text: body }] }
    }
  )
}
