/** Labels as lines of `name=value`; undefined if a line is none. */
export function readLabels(text: string): Record<string, string> | undefined {
  const lines = text.split("\n").filter((line) => line.trim());
  const pairs = lines.map((line) => {
    const at = line.indexOf("=");
    return at < 1 ? undefined : ([line.slice(0, at).trim(), line.slice(at + 1).trim()] as const);
  });
  if (pairs.some((pair) => !pair)) return undefined;
  return Object.fromEntries(pairs as [string, string][]);
}

/** Labels as lines of `name=value`. */
export function writeLabels(labels: Record<string, string> | undefined): string {
  return Object.entries(labels ?? {})
    .map(([name, value]) => `${name}=${value}`)
    .join("\n");
}

/** A patch that makes labels of what they were: what is not there any more is null. */
export function patchLabels(
  before: Record<string, string>,
  after: Record<string, string>,
): Record<string, string | null> {
  const gone = Object.keys(before).filter((name) => !(name in after));
  return { ...Object.fromEntries(gone.map((name) => [name, null])), ...after };
}
