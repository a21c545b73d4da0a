import { Access, geometryOf, hexAddress, type AnyArch, type Attributes, type Level, type NonPresent } from '@pgtable/core';

const UNITS = ['', 'K', 'M', 'G', 'T', 'P', 'E'];

/** 4096 as 4K, 2097152 as 2M. Exact: it goes on only while nothing is lost. */
export function size(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && value % 1024 === 0 && unit + 1 < UNITS.length) {
    value /= 1024;
    unit++;
  }
  return `${value}${UNITS[unit] ?? ''}`;
}

/** The same with a unit always: 1000 is 1000 bytes. */
export function amount(bytes: number): string {
  const text = size(bytes);
  return /\d$/.test(text) ? `${text} ${bytes === 1 ? 'byte' : 'bytes'}` : text;
}

/** Where a range ends, exclusive: the end of the address space is not written as 0. */
export function endAddress(end: number, digits = 16): string {
  return end === 2 ** 64 ? '0x10000000000000000' : hexAddress(end, digits);
}

/** The bytes that one leaf maps; `16x4K` where the hardware may keep a contiguous group of so many as one translation. */
export function pageSize(entryBytes: number, group = 1): string {
  return group > 1 ? `${group}x${size(entryBytes)}` : size(entryBytes);
}

/** `rwx` with dashes. */
export function kernelAccess(access: number): string {
  return ((access & Access.KernelRead) !== 0 ? 'r' : '-') + ((access & Access.KernelWrite) !== 0 ? 'w' : '-') + ((access & Access.KernelExecute) !== 0 ? 'x' : '-');
}

export function userAccess(access: number): string {
  return ((access & Access.UserRead) !== 0 ? 'r' : '-') + ((access & Access.UserWrite) !== 0 ? 'w' : '-') + ((access & Access.UserExecute) !== 0 ? 'x' : '-');
}

/** Writable and executable for the same mode. */
export function isWritableExecutable(access: number): boolean {
  const kernel = Access.KernelWrite | Access.KernelExecute;
  const user = Access.UserWrite | Access.UserExecute;
  return (access & kernel) === kernel || (access & user) === user;
}

/** Flags and memory type in one phrase. */
export function attributeWords(attributes: Attributes): string[] {
  return [
    ...attributes.flags,
    ...(attributes.memoryType === '' ? [] : [attributes.memoryType]),
  ];
}

export function nonPresentWords(entry: NonPresent): string {
  const flags = entry.flags.length > 0 ? ` (${entry.flags.join(' ')})` : '';
  switch (entry.kind) {
    case 'swap':
      return `swap type ${entry.type} offset 0x${entry.offset.toString(16)}${flags}`;
    case 'migration':
      return `migration of 0x${entry.pa.toString(16)}, ${entry.writable ? 'writable' : 'read-only'}${flags}`;
    case 'protected':
      return `protected, memory 0x${entry.pa.toString(16)} kept${flags}`;
    case 'special':
      return `${entry.name}, type ${entry.type} offset 0x${entry.offset.toString(16)}${flags}`;
    case 'unknown':
      return `not present, encoding not known${flags}`;
  }
}

export function levelTitle(arch: AnyArch, level: Level): string {
  return geometryOf(arch.geometry, level).title;
}
