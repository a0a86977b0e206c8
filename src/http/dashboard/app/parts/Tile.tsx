/** One figure, large. */
export const Tiles = ({ tiles }: { readonly tiles: ReadonlyArray<readonly [label: string, value: string]> }) => (
  <dl class="tiles">
    {tiles.map(([label, value]) => (
      <div key={label}>
        <dt>{label}</dt>
        <dd>{value}</dd>
      </div>
    ))}
  </dl>
)

/** Facts, one a line. */
export const Facts = ({ facts }: { readonly facts: ReadonlyArray<readonly [label: string, value: string]> }) => (
  <dl class="facts">
    {facts.map(([label, value]) => (
      <div key={label}>
        <dt>{label}</dt>
        <dd>{value}</dd>
      </div>
    ))}
  </dl>
)
