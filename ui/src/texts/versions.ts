/** The texts of what a thing was before. */
export const versions = {
  title: "Versions",
  lead: "What it was after each change, by the audit log.",
  what: "Changed",
  holds: "Holds now",
  none: "The audit log tells nothing of it.",
  unknown: "Cannot be told",
  compare: "Compare",
  compareOf: (at: string) => `Version of ${at}`,
  compareLead: "What has changed from then to now.",
  same: "It is the same as what holds now.",
  past: "Then",
  now: "Now",
  kinds: { same: "", gone: "then", new: "now" },
  restore: "Roll back to it",
  restored: "That version holds again",
} as const;
