/** Types of `runtime.mjs`, for tests. */
export declare const allocator: Readonly<Record<string, string>>
