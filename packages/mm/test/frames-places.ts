/** Words that the threads of a test share, beside the frames. */
export const at = { met: 0, boxes: 16 } as const;
/** Blocks that are passed on or shared: what is in a box says the role. 0: empty. */
export const BOXES = 32;
export const WORDS = at.boxes + BOXES;
