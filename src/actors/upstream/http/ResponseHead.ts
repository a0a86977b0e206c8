/** The only parts of a response's head that are looked at. */
export interface ResponseHead {
  readonly status: number
  /** Lower case, without parameters; "" when absent. */
  readonly contentType: string
  /** How the body is compressed, in lower case; "" when it is not. */
  readonly coding: string
  readonly sessionId: string | undefined
  readonly retryAfter: string | undefined
  readonly setCookie: ReadonlyArray<string>
}

type HeaderValue = string | Array<string> | undefined

/** Lower case, without parameters. */
const mediaType = (value: HeaderValue): string => (headerText(value) ?? "").split(";", 1)[0]!.trim().toLowerCase()

const headerText = (value: HeaderValue): string | undefined => (Array.isArray(value) ? value[0] : value)

const codingOf = (value: string | Array<string>): string => {
  const codings = String(value).toLowerCase().split(",")
  return codings
    .map((coding) => coding.trim())
    .filter((coding) => coding !== "" && coding !== "identity")
    .join(", ")
}

export const headOf = (status: number, headers: Readonly<Record<string, HeaderValue>>): ResponseHead => {
  const { "content-encoding": coding, "content-type": type, "set-cookie": cookies } = headers
  const { "mcp-session-id": sessionId, "retry-after": retryAfter } = headers
  return {
    status,
    contentType: type === "application/json" ? type : mediaType(type),
    coding: coding === undefined ? "" : codingOf(coding),
    sessionId: sessionId === undefined ? undefined : headerText(sessionId),
    retryAfter: retryAfter === undefined ? undefined : headerText(retryAfter),
    setCookie: cookies === undefined ? [] : Array.isArray(cookies) ? cookies : [cookies]
  }
}
