"""libkdumpfile 0.5 through its C interface: opening a dump, and translating by one method or by its own system.

The Python bindings of 0.5.1 (Debian 12) cannot translate under Python 3.11: their contexts return tuples where the library
wants numbers. The C library itself is sound. The layouts are those of addrxlat.h and kdumpfile.h of 0.5.1, which the
names of the shared objects stand for."""
import bisect, ctypes as C, mmap, os, re, struct

KPHYS, MACHPHYS, KV = 0, 1, 2
OK, NOTPRESENT, INVALID, NODATA, NOMETH = 0, 2, 3, 5, 6
PGT_KIND = 3
AARCH64, IA32_PAE, X86_64, S390X, AARCH64_LPA, AARCH64_LPA2 = 3, 5, 6, 7, 9, 10
SYS_METH_PGT = 0

class FullAddress(C.Structure): _fields_ = [('addr', C.c_uint64), ('space', C.c_int)]
class Form(C.Structure): _fields_ = [('format', C.c_int), ('count', C.c_ushort), ('sizes', C.c_ushort * 8)]
class Pgt(C.Structure): _fields_ = [('root', FullAddress), ('mask', C.c_uint64), ('form', Form)]
class Param(C.Union): _fields_ = [('pgt', Pgt)]
class Method(C.Structure): _fields_ = [('kind', C.c_int), ('target', C.c_int), ('param', Param)]
class Step(C.Structure):
    _fields_ = [('ctx', C.c_void_p), ('sys', C.c_void_p), ('meth', C.POINTER(Method)), ('remain', C.c_ushort), ('elemsz', C.c_uint), ('base', FullAddress),
                ('raw', C.c_uint64), ('idx', C.c_uint64 * 9)]
class Buffer(C.Structure):
    _fields_ = [('addr', FullAddress), ('ptr', C.c_void_p), ('size', C.c_size_t), ('order', C.c_int), ('put', C.c_void_p), ('priv', C.c_void_p)]
GET_PAGE = C.CFUNCTYPE(C.c_int, C.c_void_p, C.POINTER(Buffer)); CAPS = C.CFUNCTYPE(C.c_ulong, C.c_void_p); PUT_PAGE = C.CFUNCTYPE(None, C.c_void_p)
class Callbacks(C.Structure):
    _fields_ = [('next', C.c_void_p), ('priv', C.c_void_p), ('get_page', GET_PAGE), ('read_caps', CAPS)] + [('other%d' % n, C.c_void_p) for n in range(5)]
class Attribute(C.Structure): _fields_ = [('type', C.c_int), ('string', C.c_char_p)]
STRING = 4

class Error(Exception):
    def __init__(self, status, text): super().__init__(text); self.status = status

def load():
    """The two libraries. Raises OSError if they are not installed, or have another interface."""
    kdump, xlat = C.CDLL('libkdumpfile.so.10'), C.CDLL('libaddrxlat.so.3')
    kdump.kdump_new.restype = C.c_void_p; kdump.kdump_get_err.restype = C.c_char_p; kdump.kdump_get_err.argtypes = [C.c_void_p]; kdump.kdump_free.argtypes = [C.c_void_p]
    kdump.kdump_open_fdset.argtypes = [C.c_void_p, C.c_uint, C.POINTER(C.c_int)]; kdump.kdump_set_attr.argtypes = [C.c_void_p, C.c_char_p, C.POINTER(Attribute)]
    xlat.addrxlat_ctx_new.restype = C.c_void_p; xlat.addrxlat_ctx_add_cb.restype = C.POINTER(Callbacks); xlat.addrxlat_ctx_add_cb.argtypes = [C.c_void_p]
    kdump.kdump_get_addrxlat.argtypes = [C.c_void_p, C.POINTER(C.c_void_p), C.POINTER(C.c_void_p)]
    xlat.addrxlat_ctx_get_err.restype = C.c_char_p; xlat.addrxlat_ctx_get_err.argtypes = [C.c_void_p]; xlat.addrxlat_ctx_clear_err.argtypes = [C.c_void_p]
    xlat.addrxlat_walk.argtypes = [C.POINTER(Step)]
    xlat.addrxlat_fulladdr_conv.argtypes = [C.POINTER(FullAddress), C.c_int, C.c_void_p, C.c_void_p]
    xlat.addrxlat_sys_get_meth.restype = C.POINTER(Method); xlat.addrxlat_sys_get_meth.argtypes = [C.c_void_p, C.c_int]
    return kdump, xlat

def method(root, fmt, fields):
    made = Method(PGT_KIND, MACHPHYS); pgt = made.param.pgt
    pgt.root = FullAddress(root, MACHPHYS); pgt.form.format = fmt; pgt.form.count = len(fields)
    for at, size in enumerate(fields): pgt.form.sizes[at] = size
    return made

