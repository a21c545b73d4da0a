import { PgtableError, type MachineFacts, type Root, type RootCandidate, type RootSearch } from '@pgtable/core';
import { d128Arch } from './arch.js';
import { resolveConfig, variantOf, windowOf, type D128Config, type Granule, type PaBits, type ResolvedConfig } from './config.js';
import { d128Geometry, ENTRY_BYTES } from './geometry.js';

const GRANULES_0: readonly (Granule | undefined)[] = [4096, 65536, 16384, undefined];
const GRANULES_1: readonly (Granule | undefined)[] = [undefined, 16384, 4096, 65536];
const PA_BITS: readonly PaBits[] = [32, 36, 40, 42, 44, 48, 52, 56];

/**
 * The configuration of one half that TCR_EL1 says, when TCR2_EL1.D128 is 1: TnSZ in bits 5:0 and 21:16, TGn in bits 15:14 and 31:30, IPS in bits 34:32,
 * where 7 is 56 bits, HD in bit 40 (Arm ARM D19.2 "TCR_EL1"). DS and HPDn mean nothing to 128-bit descriptors.
 *
 * @throws PgtableError `EINVAL` if a field has a value that no processor takes; `ENOTSUP` as {@link resolveConfig}
 */
export function configFromTcr(tcr: bigint, half: 'ttbr0' | 'ttbr1'): D128Config {
  const field = (at: number, bits: number): number => Number((tcr >> BigInt(at)) & ((1n << BigInt(bits)) - 1n));
  if (tcr < 0n || tcr >= 1n << 64n) throw new PgtableError('EINVAL', `TCR_EL1 cannot be 0x${tcr.toString(16)}: it has more than 64 bits`);
  const first = half === 'ttbr0';
  const granule = first ? GRANULES_0[field(14, 2)] : GRANULES_1[field(30, 2)];
  if (granule === undefined) {
    throw new PgtableError('EINVAL', `TCR_EL1 cannot be 0x${tcr.toString(16)}: ${first ? 'TG0 (bits 15:14) is 3' : 'TG1 (bits 31:30) is 0'}, which is reserved`, {
      hint: 'give the whole of TCR_EL1 as a debugger shows it',
    });
  }
  const config: D128Config = { half, granule, vaBits: 64 - field(first ? 0 : 16, 6), paBits: PA_BITS[field(32, 3)]!, hardwareDirty: field(40, 1) === 1 };
  resolveConfig(config);
  return config;
}

/**
 * The root table's physical address in TTBR0_EL1 or TTBR1_EL1, which have 128 bits: address bits 55:48 in bits 87:80, 47:5 in 47:5, the ASID in 63:48, SKL in 2:1,
 * CnP in 0.
 *
 * @throws PgtableError `EINVAL` if the table would not be aligned to its size; `ENOTSUP` if SKL is not 0
 */
export function tableOfTtbr(value: bigint, config: D128Config): number {
  const resolved = resolveConfig(config);
  const name = `${resolved.half.toUpperCase()}_EL1`;
  if (value < 0n || value >= 1n << 128n) throw new PgtableError('EINVAL', `${name} cannot be 0x${value.toString(16)}: it has more than 128 bits`);
  if ((value & 6n) !== 0n) {
    throw new PgtableError('ENOTSUP', `${name} is 0x${value.toString(16)}: its SKL (bits 2:1) is ${(value >> 1n) & 3n}, so the root table is one of several levels`, {
      hint: 'only tables of one level can be read',
    });
  }
  const table = Number((((value >> 80n) & 0xffn) << 48n) | (value & 0xffff_ffff_ffe0n));
  const align = Math.max(rootBytes(resolved), 32);
  if (table % align !== 0) throw new PgtableError('EINVAL', `${name} cannot be 0x${value.toString(16)}: a table of ${rootBytes(resolved)} bytes is aligned to ${align}`);
  return table;
}

function rootBytes(config: ResolvedConfig): number {
  return d128Geometry(config).levels[4].entries * ENTRY_BYTES;
}

/** The root of a configuration whose top table is at a physical address. */
export function d128Root(config: D128Config, table: number): Root {
  const resolved = resolveConfig(config);
  return { table, top: 'pgd', first: 0, end: d128Geometry(resolved).levels[4].entries, windows: [windowOf(resolved)], inherited: 0 };
}

/**
 * {@link ArchPlugin.findRoots}: the roots that registers name. Nothing else is looked for: no VMCOREINFO says that a kernel uses 128-bit descriptors, and the scan for
 * tables by their shape knows entries of up to 64 bits.
 */
export async function findD128Roots(facts: MachineFacts): Promise<RootSearch> {
  const { registers } = facts;
  const tcr = registers.get('tcr');
  const candidates: RootCandidate[] = [];
  const missing: string[] = [];
  for (const half of ['ttbr1', 'ttbr0'] as const) {
    const value = registers.get(half);
    const name = `${half.toUpperCase()}_EL1`;
    if (value === undefined || tcr === undefined) {
      missing.push(value === undefined ? `no ${name} in this dump: give --${half}` : `${name} was given, but not the granule and the address size: give --tcr too`);
      continue;
    }
    const config = { ...configFromTcr(tcr, half), ...indirection(registers), ...(facts.littleEndian === undefined ? {} : { littleEndian: facts.littleEndian }) };
    const resolved = resolveConfig(config);
    const table = tableOfTtbr(value, config);
    const evidence = [`${name} was given: the table is at physical address 0x${table.toString(16)}.`, `TCR_EL1 as given says ${variantOf(resolved)}, if TCR2_EL1.D128 is 1.`];
    if ((await facts.memory.read(table, rootBytes(resolved))) === undefined) evidence.push('The table itself is not in the dump.');
    candidates.push({
      role: half === 'ttbr1' ? 'kernel' : 'current',
      source: 'given',
      table,
      variant: variantOf(resolved),
      evidence,
      registers: { [half]: value, tcr, ...indirection(registers) },
      entryBytes: ENTRY_BYTES,
      open: (tables) => ({ arch: d128Arch(config, tables), root: d128Root(config, table) }),
    });
  }
  return { candidates, missing };
}

/** PIR_EL1 and PIRE0_EL1, where they were given. */
function indirection(registers: ReadonlyMap<string, bigint>): { pir?: bigint; pire0?: bigint } {
  const pir = registers.get('pir');
  const pire0 = registers.get('pire0');
  return { ...(pir === undefined ? {} : { pir }), ...(pire0 === undefined ? {} : { pire0 }) };
}
