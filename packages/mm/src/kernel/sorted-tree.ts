import sortedBtree from 'sorted-btree';

/*
 * sorted-btree is a CommonJS module with a default export. What `import` gives of such a module is not the same everywhere: Node and esbuild give the module, some bundlers
 * its default export.
 */
const SortedTree = 'default' in sortedBtree ? sortedBtree.default : sortedBtree as typeof import('sorted-btree').default;

/** A map of numbers in order. */
export type NumberTree<V> = InstanceType<typeof import('sorted-btree').default<number, V>>;

/** An empty tree. */
export function numberTree<V>(): NumberTree<V> {
  return new SortedTree<number, V>(undefined, (a, b) => a - b);
}
