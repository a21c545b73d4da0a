import { MmapLock } from '../locks/mmap-lock.js';

/** The lock of an address space's VMAs. Who takes it sees the VMAs as they are: this thread's tree is brought up to date. */
export class MmLock extends MmapLock {
  private readonly taking: () => void;
  private readonly taken: () => void;

  /**
   * @param taking is called before the lock is taken, and throws if it is not there any more
   * @param taken is called with the lock held
   */
  constructor(words: Int32Array, index: number, taking: () => void, taken: () => void) {
    super(words, index);
    this.taking = taking;
    this.taken = taken;
  }

  override readLock(): void {
    this.taking();
    super.readLock();
    this.taken();
  }

  override readTrylock(): boolean {
    this.taking();
    if (!super.readTrylock()) return false;
    this.taken();
    return true;
  }

  override writeLock(): void {
    this.taking();
    super.writeLock();
    this.taken();
  }

  override writeLockNested(): void {
    this.taking();
    super.writeLockNested();
    this.taken();
  }

  override writeTrylock(): boolean {
    this.taking();
    if (!super.writeTrylock()) return false;
    this.taken();
    return true;
  }
}
