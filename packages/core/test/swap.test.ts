import { describe, expect, it } from 'vitest';
import { decodeSwapEntry, type SwapDecoding } from '../src/arch.js';

const ALL = { memoryFailure: true, migration: true, devicePrivate: true, earlyMarkers: true };
const how = (release: string | undefined, more: Partial<SwapDecoding> = {}): SwapDecoding => ({ release, options: ALL, pfnBits: 34, pageShift: 12, ...more });

/** The 32 types of a kernel by name, from 31 down to the last special one. */
function specialTypes(decoding: SwapDecoding): string[] {
  const names: string[] = [];
  for (let type = 31; type >= 0; type--) {
    const entry = decodeSwapEntry(decoding, type, 0n, []);
    if (entry.kind === 'swap') break;
    names.push(entry.kind === 'migration' ? `migration-${entry.writable ? 'write' : 'read'}` : entry.kind === 'special' ? entry.name : entry.kind);
  }
  return names;
}

describe('special swap types', () => {
  it.each([
    ['4.9.0', ['migration-write', 'migration-read', 'hwpoison']],
    ['5.10.0', ['device-private-read', 'device-private-write', 'migration-write', 'migration-read', 'hwpoison']],
    ['5.19.0', ['marker', 'device-exclusive-read', 'device-exclusive-write', 'device-private-read', 'device-private-write', 'migration-write', 'migration-read', 'migration-read', 'hwpoison']],
    ['6.15.0', ['marker', 'device-exclusive', 'device-private-read', 'device-private-write', 'migration-write', 'migration-read', 'migration-read', 'hwpoison']],
  ])('of Linux %s, from type 31 down', (release, names) => {
    expect(specialTypes(how(release))).toEqual(names);
  });

  it('are fewer where the kernel was built without', () => {
    expect(specialTypes(how('6.12.0', { options: { memoryFailure: false, migration: false, devicePrivate: false, earlyMarkers: false } }))).toEqual(['marker']);
    expect(specialTypes(how('6.1.0', { options: { memoryFailure: false, migration: false, devicePrivate: false, earlyMarkers: false } }))).toEqual([]);
  });

  it('without a release are those of a recent kernel', () => {
    expect(specialTypes(how(undefined))).toEqual(specialTypes(how('6.15.0')));
  });
});

describe('a migration entry', () => {
  it('holds the frame, and young and dirty above it where there is room', () => {
    const offset = 0x12345n | (3n << 34n);
    expect(decodeSwapEntry(how('6.15.0'), 27, offset, ['soft-dirty'])).toEqual({ kind: 'migration', pa: 0x12345000n, writable: true, flags: ['soft-dirty', 'young', 'dirty'] });
    expect(decodeSwapEntry(how('6.15.0', { hasYoungAndDirty: false }), 27, offset, [])).toMatchObject({ flags: [] });
    // Before 6.1 all of the offset is the frame.
    expect(decodeSwapEntry(how('6.0.0'), 26, offset, [])).toMatchObject({ kind: 'migration', pa: offset << 12n, flags: [] });
    expect(decodeSwapEntry(how('6.15.0', { pageShift: 16 }), 25, 1n, [])).toMatchObject({ pa: 0x10000n });
  });

  it('says whether the anonymous page belongs to one process', () => {
    expect(decodeSwapEntry(how('6.12.0'), 25, 1n, [])).toMatchObject({ kind: 'migration', writable: false, flags: ['anon-exclusive'] });
    expect(decodeSwapEntry(how('6.12.0'), 24, 1n, [])).toMatchObject({ kind: 'migration', writable: false, flags: [] });
  });
});

it('a marker says what it marks', () => {
  expect(decodeSwapEntry(how('6.13.0'), 31, 5n, [])).toEqual({ kind: 'special', name: 'marker', type: 31, offset: 5n, flags: ['uffd-wp', 'guard'] });
});
