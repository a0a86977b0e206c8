/**
 * Which sides of the hub speak the stateless revision. The fixtures and judges cover every pairing of eras; the tests
 * run those the hub serves.
 */
export const served = { statelessClients: true, statelessUpstreams: true }
