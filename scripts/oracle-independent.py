#!/usr/bin/env python3
"""oracle-independent.py [DIR...]: a sample of the addresses of each dump, translated by `pgtable vtop` and by
implementations that share no line with it: libkdumpfile's addrxlat, drgn, and, where neither knows the architecture, the
walker that came with the fixtures. Prints which of them covered which dump. Exit code 1 if anything differs.

Nothing here looks at what pgtable says before an implementation has answered."""
import bisect, collections, json, os, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(HERE, 'oracle'))
import libkdumpfile as kdf

REPOSITORY = os.path.dirname(HERE)
DEFAULT = os.path.join(REPOSITORY, '..', 'shared', 'fixtures')
INSTALL = 'apt-get install libkdumpfile10 python3-drgn'
SAMPLE = 2000       # addresses of a guest from QEMU's lists, all its processes together
EDGES = 600         # addresses at the edges of our own runs, for each dump
CONTENT = 300       # addresses whose contents drgn reads

# The distribution's packages are for the distribution's Python, which may not be the first one in PATH.
try:
    import drgn
except ImportError as error:
    if sys.executable != '/usr/bin/python3' and os.path.exists('/usr/bin/python3') and 'ORACLE_PYTHON' not in os.environ:
        os.execve('/usr/bin/python3', ['/usr/bin/python3', os.path.abspath(__file__)] + sys.argv[1:], dict(os.environ, ORACLE_PYTHON='1'))
    drgn = None
    print('drgn: skipped, %s; %s' % (error, INSTALL))
try:
    LIBRARIES = kdf.load()
except OSError as error:
    LIBRARIES = None
    print('libkdumpfile: skipped, %s; %s' % (error, INSTALL))


class Dump:
    """A folder of fixtures, and one dump file in it."""
    def __init__(self, path, form):
        self.path = path; self.form = form; self.facts = json.load(open(os.path.join(path, 'regs.json')))
        self.name = os.path.join(os.path.basename(os.path.dirname(path)), os.path.basename(path)); self.arch = self.facts['arch']; self.prefix = 0

    def text(self, name):
        p = os.path.join(self.path, name)
        if os.path.exists(p): return open(p, encoding='latin1').read()
        if os.path.exists(p + '.zst'): return subprocess.run(['zstd', '-dcq', p + '.zst'], check=True, stdout=subprocess.PIPE).stdout.decode('latin1')
        return None


def discover(directory, depth=2):
    if os.path.exists(os.path.join(directory, 'regs.json')):
        return [Dump(directory, form) for form in ('dump.elf', 'dump.kdump') if any(os.path.exists(os.path.join(directory, form + z)) for z in ('', '.zst'))]
    if depth == 0: return []
    return [d for name in sorted(os.listdir(directory)) if os.path.isdir(os.path.join(directory, name)) for d in discover(os.path.join(directory, name), depth - 1)]


class Space:
    """An address space by its registers, and the addresses to ask about."""
    def __init__(self, name, registers, addresses, half=None, edges=False):
        self.name = name; self.registers = registers; self.addresses = addresses; self.half = half; self.edges = edges

    def value(self, name): return int(self.registers[name], 16)