class Elf:
    """Physical memory of an ELF core. Of its own, because libkdumpfile 0.5.1 opens no big-endian one."""
    def __init__(self, path):
        with open(path, 'rb') as file: self.m = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if self.m[:4] != b'\x7fELF': raise Error(INVALID, 'it is no ELF core')
        self.order = '>' if self.m[5] == 2 else '<'; wide = self.m[4] == 2
        offset, = struct.unpack_from(self.order + ('Q' if wide else 'I'), self.m, 32 if wide else 28); size, count = struct.unpack_from(self.order + 'HH', self.m, 54 if wide else 42)
        self.segments = []; self.notes = b''
        for n in range(count):
            f = struct.unpack_from(self.order + ('IIQQQQQQ' if wide else 'IIIIIIII'), self.m, offset + n * size)
            if f[0] == 4: self.notes += self.m[f[2]:f[2] + f[5]] if wide else self.m[f[1]:f[1] + f[4]]
            if f[0] == 1: self.segments.append((f[4], f[6], f[2], f[5]) if wide else (f[3], f[5], f[1], f[4]))
        self.segments.sort(); self.starts = [s[0] for s in self.segments]
    def vmcoreinfo(self):
        """The values of the VMCOREINFO note by key."""
        text = re.search(rb'OSRELEASE=[\x20-\x7e\n]+', self.notes)
        return {} if text is None else dict(line.split('=', 1) for line in text.group().decode().splitlines() if '=' in line)
    def s390_prefix(self):
        """The prefix register of the first processor: the note LINUX, type 0x305."""
        at = 0
        while at + 12 <= len(self.notes):
            name, size, kind = struct.unpack_from(self.order + 'III', self.notes, at); start = at + 12 + (name + 3 & ~3)
            if kind == 0x305 and self.notes[at + 12:at + 17] == b'LINUX': return struct.unpack_from(self.order + 'I', self.notes, start)[0]
            at = start + (size + 3 & ~3)
        return 0
    def page(self, address):
        at = bisect.bisect_right(self.starts, address) - 1
        if at < 0 or address + 4096 > self.starts[at] + self.segments[at][1]: return None
        start, _, offset, there = self.segments[at]; inside = address - start
        return self.m[offset + inside:offset + min(inside + 4096, there)].ljust(4096, b'\0') if inside < there else bytes(4096)

class Translator:
    """addrxlat over the pages of an ELF core, by methods that say format, form of paging and root."""
    def __init__(self, libraries, path):
        self.xlat = libraries[1]; self.elf = Elf(path); self.pages = {}; self.ctx = self.xlat.addrxlat_ctx_new()
        self.functions = GET_PAGE(self.get_page), CAPS(lambda _: 1 << MACHPHYS), PUT_PAGE(lambda _: None)
        callbacks = self.xlat.addrxlat_ctx_add_cb(self.ctx).contents; callbacks.get_page, callbacks.read_caps = self.functions[:2]
    def get_page(self, _, buffer):
        page = buffer.contents.addr.addr & ~0xfff
        if page not in self.pages:
            data = self.elf.page(page)
            if data is None: return NODATA
            self.pages[page] = C.create_string_buffer(data, 4096)
        b = buffer.contents; b.addr.addr = page; b.ptr = C.addressof(self.pages[page]); b.size = 4096; b.order = 0 if self.elf.order == '>' else 1
        b.put = C.cast(self.functions[2], C.c_void_p)
        return OK
    def walk(self, meth, va):
        """The physical address of an address. Raises Error."""
        step = Step(self.ctx, None, C.pointer(meth)); step.base = FullAddress(va, KV)
        checked(self.xlat, self.ctx, self.xlat.addrxlat_walk(C.byref(step)))
        return step.base.addr

def checked(xlat, ctx, status):
    if status == OK: return
    text = (xlat.addrxlat_ctx_get_err(ctx) or b'').decode(); xlat.addrxlat_ctx_clear_err(ctx)
    raise Error(status, text)

class Dump:
    """One dump file, with the translation that the library finds for the kernel by itself."""
    def __init__(self, libraries, path):
        self.kdump, self.xlat = libraries; self.handle = self.kdump.kdump_new(); self.fd = os.open(path, os.O_RDONLY)
        self.check(self.kdump.kdump_open_fdset(self.handle, 1, C.byref(C.c_int(self.fd))))
        self.check(self.kdump.kdump_set_attr(self.handle, b'addrxlat.ostype', C.byref(Attribute(STRING, b'linux'))))
        self.ctx, self.sys = C.c_void_p(), C.c_void_p()
        self.check(self.kdump.kdump_get_addrxlat(self.handle, C.byref(self.ctx), C.byref(self.sys)))
    def check(self, status):
        if status: raise Error(status, (self.kdump.kdump_get_err(self.handle) or b'status %d' % status).decode())
    def convert(self, va):
        """The physical address of a kernel address. Raises Error."""
        full = FullAddress(va, KV)
        checked(self.xlat, self.ctx, self.xlat.addrxlat_fulladdr_conv(C.byref(full), MACHPHYS, self.ctx, self.sys))
        return full.addr
    def finds_tables(self):
        found = self.xlat.addrxlat_sys_get_meth(self.sys, SYS_METH_PGT)
        return bool(found) and found.contents.kind == PGT_KIND
