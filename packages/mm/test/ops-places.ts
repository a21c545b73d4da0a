/** Pages of each region that threads of a test use. */
export const PAGES = 8;
