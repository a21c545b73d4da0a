/** The kinds of deferred calls of a kernel ({@link Rcu.callRcu}): one list, so that no two parts use the same. */
export const RcuKind = {
  /** `vm_area_free_rcu_cb()`: the slot of a VMA is free. Argument: its id. */
  FreeVma: 1,
  /** `pte_free_defer()`: a page table goes back. Argument: its physical address. */
  FreeTable: 2,
  /** A reference on a frame is given back. Argument: the frame's number. */
  PutFrame: 3,
} as const;