def every(items, count):
    """About `count` of the items, evenly."""
    step = max(1, len(items) // max(1, count))
    return items[::step]


def spaces(dump):
    f = dump.facts; current = f['registers']; half = '--user' if dump.arch == 's390x' else None
    def asked(name, column=0):
        text = dump.text(name)
        return [] if text is None else [line.split('\t') for line in text.splitlines() if line and line[0] != '#']
    main = [int(r[0], 16) for r in asked('gva2gpa.tsv')]
    found = [Space('current', current, every(main, SAMPLE * 6 // 10), half, True)]
    # The kernel's own registers, as they were at a stop in the kernel: with KPTI they lead to more than the current ones.
    kernel = dict(current, **f['kernelModeRegisters'])
    asked_kernel = [int(r[0], 16) for r in asked('gva2gpa-kernel.tsv')] or [a for a in main if a >> (31 if dump.arch == 'i386' else 63)]
    found.append(Space('kernel', kernel, every(asked_kernel, SAMPLE * 2 // 10), '--kernel' if dump.arch == 's390x' else None, dump.arch == 's390x' or not main))
    by_process = collections.defaultdict(list)
    for pid, va, _ in asked('gva2gpa-procs.tsv'): by_process[pid].append(int(va, 16))
    for pid, addresses in sorted(by_process.items()):
        found.append(Space('process ' + pid, dict(current, **f['perProcessRegisters'][pid]), every(addresses, SAMPLE * 2 // 10 // len(by_process)), half))
    return found


FLAGS = {'x86_64': ('cr3', 'cr4', 'efer'), 'i386': ('cr3', 'cr4', 'efer'), 'aarch64': ('TTBR0_EL1', 'TTBR1_EL1', 'TCR_EL1', 'MAIR_EL1'), 'riscv64': ('satp',), 's390x': ('prefix',)}

def flags(dump, space):
    found = [] if space.half is None else [space.half]
    for name in FLAGS[dump.arch]:
        if name in space.registers: found += ['--' + name.lower().replace('_el1', ''), space.registers[name]]
    return found + (['--asce', space.registers['cr1']] if dump.arch == 's390x' else [])


def ask_pgtable(dump, asked):
    """The path of the unpacked dump and, for each space, a list of (address, answer): a physical address or None."""
    request = dict(dump=os.path.join(dump.path, dump.form), runs=[dict(flags=flags(dump, s), addresses=['%x' % a for a in s.addresses], edges=s.edges) for s in asked])
    command = ['node', '--conditions=@pgtable/source', '--import', 'tsx', os.path.join(HERE, 'oracle', 'driver.ts')]
    done = subprocess.run(command, input=json.dumps(request).encode(), stdout=subprocess.PIPE, cwd=REPOSITORY, check=True)
    reply = json.loads(done.stdout)
    def answer(text):
        if text == 'absent': return 'absent'
        return int(text, 16) if text.startswith('0x') else None
    result = []
    for space, answers in zip(asked, reply['answers']):
        pairs = [(int(x['address'], 16), answer(x['answer'])) for x in answers]
        result.append(pairs[:len(space.addresses)] + every(pairs[len(space.addresses):], EDGES))
    return reply['file'], result


# ---- libkdumpfile's addrxlat, told the format of entries, the form of paging and the root -----------------------------

class NotCovered(Exception): pass

class Half:
    """One table root, for the addresses [base, top)."""
    def __init__(self, root, fmt, fields, base, top, untag=None, mask=None):
        self.base = base; self.top = top; self.untag = untag or (lambda va: va); self.mask = (1 << 64) - 1 if mask is None else mask
        self.method = kdf.method(root, fmt, fields)


def fields_of(page_shift, entry_bits, bits):
    fields = [page_shift]
    while sum(fields) < bits: fields.append(min(entry_bits, bits - sum(fields)))
    return fields


def halves(dump, space):
    """The roots that registers select. Addresses outside of all of them are not canonical: no implementation is asked."""
    if dump.arch == 'x86_64':
        fields = (12, 9, 9, 9, 9) + ((9,) if space.value('cr4') >> 12 & 1 else ()); half = 1 << (sum(fields) - 1); root = space.value('cr3') & 0xffffffffff000
        return [Half(root, kdf.X86_64, fields, 0, half), Half(root, kdf.X86_64, fields, (1 << 64) - half, 1 << 64)]
    if dump.arch == 'i386': return [Half(space.value('cr3') & 0xffffffe0, kdf.IA32_PAE, (12, 9, 9, 2), 0, 1 << 32)]
    if dump.arch == 'aarch64':
        tcr = space.value('TCR_EL1'); found = []
        for upper in (0, 1):
            bits = 64 - (tcr >> (16 if upper else 0) & 63); ds = tcr >> 59 & 1
            shift = ({1: 14, 2: 12, 3: 16} if upper else {0: 12, 1: 16, 2: 14})[tcr >> (30 if upper else 14) & 3]
            wide = ds or (shift == 16 and tcr >> 32 & 7 == 6)
            fmt = kdf.AARCH64_LPA2 if ds else kdf.AARCH64_LPA if wide else kdf.AARCH64
            ttbr = space.value('TTBR1_EL1' if upper else 'TTBR0_EL1')
            # With 52-bit addresses TTBR[5:2] are address bits 51:48 and the table is aligned to 64 bytes.
            root = ttbr & 0xffffffffffc0 | (ttbr >> 2 & 15) << 48 if wide else ttbr & 0xfffffffffffe
            def untag(va, upper=upper, ignored=tcr >> (38 if upper else 37) & 1):
                if not ignored or (va >> 55 & 1) != upper: return va
                return va & (1 << 56) - 1 | (0xff << 56 if upper else 0)
            found.append(Half(root, fmt, fields_of(shift, shift - 3, bits), (1 << 64) - (1 << bits) if upper else 0, 1 << 64 if upper else 1 << bits, untag, (1 << bits) - 1))
        return found
    if dump.arch == 's390x':
        asce = space.value('cr1'); fields = (12, 8) + (11,) * ((asce >> 2 & 3) + 1)
        # The length of the root table is in the ASCE, and a method has no place for it.
        return [Half(asce & ~0xfff, kdf.S390X, fields, 0, ((asce & 3) + 1) * 512 << (sum(fields) - 11))]
    raise NotCovered('libkdumpfile 0.5.1 does not know the entries of %s' % dump.arch)


def absolute(dump, pa):
    """s390: QEMU's dumps and pgtable have absolute addresses, a table walk gives real ones."""
    if pa is None or not dump.prefix: return pa
    if pa < 0x2000: return pa + dump.prefix
    return pa - dump.prefix if dump.prefix <= pa < dump.prefix + 0x2000 else pa


class ByRoot:
    name = 'libkdumpfile, root given'
    def __init__(self, dump, path):
        self.dump = dump
        if LIBRARIES is None: raise NotCovered('it is not installed')
        halves(dump, Space('', dump.facts['registers'], []))
        try: self.translator = kdf.Translator(LIBRARIES, path)
        except kdf.Error as error: raise NotCovered(str(error))
    def use(self, space):
        self.halves = halves(self.dump, space)
        return True
    def translate(self, va):
        for half in self.halves:
            plain = half.untag(va)
            if not half.base <= plain < half.top: continue
            try: return absolute(self.dump, self.translator.walk(half.method, plain & half.mask))
            except kdf.Error as error:
                if error.status == kdf.NOTPRESENT: return None
                return 'absent' if error.status == kdf.NODATA else 'error: %s' % error
        return None


class ByItself:
    """libkdumpfile with its own root and its own map of the kernel's address space. Kernel addresses alone."""
    name = 'libkdumpfile, its own root'
    def __init__(self, dump, path):
        self.dump = dump
        if LIBRARIES is None: raise NotCovered('it is not installed')
        try: self.opened = kdf.Dump(LIBRARIES, path)
        except kdf.Error as error: raise NotCovered(str(error))
        if not self.opened.finds_tables(): raise NotCovered('it finds no page tables by itself')
        self.by_root = ByRoot(dump, path)
    def use(self, space):
        self.by_root.use(space)
        return space.name == 'kernel'
    def explain(self, va, theirs, ours):
        # Its map of the kernel's space has the linear mapping as arithmetic, where it does not look at a single entry.
        return 'it takes the linear mapping for whole; its own walk of the tables agrees with pgtable' if self.by_root.translate(va) == ours else None
    def translate(self, va):
        if not va >> (31 if self.dump.arch == 'i386' else 63): return 'skip'
        try: return self.opened.convert(va)
        except kdf.Error as error:
            if 'Infinite read recursion' in str(error): raise NotCovered('it reads its root table by a virtual address, which needs that table: %s' % error)
            if error.status in (kdf.NOTPRESENT, kdf.NOMETH, kdf.INVALID): return None
            return 'absent' if error.status == kdf.NODATA else 'error: %s' % error


class FixtureWalker:
    """walk.py of the fixtures' scripts, by others: for what libkdumpfile does not know."""
    name = "the fixtures' walk.py"
    def __init__(self, dump, path):
        if dump.arch != 'riscv64': raise NotCovered('only for riscv64')
        folder = next((d for d in (os.path.join(dump.path, '..', '..', 'scripts', 'guests'), os.path.join(DEFAULT, 'scripts', 'guests')) if os.path.exists(os.path.join(d, 'walk.py'))), None)
        if folder is None: raise NotCovered('there is no scripts/guests/walk.py beside the fixtures')
        sys.path.insert(0, folder)
        import walk
        self.walk = walk; self.elf = walk.Elf(path)
    def use(self, space):
        self.leaves = sorted(self.walk.riscv(self.elf, space.value('satp'), None)); self.starts = [leaf[0] for leaf in self.leaves]
        return True
    def translate(self, va):
        at = bisect.bisect_right(self.starts, va) - 1
        if at < 0 or va >= self.leaves[at][0] + self.leaves[at][2]: return None
        return self.leaves[at][1] + va - self.leaves[at][0]


class Drgn:
    """drgn reads virtual memory by the kernel's own tables. It gives no physical address away, so contents are compared.

    drgn 0.0.22 reads the root table by its virtual address, and so can read nothing of a dump whose segments have none
    (QEMU's): it says "recursive address translation". It is told where that one table is, by VMCOREINFO's arithmetic."""
    name = 'drgn (contents)'
    def __init__(self, dump, path):
        if drgn is None: raise NotCovered('it is not installed')
        if dump.form != 'dump.elf': raise NotCovered("it reads no flattened kdump of QEMU's")
        self.program = drgn.Program()
        try: self.program.set_core_dump(path)
        except Exception as error: raise NotCovered('it does not open the file: %s' % str(error).strip())
        if not self.program.flags & drgn.ProgramFlags.IS_LINUX_KERNEL: raise NotCovered('it finds no VMCOREINFO in the file, so it reads no kernel address')
        info = kdf.Elf(path).vmcoreinfo(); address = int(info['SYMBOL(swapper_pg_dir)'], 16)
        offset = {'x86_64': lambda: int(info['NUMBER(phys_base)']) - 0xffffffff80000000, 'aarch64': lambda: -int(info['NUMBER(kimage_voffset)'], 0)}.get(dump.arch)
        if offset is None: raise NotCovered('it translates no addresses of %s' % dump.arch)
        # Kernels that can do 52 bits say so on every processor; drgn 0.0.22 believes it.
        bits, t1sz = info.get('NUMBER(VA_BITS)'), info.get('NUMBER(TCR_EL1_T1SZ)')
        if t1sz is not None and 64 - int(t1sz, 0) != int(bits): raise NotCovered('it takes VA_BITS=%s of VMCOREINFO for the address size, which is %d' % (bits, 64 - int(t1sz, 0)))
        physical = address + offset() & (1 << 64) - 1
        self.program.add_memory_segment(address, int(info['PAGESIZE']), lambda at, count, into, _: self.program.read(physical + into, count, True))
        # An address that must work.
        try: self.program.read(int(info['SYMBOL(_stext)'], 16), 8)
        except Exception as error: raise NotCovered('it cannot use these tables: %s' % error)
    def use(self, space): return space.name == 'kernel'
    def read(self, address, physical):
        try: return self.program.read(address, 64, physical)
        except drgn.FaultError: return None


class Result:
    def __init__(self): self.asked = self.agree = 0; self.differ = []; self.explained = collections.Counter(); self.note = ''


def compare(implementation, asked, answers):
    result = Result()
    for space, pairs in zip(asked, answers):
        if not implementation.use(space): continue
        for va, ours in pairs:
            theirs = implementation.translate(va)
            if theirs == 'skip': continue
            result.asked += 1
            why = implementation.explain(va, theirs, ours) if theirs != ours and hasattr(implementation, 'explain') else None
            if theirs == ours: result.agree += 1
            elif why: result.explained[why] += 1
            else: result.differ.append((space.name, va, theirs, ours))
    return result


def compare_contents(implementation, asked, answers):
    result = Result(); same_bytes = 0
    for space, pairs in zip(asked, answers):
        if not implementation.use(space): continue
        for va, ours in every([p for p in pairs if p[0] >> 63], CONTENT):
            va &= ~63; physical = None if ours is None or ours == 'absent' else implementation.read(ours & ~63, True)
            if ours is not None and physical is None: continue     # no memory of the dump: a device
            virtual = implementation.read(va, False)
            result.asked += 1
            if virtual == physical:
                result.agree += 1; same_bytes += virtual is not None and any(virtual)
            else: result.differ.append((space.name, va, None if virtual is None else 'other contents', ours))
    result.note = '%d with contents that are not zero' % same_bytes
    return result


def show(value): return 'unmapped' if value is None else value if isinstance(value, str) else '0x%x' % value


def main(arguments):
    directories = arguments or ([DEFAULT] if os.path.exists(DEFAULT) else [])
    if not directories:
        print('oracle: nothing was compared: there is no ../shared/fixtures beside the repository, and no DIR was given'); return 0
    if LIBRARIES is None and drgn is None:
        print('oracle: nothing was compared: %s' % INSTALL); return 0
    began = time.time(); total = collections.Counter(); bad = 0
    print('%-34s %-10s %-28s %7s %7s %6s' % ('dump', 'form', 'implementation', 'asked', 'agree', 'differ'))
    for dump in [d for directory in directories for d in discover(os.path.abspath(directory))]:
        asked = spaces(dump); path, answers = ask_pgtable(dump, asked)
        if dump.arch == 's390x' and dump.form == 'dump.elf': dump.prefix = kdf.Elf(path).s390_prefix()
        elf = path
        if dump.form != 'dump.elf' and any(os.path.exists(os.path.join(dump.path, 'dump.elf' + z)) for z in ('', '.zst')):
            # The same stop as ELF: libkdumpfile 0.5.1 opens no flattened kdump, but a walk needs only the pages.
            twin = Dump(dump.path, 'dump.elf'); elf, _ = ask_pgtable(twin, [])
            if dump.arch == 's390x': dump.prefix = kdf.Elf(elf).s390_prefix()
        for kind in (ByRoot, ByItself, Drgn, FixtureWalker):
            head = '%-34s %-10s %-28s' % (dump.name, dump.form, kind.name)
            try: result = (compare_contents if kind is Drgn else compare)(kind(dump, elf if kind is ByRoot else path), asked, answers)
            except NotCovered as reason:
                if kind is not FixtureWalker or dump.arch == 'riscv64': print('%s not covered: %s' % (head, reason))
                continue
            if kind is ByRoot and elf != path: result.note = 'pages of the dump.elf of the same stop'
            total.update(asked=result.asked, agree=result.agree, explained=sum(result.explained.values())); bad += len(result.differ)
            print('%s %7d %7d %6d  %s' % (head, result.asked, result.agree, len(result.differ), result.note), flush=True)
            for why, count in result.explained.items(): print('    %d explained: %s' % (count, why))
            for name, va, theirs, ours in result.differ[:20]: print('    %s 0x%x: %s %s, pgtable %s' % (name, va, kind.name, show(theirs), show(ours)))
    print('asked %d, agree %d, explained %d, differ %d; %d s' % (total['asked'], total['agree'], total['explained'], bad, time.time() - began))
    return 1 if bad else 0


if __name__ == '__main__': sys.exit(main(sys.argv[1:]))
