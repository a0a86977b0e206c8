/** Types of `setup.mjs`, for its test. */
export declare const ensureInstalled: (root: string) => boolean
export declare const remedyFor: (written: string) => string
