/** Formats that are recognised in order to say what they are and what to do; none of them can be opened. */
import { PgtableError } from '@pgtable/core/errors';

interface ForeignFormat {
  /** As in "FILE is ...". */
  readonly name: string;
  /** What to do. */
  readonly hint: string;
  /** Bytes to find, as text with one character a byte, and where. */
  readonly magic: readonly (readonly [offset: number, bytes: string])[];
  /** The whole file is compressed, so it is no plain memory either. */
  readonly isPacked?: true;
}

const FROM_LIBVIRT = 'Make a dump that has physical addresses: virsh dump --memory-only, or dump-guest-memory in the QEMU monitor.';
const FROM_KDUMP = 'Make an ELF core or a kdump file: makedumpfile, or virsh dump --memory-only for a virtual machine.';
const MEMORY_NOT_DISK = 'It is not memory; give a dump of the running machine.';

const unpack = (command: string): string => `Decompress it first: ${command}`;

/** Sources: each format's own documentation or magic(5); VMware and sadump: makedumpfile and crash; s390: zipl's dump.h. */
const FOREIGN: readonly ForeignFormat[] = [
  { name: 'compressed with zstd', hint: unpack('zstd -d FILE'), magic: [[0, '\x28\xb5\x2f\xfd']], isPacked: true },
  { name: 'compressed with gzip', hint: unpack('gzip -d FILE'), magic: [[0, '\x1f\x8b\x08']], isPacked: true },
  { name: 'compressed with xz', hint: unpack('xz -d FILE'), magic: [[0, '\xfd7zXZ\x00']], isPacked: true },
  { name: 'compressed with bzip2', hint: unpack('bzip2 -d FILE'), magic: [[0, 'BZh']], isPacked: true },
  { name: 'compressed with lz4', hint: unpack('lz4 -d FILE'), magic: [[0, '\x04\x22\x4d\x18']], isPacked: true },
  { name: 'compressed with lzop', hint: unpack('lzop -d FILE'), magic: [[0, '\x89LZO\x00\x0d\x0a\x1a\x0a']], isPacked: true },
  { name: 'a zip archive (AFF4 images are)', hint: 'Unpack it, and give the memory image in it as FILE@ADDRESS.', magic: [[0, 'PK\x03\x04']] },
  {
    name: 'an AVML dump, version 2 (compressed)',
    hint: 'Turn it into LiME first: avml-convert FILE OUTPUT.lime',
    magic: [[0, 'AVML\x02\x00\x00\x00'], [0, 'LMVA\x02\x00\x00\x00']],
  },
  { name: 'a QEMU savevm or migration stream', hint: FROM_LIBVIRT, magic: [[0, 'QEVM']] },
  { name: 'a libvirt save image', hint: FROM_LIBVIRT, magic: [[0, 'LibvirtQemudSave'], [0, 'LibvirtQemudPart']] },
  {
    name: "a VMware state file (.vmss or .vmsn), which says where the .vmem file's memory belongs",
    hint: 'Convert the pair with vmss2core -N, or give the .vmem file as FILE@0 if the machine has less than 3 GiB.',
    magic: [[0, '\xd0\xbe\xd2\xbe'], [0, '\xd1\xba\xd1\xba'], [0, '\xd2\xbe\xd2\xbe'], [0, '\xd3\xbe\xd3\xbe']],
  },
  { name: 'a 64-bit Windows crash dump', hint: 'Only dumps of Linux guests are read; use WinDbg or volatility3.', magic: [[0, 'PAGEDU64']] },
  { name: 'a Windows crash dump', hint: 'Only dumps of Linux guests are read; use WinDbg or volatility3.', magic: [[0, 'PAGEDUMP']] },
  { name: 'a Windows minidump', hint: 'It is of one process; give a dump of a machine.', magic: [[0, 'MDMP']] },
  { name: 'an LKCD dump', hint: FROM_KDUMP, magic: [[0, '\xed\x23\x8f\x61\x73\x01\x19\xa8'], [0, '\xa8\x19\x01\x73\x61\x8f\x23\xed']] },
  {
    name: 'an s390 stand-alone dump',
    hint: 'Convert it with zgetdump -f elf FILE > OUTPUT.',
    magic: [[0, '\xa8\x19\x01\x73\x61\x8f\x23\xfd'], [0, '\xa8\x19\x01\x73\x61\x8f\x23\xfe']],
  },
  { name: 'an sadump dump (Fujitsu stand-alone dump)', hint: 'Convert it with makedumpfile -E.', magic: [[0, 'sadump\x00\x00']] },
  { name: 'a Hyper-V saved state', hint: 'Convert it with vm2dmp, or make a dump inside the guest (kdump).', magic: [[0, '\x14\x20\x28\x01']] },
  {
    name: 'a Linux hibernation image in a swap area',
    hint: 'Its format depends on the kernel that wrote it; resume the machine and make a dump of it.',
    magic: [4096, 8192, 16384, 65536].map((page) => [page - 10, 'S1SUSPEND'] as const),
  },
  { name: 'a Linux swap area', hint: MEMORY_NOT_DISK, magic: [4096, 8192, 16384, 65536].map((page) => [page - 10, 'SWAPSPACE2'] as const) },
  { name: 'a qcow2 disk image', hint: MEMORY_NOT_DISK, magic: [[0, 'QFI\xfb']] },
  { name: 'an EWF (EnCase) image', hint: 'Export it as a raw image with ewfexport, and give that as FILE@ADDRESS.', magic: [[0, 'EVF\x09\x0d\x0a\xff']] },
  { name: 'a Mach-O file', hint: 'Give the memory in it as FILE@ADDRESS.', magic: [[0, '\xcf\xfa\xed\xfe'], [0, '\xfe\xed\xfa\xcf']] },
  {
    name: 'a Windows program (PE), perhaps a kernel image',
    hint: 'Give the dump of a machine, not its kernel.',
    magic: [[0, 'MZ']],
  },
];

/** What a file that begins with `head` is, as far as it is a known format that cannot be opened. */
export function foreignFormat(head: Uint8Array, name: string): PgtableError | undefined {
  return refusal(FOREIGN, head, name);
}

/** The same of files that are compressed as a whole. */
export function packedFormat(head: Uint8Array, name: string): PgtableError | undefined {
  return refusal(FOREIGN.filter(({ isPacked }) => isPacked), head, name);
}

function refusal(formats: readonly ForeignFormat[], head: Uint8Array, name: string): PgtableError | undefined {
  const found = formats.find(({ magic }) => magic.some(([offset, bytes]) => matches(head, offset, bytes)));
  return found && new PgtableError('ENOTSUP', `${name} is ${found.name}, which is not supported`, { hint: found.hint });
}

function matches(head: Uint8Array, offset: number, bytes: string): boolean {
  if (offset + bytes.length > head.length) return false;
  for (let i = 0; i < bytes.length; i++) {
    if (head[offset + i] !== bytes.charCodeAt(i)) return false;
  }
  return true;
}

/** What to do with a file in no known format. */
export function hintForUnknown(name: string): string {
  const raw = 'If it is raw memory, say where it belongs: FILE@ADDRESS, with the physical address of its first byte in hexadecimal.';
  if (!/\.vmem$/i.test(name)) return raw;
  return `${raw} A .vmem file begins at 0, and is in two pieces if the machine has more than 3 GiB (the rest is at 4 GiB).`;
}
