/** A piece of a text, and which findings cover it. */
export interface Piece<F> {
  text: string;
  findings: F[];
}

/** Cuts a text at the edges of its findings, which count Unicode characters and may overlap. */
export function pieces<F extends { start: number; end: number }>(text: string, findings: F[]): Piece<F>[] {
  const characters = Array.from(text);
  const edges = [0, characters.length, ...findings.flatMap(({ start, end }) => [start, end])];
  const places = [...new Set(edges)].filter((place) => place >= 0 && place <= characters.length).sort((a, b) => a - b);
  return places.slice(0, -1).map((start, at) => {
    const end = places[at + 1] ?? characters.length;
    return {
      text: characters.slice(start, end).join(""),
      findings: findings.filter((finding) => finding.start < end && finding.end > start),
    };
  });
}
