/**
 * The sides of the hub that speak the stateless revision. The fixtures and judges cover every pairing of eras; the
 * tests run those that the hub serves.
 */
export const served = { statelessClients: true, statelessUpstreams: true }
