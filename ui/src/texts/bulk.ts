/** The texts of what is done to several things at once. */
export const bulk = {
  choose: (name: string) => `Choose ${name}`,
  chooseAll: "Choose all that are shown",
  column: "Choice",
  chosen: (count: number) => (count === 1 ? "1 chosen" : `${count} chosen`),
  none: "Choose none",
  several: (action: string, count: string) => `${action}: ${count}`,
  working: (done: number, all: number) => `${done} of ${all} done …`,
  result: (good: number, bad: number) => (bad === 0 ? `All done: ${good}.` : `Done: ${good}. Not done: ${bad}.`),
  done: "done",
  results: "Result of each",
} as const;
