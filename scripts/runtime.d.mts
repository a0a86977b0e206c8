/** Types of `runtime.mjs`, for tests. */
export declare const allocator: Readonly<Record<string, string>>

export declare const denoBinary: (root: string) => string
