/** A server's entry in the settings, as an admin writes it. */
import { Problem } from "../data/Api.ts"
import { words } from "../text/Language.ts"

/** As the form has it, or a problem that says where it is no JSON. */
export const jsonOf = <A,>(read: () => A): A => {
  try {
    return read()
  } catch (error) {
    throw new Problem(422, `${words().servers.badJson} ${error instanceof Error ? error.message : ""}`)
  }
}

export const ConfigFields = ({ config }: { readonly config: string }) => {
  const { servers: says } = words()
  return (
    <>
      <label>
        {says.config}
        <textarea name="config" spellcheck={false} required defaultValue={config} />
      </label>
      <p class="note">{says.configNote}</p>
      <details>
        <summary>{says.isolation}</summary>
        <ul>
          {Object.entries(says.isolations).map(([level, meaning]) => (
            <li key={level}>{meaning}</li>
          ))}
        </ul>
      </details>
    </>
  )
}
