/** The texts of what one may do oneself. */
export const access = {
  title: "What you may do",
  lead: "By your role and by what was granted to you besides.",
  roles: "Your roles",
  permissions: "Your permissions",
  permission: "You may",
  where: "Where",
  all: (count: number) => (count === 1 ? "Show the one permission" : `Show all ${count} permissions`),
  /** How far something reaches; the name is that of the tenant or department. */
  scopes: {
    platform: () => "everywhere",
    tenant: (name: string) => `in ${name}`,
    department: (name: string) => `in ${name} and beneath it`,
    own: () => "of what is your own",
  },
} as const;
