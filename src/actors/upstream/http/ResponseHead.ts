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

/** Lower case, without parameters. */
const mediaType = (value: string | undefined): string => {
  if (value === undefined || value === "application/json") return value ?? ""
  return value.split(";", 1)[0]!.trim().toLowerCase()
}

const headerText = (value: string | Array<string> | undefined): string | undefined =>
  Array.isArray(value) ? value[0] : value

const codingOf = (value: string | Array<string> | undefined): string => {
  if (value === undefined) return ""
  const codings = String(value).toLowerCase().split(",")
  return codings
    .map((coding) => coding.trim())
    .filter((coding) => coding !== "" && coding !== "identity")
    .join(", ")
}

export const headOf = (
  status: number,
  headers: Readonly<Record<string, string | Array<string> | undefined>>
): ResponseHead => {
  const cookies = headers["set-cookie"]
  return {
    status,
    contentType: mediaType(headerText(headers["content-type"])),
    coding: codingOf(headers["content-encoding"]),
    sessionId: headerText(headers["mcp-session-id"]),
    retryAfter: headerText(headers["retry-after"]),
    setCookie: cookies === undefined ? [] : Array.isArray(cookies) ? cookies : [cookies]
  }
}
