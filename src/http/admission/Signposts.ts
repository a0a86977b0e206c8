/**
 * Answers where nothing else is: to clients that look for a sign-in, which most do once they were told that a key is
 * missing, and to people who open the hub's address in a browser. Each says in a sentence what to do instead, in the form
 * whose words clients print (`error_description`), or as a page; the address itself leads people to the dashboard.
 *
 * Source: RFC 6749 §5.2, RFC 7591 §3.2.2, RFC 9728 §3.
 */
import type { WireReply, WireRequest } from "../wire/Wire.ts"

const noSignIn =
  "This hub has no sign-in by which a client could get a key by itself. Give the client an MCPHub key, sent as the header " +
  "Authorization: Bearer mcphub_…; whoever can sign in makes one on the hub's dashboard, for others the operator does with `mcphub key create --user NAME`. A client that has a key and asks for a sign-in all the " +
  "same has sent one that is unknown, has ended or was revoked"

/** Where clients look for a sign-in, below the base path and at the root, whatever stands around it. */
const metadata = /\/\.well-known\/(?:oauth-|openid-configuration)/
const endpoints = /^\/(?:oauth2?\/)?(?:register|authorize|token|revoke)\/?$/

/** Whether somebody looks with a browser at what is there for programs. */
export const wantsPage = (request: WireRequest): boolean =>
  request.method === "GET" && request.headers["accept"]?.includes("text/html") === true

const sendError = (reply: WireReply, status: number, error: string, description: string): void =>
  reply.send(status, JSON.stringify({ error, error_description: description }), {
    "content-type": "application/json",
    "cache-control": "no-store"
  })

const escaped = (text: string): string => text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`)

/** Nothing of it comes from the request: an address may hold a key. */
const page = (basePath: string): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>MCPHub</title>
<style>body { font: 1em/1.5 system-ui, sans-serif; max-width: 40em; margin: 3em auto; padding: 0 1em } code { background: #8882; padding: 0 .2em }</style>
<h1>MCPHub</h1>
<p>This is a hub for the Model Context Protocol (MCP). It is made for programs, and this address is for them: MCP clients, such as Claude, Cursor or Visual Studio Code, reach their servers by it. People find theirs on <a href="${escaped(basePath)}/admin/">the dashboard</a>.</p>
<p>To connect one, give it</p>
<ul>
<li>the address of this hub with <code>${escaped(basePath)}/mcp</code> as its path, and</li>
<li>an MCPHub key, sent as the header <code>Authorization: Bearer mcphub_…</code>. The operator of this hub makes one with <code>mcphub key create --user NAME</code>.</li>
</ul>
<p><code>mcphub connect claude</code> (or <code>cursor</code>, <code>vscode</code>, <code>opencode</code>, <code>gemini</code>, <code>codex</code>) prints what to enter where.</p>
`

export const sendPage = (reply: WireReply, status: number, basePath: string): void =>
  reply.send(status, page(basePath), {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff"
  })

/** Nothing of the query goes along. Without a base path relative, so that it holds behind a proxy that adds one. */
const toDashboard = (reply: WireReply, basePath: string): void =>
  reply.send(302, undefined, {
    location: basePath === "" ? "admin/" : `${basePath}/admin/`,
    "cache-control": "no-store",
    "referrer-policy": "no-referrer"
  })

/** `path`: as it was asked for, with or without the base path. */
export const answer = (request: WireRequest, reply: WireReply, path: string, basePath: string): void => {
  if (metadata.test(path)) return sendError(reply, 404, "not_found", noSignIn)
  if (endpoints.test(path)) {
    return wantsPage(request) ? sendPage(reply, 400, basePath) : sendError(reply, 400, "access_denied", noSignIn)
  }
  if (path === "/" && wantsPage(request)) return toDashboard(reply, basePath)
  sendError(
    reply,
    404,
    "not_found",
    `Nothing is served at this address; the address for MCP clients ends in ${basePath}/mcp, with an MCPHub key sent as the header Authorization: Bearer mcphub_…`
  )
}
