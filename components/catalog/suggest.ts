/** Number of single-letter insertions, deletions, substitutions and neighbour swaps between two words. */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number): number => rows[i]?.[j] ?? 0;
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j++) {
      const substitution = at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? at(i - 2, j - 2) + 1 : Infinity;
      row.push(Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, substitution, swap));
    }
  }
  return at(a.length, b.length);
}

/** Longer words than this are not compared: no name in an environment comes near it. */
const longestComparedLength = 128;

/**
 * The known word nearest to one that was written, for "Did you mean …?".
 * @returns undefined when nothing is near: more than a third of the letters differ.
 */
export function suggest(written: string, known: Iterable<string>): string | undefined {
  if (written.length > longestComparedLength) return undefined;
  let nearest: string | undefined;
  let nearestDistance = Infinity;
  for (const candidate of known) {
    const distance = editDistance(written.toLowerCase(), candidate.toLowerCase());
    if (distance < nearestDistance && distance <= Math.max(1, Math.floor(Math.max(written.length, candidate.length) / 3))) {
      nearest = candidate;
      nearestDistance = distance;
    }
  }
  return nearest;
}
