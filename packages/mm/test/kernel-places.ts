/** Words of the memory that the threads of a test share beside the kernel. */
export const at = { begun: 0, stop: 1, changes: 2, found: 3 } as const;
export const PLACES = 16;
