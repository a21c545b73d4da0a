/** Physical memory of a machine out of dump files, in Node and in the browser. */
export { openMemory } from './detect.js';
export { elfCore, elfCoreChunks, type ElfCoreContent, type ElfSegment } from './elf-writer.js';
export {
  BLOCK_ABSENT,
  BLOCK_NONE,
  BLOCK_PRESENT,
  findNote,
  vmcoreinfoText,
  type ByteState,
  type ChunkOptions,
  type DumpMachine,
  type MemoryChunk,
  type MemoryLimits,
  type MemoryRange,
  type Note,
  type OpenOptions,
  type PhysicalMemory,
  type PlacedSource,
} from './memory.js';
export { packPages } from './packed-pages.js';
export { parsePlacement, type Placement } from './raw.js';
export { blobSource, bytesSource, type BlobLike, type ByteSource } from './source.js';
