/**
 * Published stdio servers that are known to keep files in one place, whoever starts them: without a place for each user,
 * all users of the hub read and change the same files.
 *
 * Source: the documentation of these servers.
 */
import { isPerUser, parseTemplate } from "../servers/Expansion.ts"
import { type ServerConfig, serverType } from "../servers/ServerConfig.ts"

interface FileKeeper {
  /** Its names as a package, a program and an image. */
  readonly names: ReadonlyArray<string>
  readonly keeps: string
  readonly remedy: string
  /** Whether the entry keeps users apart, where that is not said by any template of the user's. */
  readonly isApart?: (config: ServerConfig) => boolean
}

const perUser = (text: string | undefined): boolean => text !== undefined && isPerUser(parseTemplate(text))

const keepers: ReadonlyArray<FileKeeper> = [
  {
    names: ["@modelcontextprotocol/server-memory", "mcp-server-memory", "mcp/memory"],
    keeps: "its knowledge graph in one file",
    remedy: '"env": { "MEMORY_FILE_PATH": "${MCPHUB_USER_DIR}/memory.jsonl" }'
  },
  {
    names: ["@modelcontextprotocol/server-filesystem", "mcp-server-filesystem", "mcp/filesystem"],
    keeps: "what is written in the same folders",
    remedy: '"${MCPHUB_USER_DIR}" as its folder in args'
  },
  {
    names: [
      "mcp-server-sqlite",
      "@modelcontextprotocol/server-sqlite",
      "mcp-server-sqlite-npx",
      "mcp-sqlite",
      "mcp/sqlite"
    ],
    keeps: "its tables in one database file",
    remedy: '"${MCPHUB_USER_DIR}/data.db" as its database in args'
  },
  {
    names: ["@playwright/mcp", "mcp-server-playwright", "mcp/playwright"],
    keeps: "one browser profile with its log-ins",
    remedy: '"--isolated", or "--user-data-dir=${MCPHUB_USER_DIR}/profile", in args',
    isApart: ({ args }) => args?.includes("--isolated") === true
  }
]

/** Whether one of the words of a command line is the program: by its name, with a version, or at the end of a path. */
const isNamed = (word: string, name: string): boolean => {
  const at = word.lastIndexOf(name)
  if (at === -1 || (at > 0 && !/[\\/]/.test(word.charAt(at - 1)))) return false
  return /^(?:$|[@:=\\/])/.test(word.slice(at + name.length))
}

/** What all users of this server share although nobody has said so, with the remedy; undefined where nothing is known. */
export const filesForAll = (config: ServerConfig): string | undefined => {
  if (serverType(config) !== "stdio" || config.isolation === "shared") return undefined
  const words = [config.command ?? "", ...(config.args ?? [])].flatMap((text) => text.split(/\s+/))
  const keeper = keepers.find(({ names }) => names.some((name) => words.some((word) => isNamed(word, name))))
  if (keeper === undefined || keeper.isApart?.(config) === true) return undefined
  const texts = [config.cwd, ...(config.args ?? []), ...Object.values(config.env ?? {})]
  if (texts.some(perUser)) return undefined
  return `This server keeps ${keeper.keeps}, which all users share; write ${keeper.remedy}, or "isolation": "shared" if that is meant`
}
