/** Opens any supported dump: the format is found from the content, never from the name. */
import { PgtableError } from '@pgtable/core/errors';
import { isElf, openElfCore } from './elf-core.js';
import type { OpenOptions, PhysicalMemory, PlacedSource } from './memory.js';
import { openRaw } from './raw.js';
import type { ByteSource } from './source.js';

/** Bytes at the start of a file that detection looks at. */
const HEAD_SIZE = 65536;

/**
 * Opens a dump, or plain files at given addresses. The result owns the sources and closes them; when this throws, they
 * stay open.
 *
 * @throws PgtableError `ENOTSUP` for a known format that is not supported, `EINVAL` for unknown content, `EBADMSG` for
 * damaged headers, `ENOMEM` past a limit, `EIO` if reading failed
 */
export async function openMemory(input: ByteSource | readonly PlacedSource[], options: OpenOptions = {}): Promise<PhysicalMemory> {
  if (!isSource(input)) return openRaw(input);
  if (input.size === 0) {
    throw new PgtableError('EBADMSG', `${input.name} is empty`, { hint: 'The dump was not written; make it again.' });
  }
  const head = await input.read(0, Math.min(input.size, HEAD_SIZE));
  if (isElf(head)) return openElfCore(input, options);
  throw new PgtableError('EINVAL', `${input.name} is in no format that is known here`, {
    hint: 'If it is raw memory, say where it belongs: FILE@ADDRESS, with the physical address of its first byte in hexadecimal.',
  });
}

function isSource(input: ByteSource | readonly PlacedSource[]): input is ByteSource {
  return !Array.isArray(input);
}
