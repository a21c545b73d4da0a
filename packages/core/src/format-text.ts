/** An address as the kernel prints it: `0x` and `digits` hexadecimal digits. 2 ** 64 wraps to 0, as it does there. */
export function hexAddress(address: number | bigint, digits = 16): string {
  return '0x' + BigInt.asUintN(digits * 4, BigInt(address)).toString(16).padStart(digits, '0');
}

/**
 * A size as the kernel's ptdump prints it: nine columns and a unit, divided by 1024 for as long as nothing is lost.
 *
 * @param units the letters to go through, the first being that of `bytes / first`
 */
export function ptdumpSize(bytes: number, units: string, first: number): string {
  let size = Math.floor(bytes / first);
  let unit = 0;
  while (size % 1024 === 0 && unit + 1 < units.length) {
    size /= 1024;
    unit++;
  }
  return String(size).padStart(9) + (units[unit] ?? '');
}
