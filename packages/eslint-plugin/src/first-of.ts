/** What a search finds in the first part where it finds something. */
export function firstOf<P, F>(parts: readonly P[], search: (part: P) => F | undefined): F | undefined {
  for (const part of parts) {
    const found = search(part);
    if (found !== undefined) return found;
  }
  return undefined;
}
