/** Folders and files under `src`, bottom up. */
export declare const rooms: ReadonlyArray<string>
