/** The texts of what becomes of streams under way. */
export const streams = {
  label: "Streams under way",
  choices: { finish: "May finish", end: "End within a second" },
  ended: "Streams that were ended",
  endedLead: "When their last byte went, by each Envoy that had some. Kept for 30 days.",
  endedNone: "None was under way, or no Envoy has said so yet.",
  count: "Streams",
  lastByte: "Last byte",
  summary: (count: number, at: string) =>
    count === 1
      ? `1 stream was ended; its last byte went ${at}.`
      : `${count} streams were ended; the last byte went ${at}.`,
  someEnvoy: "An Envoy",
} as const;
