/** Checks by what their errors say. The first that fits it is. */
const CHECKS: readonly (readonly [name: string, says: RegExp])[] = [
  ['lint', /^pgtable\//],
  ['page_table_check', /page_table_check/],
  ['stale translations', /translations? (?:to|through) it may still be cached/],
  ['flush promises', /flush promises/],
  ['break-before-make', /break-before-make/],
  ['write-protected tables', /a stray write to/],
  ['lockdep', /the order is|second lock of class|releases a lock|which may sleep|touches .* without|in an RCU read section, for which/],
  ['rules of locks', /does not have mmap_lock|is not write-locked|no range without locks holds|was not refused/],
  ['deadlock', /wait for each other|did not end in/],
  ['accounts at the end', /the kernel is not quiet|ends, and is not empty/],
  ['frames', /reference.? (?:back )?on frame|a frame that is free/],
  ['page-table descriptors', /page table at|pte table at|PMD table at|split lock|put aside/],
  ['entries', /was to be linked|while its table was taken out|has no pmd entry/],
];

/** What the check is called that an error is of; of one that no check has made: what is in memory in the end is wrong, or cannot be reached. */
export function checkOf(message: string): string {
  return CHECKS.find(([, says]) => says.test(message))?.[0] ?? 'contents of memory';
}
