/**
 * Tools that ask the client something: the 2025 way, by a request from the server on the call's own stream, and the
 * 2026 way, by an `input_required` result whose `requestState` comes back signed with the retry.
 */
import {
  acceptedContent,
  CLIENT_CAPABILITIES_META_KEY,
  type ClientCapabilities,
  createRequestStateCodec,
  type ElicitRequestFormParams,
  inputRequired,
  inputResponse,
  type McpServer,
  type ServerContext
} from "@modelcontextprotocol/server"
import { randomBytes } from "node:crypto"
import * as z from "zod"

const text = (value: string) => ({ content: [{ type: "text" as const, text: value }] })

/** The state of one round; one process serves every round, so its key may be random. */
const state = createRequestStateCodec<{ readonly round: number }>({ key: randomBytes(32) })

export const verifyState = state.verify

/** What the client of this very request can do (2026-07-28: it says so on each). */
export const declaredBy = ({ mcpReq }: ServerContext): ClientCapabilities => {
  const envelope = mcpReq.envelope as Readonly<Record<string, unknown>> | undefined
  return (envelope?.[CLIENT_CAPABILITIES_META_KEY] ?? {}) as ClientCapabilities
}

const form = (properties: ElicitRequestFormParams["requestedSchema"]["properties"], required: Array<string> = []) => ({
  type: "object" as const,
  properties,
  required
})

const question = (message: string, field: string) =>
  inputRequired.elicit({ message, requestedSchema: form({ [field]: { type: "string" } }, [field]) })

const sampling = (prompt: string, maxTokens = 100) => ({
  messages: [{ role: "user" as const, content: { type: "text" as const, text: prompt } }],
  maxTokens
})

export const registerQuestions = (server: McpServer) => {
  registerPushed(server)
  registerRounds(server)
  registerOneRound(server)
}

const registerPushed = (server: McpServer) => {
  server.registerTool(
    "test_sampling",
    { description: "Asks the client's model", inputSchema: z.object({ prompt: z.string() }) },
    async ({ prompt }, { mcpReq }) => {
      const { content } = await mcpReq.requestSampling(sampling(prompt))
      return text(`LLM response: ${!Array.isArray(content) && content.type === "text" ? content.text : "(no text)"}`)
    }
  )
  const asks = (name: string, description: string, message: string, requestedSchema: ReturnType<typeof form>) =>
    server.registerTool(name, { description }, async ({ mcpReq }) => {
      const { action, content } = await mcpReq.elicitInput({ mode: "form", message, requestedSchema })
      return text(`Elicitation completed: action=${action}, content=${JSON.stringify(content ?? {})}`)
    })
  server.registerTool(
    "test_elicitation",
    { description: "Asks the user", inputSchema: z.object({ message: z.string() }) },
    async ({ message }, { mcpReq }) => {
      const requestedSchema = form(
        {
          username: { type: "string", description: "User's response" },
          email: { type: "string", description: "User's email address" }
        },
        ["username", "email"]
      )
      const { action, content } = await mcpReq.elicitInput({ mode: "form", message, requestedSchema })
      return text(`User response: action=${action}, content=${JSON.stringify(content ?? {})}`)
    }
  )
  asks(
    "test_elicitation_sep1034_defaults",
    "Asks with defaults",
    "Please review the form",
    form({
      name: { type: "string", default: "John Doe" },
      age: { type: "integer", default: 30 },
      score: { type: "number", default: 95.5 },
      status: { type: "string", enum: ["active", "inactive", "pending"], default: "active" },
      verified: { type: "boolean", default: true }
    })
  )
  const titled = (word: string) =>
    ["First", "Second", "Third"].map((nth, at) => ({ const: `value${at + 1}`, title: `${nth} ${word}` }))
  asks(
    "test_elicitation_sep1330_enums",
    "Asks for choices",
    "Please choose",
    form({
      untitledSingle: { type: "string", enum: ["option1", "option2", "option3"] },
      titledSingle: { type: "string", oneOf: titled("Option") },
      legacyEnum: {
        type: "string",
        enum: ["opt1", "opt2", "opt3"],
        enumNames: ["Option One", "Option Two", "Option Three"]
      },
      untitledMulti: { type: "array", items: { type: "string", enum: ["option1", "option2", "option3"] } },
      titledMulti: { type: "array", items: { anyOf: titled("Choice") } }
    })
  )
}

