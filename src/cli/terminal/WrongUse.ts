/**
 * The answer to a command line that is wrong: what is wrong with it first, then how the command is called, and where its
 * help is. All of it goes to standard error, as JSON with `--json`: nothing that a script reads was made.
 */
import { Console } from "effect"
import { CliOutput } from "effect/cli"
import { printable } from "./Output.ts"

export const layer = (args: ReadonlyArray<string>) =>
  CliOutput.layerPresenter({
    present: (event) => {
      if (event._tag !== "InvalidInvocation") return CliOutput.defaultPresenter.present(event)
      const messages = event.errors.map(({ message }) => message.replaceAll(/\s*\n\s*/g, " "))
      if (args.includes("--json")) {
        return Console.error(JSON.stringify({ error: { kind: "WrongUse", message: messages.join("; ") } }))
      }
      const command = event.commandPath.join(" ")
      return Console.error(
        [
          ...messages.map((message) => printable(`mcphub: ${message}`)),
          `usage: ${event.helpDoc.usage}`,
          `help: ${command} --help`
        ].join("\n")
      )
    }
  })
