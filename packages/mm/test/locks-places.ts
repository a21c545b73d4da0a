/** Places in the memory that the threads of a test share, apart from each other: locks are of up to three words. */
export const at = { begun: 0, stop: 1, atWork: 2, spin: 8, rw: 16, mmap: 24, vma: 32, count: 64, left: 72, right: 80, current: 88, objects: 128 } as const;
/** Objects of the RCU roles: a value that is 0 after the object was freed, and its generation. */
export const OBJECTS = 16;
export const OBJECT_WORDS = 16;
