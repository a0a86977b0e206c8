/**
 * The turns that all hubs on one PostgreSQL take one after the other, each with the number of its advisory lock. The
 * numbers stand together because two turns with one number would wait for each other.
 */
export const turns = {
  migrations: 6_274_821,
  auditRows: 6_274_822,
  auditDays: 6_274_823,
  provisioning: 6_274_824,
  statistics: 6_274_825
} as const

export type Turn = keyof typeof turns