/** A tool that asks until every key is answered, and then says what it heard. */
const registerOneRound = (server: McpServer) => {
  const requests = {
    user_name: question("What is your name?", "name"),
    capital_question: inputRequired.createMessage(sampling("What is the capital of France?")),
    greeting: inputRequired.createMessage(sampling("Generate a greeting", 50)),
    client_roots: inputRequired.listRoots(),
    confirm: inputRequired.elicit({
      message: "Please confirm",
      requestedSchema: form({ ok: { type: "boolean" } }, ["ok"])
    })
  }
  const answered = (context: ServerContext, keys: ReadonlyArray<keyof typeof requests>) =>
    keys.every((key) => {
      const response = inputResponse(context.mcpReq.inputResponses, key)
      // A form's answer counts only with content of the asked shape.
      if (key === "user_name") {
        return acceptedContent(context.mcpReq.inputResponses, key, z.object({ name: z.string() })) !== undefined
      }
      return response.kind !== "missing"
    })
  const asking = (name: string, keys: ReadonlyArray<keyof typeof requests>, stateful = false) =>
    server.registerTool(name, { description: `Asks for ${keys.join(", ")}` }, async (context) => {
      const sealed = !stateful || context.mcpReq.requestState() !== undefined
      if (sealed && answered(context, keys)) return text(`state-ok: ${JSON.stringify(context.mcpReq.inputResponses)}`)
      return inputRequired({
        inputRequests: Object.fromEntries(keys.map((key) => [key, requests[key]])),
        ...(stateful ? { requestState: await state.mint({ round: 1 }) } : {})
      })
    })
  asking("test_input_required_result_elicitation", ["user_name"])
  asking("test_streaming_elicitation", ["user_name"])
  asking("test_input_required_result_sampling", ["capital_question"])
  // Called by a client that cannot sample, the SDK refuses the question and with it the call.
  asking("test_missing_capability", ["capital_question"])
  asking("test_input_required_result_list_roots", ["client_roots"])
  asking("test_input_required_result_request_state", ["confirm"], true)
  asking("test_input_required_result_tampered_state", ["confirm"], true)
  asking("test_input_required_result_multiple_inputs", ["user_name", "greeting", "client_roots"], true)

  server.registerTool(
    "test_input_required_result_capabilities",
    { description: "Asks what the client can do" },
    (context) => {
      const declared = declaredBy(context)
      const able = [
        ...(declared.elicitation === undefined ? [] : (["user_name"] as const)),
        ...(declared.sampling === undefined ? [] : (["greeting"] as const))
      ]
      if (able.length === 0 || answered(context, able)) return text("Nothing left to ask")
      return inputRequired({ inputRequests: Object.fromEntries(able.map((key) => [key, requests[key]])) })
    }
  )
}

const registerRounds = (server: McpServer) => {
  server.registerTool("test_input_required_result_multi_round", { description: "Asks twice" }, async ({ mcpReq }) => {
    const round = mcpReq.requestState<{ round: number }>()?.round ?? 0
    const name = acceptedContent(mcpReq.inputResponses, "step1", z.object({ name: z.string() }))
    const color = acceptedContent(mcpReq.inputResponses, "step2", z.object({ color: z.string() }))
    if (round === 2 && color !== undefined) return text(`Your favorite color is ${color.color}`)
    const next = round === 2 || (round === 1 && name !== undefined) ? 2 : 1
    return inputRequired({
      inputRequests:
        next === 1
          ? { step1: question("Step 1: What is your name?", "name") }
          : { step2: question("Step 2: What is your favorite color?", "color") },
      requestState: await state.mint({ round: next })
    })
  })
  server.registerPrompt(
    "test_input_required_result_prompt",
    { description: "Asks before it answers" },
    ({ mcpReq }) => {
      const answer = acceptedContent(mcpReq.inputResponses, "user_context", z.object({ context: z.string() }))
      if (answer === undefined) {
        const user_context = question("What context should the prompt use?", "context")
        return inputRequired({ inputRequests: { user_context } })
      }
      return { messages: [{ role: "user", content: { type: "text", text: `Context: ${answer.context}` } }] }
    }
  )
}
