import { connect, type Socket } from 'node:net';

/** A register as the stub's target description has it. */
interface Register {
  readonly number: number;
  readonly bytes: number;
}

/** A request that was sent. */
interface Request {
  /** What the stub's monitor printed, until the answer proper. */
  printed: string;
  readonly resolve: (answer: { readonly packet: string; readonly printed: string }) => void;
  readonly reject: (error: Error) => void;
}

/**
 * The side of a debugger in GDB's remote serial protocol: as much of it as setting the registers of a stopped processor and asking
 * QEMU's monitor need.
 *
 * Answers come in the order of the requests, and QEMU takes the next request for a sign that the last answer has come: so many are
 * sent without waiting. That is also the fastest way to its monitor, which reads one byte at a time from connections of its own.
 *
 * @see "Appendix E: GDB Remote Serial Protocol" in the GDB manual; gdbstub/gdbstub.c (QEMU 7.2)
 */
export class Gdb {
  private readonly socket: Socket;
  private readonly littleEndian: boolean;
  private readonly registers = new Map<string, Register>();
  private readonly waiting: (Request | undefined)[] = [];
  private next = 0;
  private received = '';

  private constructor(socket: Socket, littleEndian: boolean) {
    this.socket = socket;
    this.littleEndian = littleEndian;
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      this.take(text);
    });
    const broken = (error?: Error): void => {
      while (this.next < this.waiting.length) this.finish()?.reject(error ?? new Error("QEMU closed the debugger's connection"));
    };
    socket.on('error', broken);
    socket.on('close', () => { broken(); });
  }

  /**
   * Connects, and reads which registers there are.
   *
   * @param path the stub's unix socket
   * @param littleEndian the byte order of the guest, in which values are sent
   */
  static async open(path: string, littleEndian: boolean): Promise<Gdb> {
    const socket = connect(path);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    const gdb = new Gdb(socket, littleEndian);
    await gdb.request('qSupported:xmlRegisters=i386');
    let next = 0;
    for (const [, file] of (await gdb.document('target.xml')).matchAll(/<xi:include href="([^"]+)"/g)) {
      for (const [, tag] of (await gdb.document(file!)).matchAll(/<reg ([^>]*)>/g)) {
        const attributes = new Map([...tag!.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name!, value!]));
        const number = Number(attributes.get('regnum') ?? next);
        const name = attributes.get('name');
        if (name !== undefined) gdb.registers.set(name, { number, bytes: Number(attributes.get('bitsize')) / 8 });
        next = number + 1;
      }
    }
    return gdb;
  }

  /** Writes a register, by its name in the target description. */
  async setRegister(name: string, value: bigint): Promise<void> {
    const register = this.registers.get(name);
    if (register === undefined) throw new Error(`QEMU's debugger stub knows no register ${name}`);
    const answer = await this.request(`P${register.number.toString(16)}=${this.hex(value, register.bytes)}`);
    if (answer !== 'OK') throw new Error(`QEMU's debugger stub does not write ${name}: ${answer || 'not supported'}`);
  }

  /** Reads a register, by its name in the target description. */
  async register(name: string): Promise<bigint> {
    const register = this.registers.get(name);
    if (register === undefined) throw new Error(`QEMU's debugger stub knows no register ${name}`);
    const answer = await this.request(`p${register.number.toString(16)}`);
    const bytes = answer.match(/../g) ?? [];
    if (this.littleEndian) bytes.reverse();
    return BigInt(`0x${bytes.join('')}`);
  }

  /** Executes one instruction. */
  async step(): Promise<void> {
    const answer = await this.request('s');
    if (!/^[TS]05/.test(answer)) throw new Error(`the processor did not execute one instruction: ${answer}`);
  }

  /** Lets the processor run until it comes to an address. */
  async runTo(address: number): Promise<void> {
    const place = `0,${address.toString(16)},4`;
    if (await this.request(`Z${place}`) !== 'OK') throw new Error("QEMU's debugger stub sets no breakpoint");
    const answer = await this.request('c');
    if (!/^[TS]05/.test(answer)) throw new Error(`the processor did not come to 0x${address.toString(16)}: ${answer}`);
    await this.request(`z${place}`);
  }

  /** A command of QEMU's monitor for people. Returns: what it printed. */
  async monitor(command: string): Promise<string> {
    const { packet, printed } = await this.send(`qRcmd,${Buffer.from(command, 'latin1').toString('hex')}`);
    if (packet !== 'OK') throw new Error(`QEMU's monitor did not take "${command}": ${packet || 'not supported'}`);
    return printed;
  }

  close(): void {
    this.socket.destroy();
  }

  /** A file of the target description. It comes in pieces: `m` and a piece, `l` and the last. */
  private async document(name: string): Promise<string> {
    let text = '';
    for (;;) {
      const piece = await this.request(`qXfer:features:read:${name}:${text.length.toString(16)},7fb`);
      if (!/^[ml]/.test(piece)) throw new Error(`QEMU's debugger stub has no target description ${name}: ${piece}`);
      text += piece.slice(1);
      // What is commented out is not counted.
      if (piece.startsWith('l')) return text.replace(/<!--[^]*?-->/g, '');
    }
  }

  private async request(data: string): Promise<string> {
    return (await this.send(data)).packet;
  }

  private send(data: string): Promise<{ readonly packet: string; readonly printed: string }> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ printed: '', resolve, reject });
      let sum = 0;
      for (let at = 0; at < data.length; at++) sum += data.charCodeAt(at);
      this.socket.write(`$${data}#${(sum & 0xff).toString(16).padStart(2, '0')}`, 'latin1');
    });
  }

  /** Takes the oldest request away. */
  private finish(): Request | undefined {
    const request = this.waiting[this.next];
    this.waiting[this.next++] = undefined;
    return request;
  }

  private take(text: string): void {
    this.received += text;
    let end = 0;
    for (const packet of this.received.matchAll(/\$([^#]*)#[0-9a-f]{2}/gi)) {
      end = packet.index + packet[0].length;
      // `}` escapes the byte after it.
      const data = packet[1]!.replace(/\}([^])/g, (_all, char: string) => String.fromCharCode(char.charCodeAt(0) ^ 0x20));
      const request = this.waiting[this.next];
      if (/^O(?!K)/.test(data) && request !== undefined) request.printed += Buffer.from(data.slice(1), 'hex').toString('latin1');
      else this.finish()?.resolve({ packet: data, printed: request?.printed ?? '' });
    }
    if (end === 0) return;
    this.received = this.received.slice(end);
    this.socket.write('+');
  }

  private hex(value: bigint, bytes: number): string {
    const big = BigInt.asUintN(bytes * 8, value).toString(16).padStart(bytes * 2, '0');
    return this.littleEndian ? (big.match(/../g) ?? []).reverse().join('') : big;
  }
}
