/**
 * The VMCOREINFO text of a kernel: `KEY=value` lines that it leaves in memory for whoever reads its dump.
 *
 * @see kernel/vmcore_info.c (Linux 6.12)
 */
export class Vmcoreinfo {
  /** Where it was found, for people. */
  readonly source: string;
  readonly text: string;
  private readonly values = new Map<string, string>();

  constructor(text: string, source: string) {
    this.text = text;
    this.source = source;
    for (const line of text.split('\n')) {
      const at = line.indexOf('=');
      if (at > 0) this.values.set(line.slice(0, at), line.slice(at + 1).replace(/\0+$/, ''));
    }
  }

  /** The value of a key as it stands there. */
  get(key: string): string | undefined {
    return this.values.get(key);
  }

  /** `SYMBOL(name)`: a virtual address, printed as hexadecimal without 0x. */
  symbol(name: string): bigint | undefined {
    return parseHex(this.values.get(`SYMBOL(${name})`));
  }

  /**
   * `NUMBER(name)`: a signed decimal, or hexadecimal with 0x. @see VMCOREINFO_NUMBER prints `%ld`; architectures append
   * hexadecimal ones by hand
   */
  number(name: string): bigint | undefined {
    const value = this.values.get(`NUMBER(${name})`);
    if (value === undefined) return undefined;
    if (/^0x[0-9a-f]+$/i.test(value)) return BigInt(value);
    if (/^-?\d+$/.test(value)) return BigInt(value);
    // arm64 prints some addresses as hexadecimal without 0x (`%lx`).
    return parseHex(value);
  }

  /** A key that stands alone with a hexadecimal value: `KERNELOFFSET=1a000000`. */
  hex(key: string): bigint | undefined {
    return parseHex(this.values.get(key));
  }

  /** The kernel's release, `uname -r`. */
  get release(): string | undefined {
    return this.values.get('OSRELEASE');
  }
}

function parseHex(value: string | undefined): bigint | undefined {
  if (value === undefined) return undefined;
  const digits = value.startsWith('0x') || value.startsWith('0X') ? value.slice(2) : value;
  return /^[0-9a-f]+$/i.test(digits) ? BigInt('0x' + digits) : undefined;
}

/**
 * Whether a kernel release is at least `major.minor`.
 *
 * Returns: undefined if there is no release or it does not begin with two numbers.
 */
export function releaseAtLeast(release: string | undefined, major: number, minor: number): boolean | undefined {
  const match = /^(\d+)\.(\d+)/.exec(release ?? '');
  if (match === null) return undefined;
  const found = Number(match[1]) * 1000 + Number(match[2]);
  return found >= major * 1000 + minor;
}
