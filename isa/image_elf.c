// ELF files. Reading checks the header itself, hands the rest to libelf, and believes no offset
// before it is inside the file; the contents are mapped, not copied. Writing lays the few headers
// out here and streams (libelf's own writer needs a seekable file, and an output may be a pipe);
// libelf gives them their byte order.
#include "image_crc.h"
#include "image_meta.h"

#include <gelf.h>
#include <inttypes.h>
#include <libelf.h>

#define FILE_MAX ((size_t)1 << 35)

enum section {
    SEC_NULL,
    SEC_TEXT,
    SEC_RODATA,
    SEC_LANES,
    SEC_IO,
    SEC_LOC,
    SEC_MACHINE,
    SEC_HOST,
    SEC_TIME,
    SEC_SUM,
    SEC_SHSTRTAB,
    SEC_NUM
};

struct section_spec {
    const char *name;
    uint32_t type;
    uint64_t flags, addr, align;
};
static const struct section_spec SPECS[SEC_NUM] = {
    [SEC_NULL] = {"", SHT_NULL, 0, 0, 0},
    [SEC_TEXT] = {".text", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, IMAGE_TEXT_BASE,
                  ISA_WORD_BYTES},
    [SEC_RODATA] = {".rodata", SHT_PROGBITS, SHF_ALLOC, IMAGE_RODATA_BASE, 64},
    [SEC_LANES] = {".lanes", SHT_PROGBITS, SHF_ALLOC, IMAGE_LANES_BASE, IMAGE_LANES_ALIGN},
    [SEC_IO] = {".bitlet.io", SHT_PROGBITS, 0, 0, 1},
    [SEC_LOC] = {".bitlet.loc", SHT_PROGBITS, 0, 0, 1},
    [SEC_MACHINE] = {".bitlet.machine", SHT_PROGBITS, 0, 0, 1},
    [SEC_HOST] = {".bitlet.host", SHT_PROGBITS, 0, 0, 1},
    [SEC_TIME] = {".bitlet.time", SHT_PROGBITS, 0, 0, 1},
    [SEC_SUM] = {".bitlet.sum", SHT_PROGBITS, 0, 0, 4},
    [SEC_SHSTRTAB] = {".shstrtab", SHT_STRTAB, 0, 0, 1},
};
enum { SUM_BYTES = 4 };

static const struct {
    enum section section;
    enum image_meta meta;
} METAS[IMAGE_META_NUM] = {
    {SEC_MACHINE, IMAGE_META_MACHINE}, {SEC_IO, IMAGE_META_IO},     {SEC_LOC, IMAGE_META_LOC},
    {SEC_HOST, IMAGE_META_HOST},       {SEC_TIME, IMAGE_META_TIME},
};

static uint32_t elf_flags(uint32_t ext)
{
    return ext | IMAGE_VERSION << 8;
}

// ---- Writing
// ---------------------------------------------------------------------------------------

struct layout {
    struct image_bytes content[SEC_NUM];
    const struct image *image; // for what lies in pieces
    Elf64_Ehdr ehdr;
    Elf64_Shdr shdr[SEC_NUM];
};

static uint64_t align_up(uint64_t v, uint64_t align)
{
    return align > 1 ? (v + align - 1) / align * align : v;
}

static void collect_contents(struct layout *lay, const struct image *img, struct arena *a)
{
    lay->image = img;
    lay->content[SEC_TEXT] = (struct image_bytes){img->text, img->text_bytes};
    lay->content[SEC_RODATA] = (struct image_bytes){img->rodata, img->rodata_bytes};
    lay->content[SEC_LANES] = (struct image_bytes){img->lanes, img->lanes_bytes};
    for (int i = 0; i < IMAGE_META_NUM; i++)
        lay->content[METAS[i].section] = image_meta_encode(METAS[i].meta, img, a);
    lay->content[SEC_SUM] = (struct image_bytes){arena_alloc(a, SUM_BYTES), SUM_BYTES};
}

// The names of all sections, the null section's empty one first; sets sh_name.
static void make_names(struct layout *lay, struct arena *a)
{
    size_t size = 0;
    for (int i = 0; i < SEC_NUM; i++)
        size += strlen(SPECS[i].name) + 1;
    char *names = arena_alloc(a, size);
    size_t at = 0;
    for (int i = 0; i < SEC_NUM; i++) {
        lay->shdr[i].sh_name = (Elf64_Word)at;
        size_t len = strlen(SPECS[i].name) + 1;
        memcpy(names + at, SPECS[i].name, len);
        at += len;
    }
    lay->content[SEC_SHSTRTAB] = (struct image_bytes){(const uint8_t *)names, size};
}

static void place_sections(struct layout *lay, uint32_t ext)
{
    uint64_t at = sizeof(Elf64_Ehdr);
    for (int i = 1; i < SEC_NUM; i++) {
        const struct section_spec *s = &SPECS[i];
        at = align_up(at, s->align);
        lay->shdr[i].sh_type = s->type;
        lay->shdr[i].sh_flags = s->flags;
        lay->shdr[i].sh_addr = s->addr;
        lay->shdr[i].sh_offset = at;
        lay->shdr[i].sh_size = lay->content[i].size;
        lay->shdr[i].sh_addralign = s->align;
        at += lay->content[i].size;
    }
    lay->ehdr = (Elf64_Ehdr){
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT,
                    ELFOSABI_STANDALONE, IMAGE_VERSION},
        .e_type = ET_EXEC,
        .e_machine = IMAGE_ELF_MACHINE,
        .e_version = EV_CURRENT,
        .e_shoff = align_up(at, 8),
        .e_flags = elf_flags(ext),
        .e_ehsize = sizeof(Elf64_Ehdr),
        .e_shentsize = sizeof(Elf64_Shdr),
        .e_shnum = SEC_NUM,
        .e_shstrndx = SEC_SHSTRTAB,
    };
}

static void translate(Elf_Type type, void *bytes, size_t len)
{
    Elf_Data data = {.d_buf = bytes, .d_size = len, .d_type = type, .d_version = EV_CURRENT};
    if (!elf64_xlatetof(&data, &data, ELFDATA2LSB))
        bitlet_bug("libelf: %s", elf_errmsg(-1));
}

// What receives the file's bytes in order: a checksum, or a stream.
struct sink {
    FILE *file; // NULL: only the checksum
    uint32_t crc;
    uint64_t at;
};

static void pour(struct sink *s, const void *bytes, size_t len)
{
    if (len == 0)
        return;
    if (s->file)
        fwrite(bytes, 1, len, s->file); // io_commit sees the stream's error
    else
        s->crc = image_crc32(s->crc, bytes, len);
    s->at += len;
}

static void pad_to(struct sink *s, uint64_t offset)
{
    static const uint8_t ZEROS[IMAGE_LANES_ALIGN];
    while (s->at < offset)
        pour(s, ZEROS, offset - s->at < sizeof ZEROS ? (size_t)(offset - s->at) : sizeof ZEROS);
}

static void pour_pieces(struct sink *s, const struct image *img)
{
    uint64_t start = s->at;
    for (size_t i = 0; i < img->num_lane_pieces; i++) {
        pad_to(s, start + img->lane_pieces[i].offset);
        pour(s, img->lane_pieces[i].data, img->lane_pieces[i].bytes);
    }
    pad_to(s, start + img->lanes_bytes);
}

static void pour_file(struct sink *s, const struct layout *lay, const uint64_t offset[SEC_NUM],
                      uint64_t shoff)
{
    pour(s, &lay->ehdr, sizeof lay->ehdr);
    for (int i = 1; i < SEC_NUM; i++) {
        pad_to(s, offset[i]);
        if (i == SEC_LANES && !lay->image->lanes)
            pour_pieces(s, lay->image);
        else
            pour(s, lay->content[i].data, lay->content[i].size);
    }
    pad_to(s, shoff);
    pour(s, lay->shdr, sizeof lay->shdr);
}

static void write_stream(struct layout *lay, FILE *f, struct arena *a)
{
    uint64_t offset[SEC_NUM], shoff = lay->ehdr.e_shoff;
    for (int i = 0; i < SEC_NUM; i++)
        offset[i] = lay->shdr[i].sh_offset;
    translate(ELF_T_EHDR, &lay->ehdr, sizeof lay->ehdr);
    translate(ELF_T_SHDR, lay->shdr, sizeof lay->shdr);
    struct sink sum = {.crc = 0};
    pour_file(&sum, lay, offset, shoff);
    uint8_t *crc = arena_alloc(a, SUM_BYTES);
    io_put32(crc, sum.crc);
    lay->content[SEC_SUM].data = crc;
    pour_file(&(struct sink){.file = f}, lay, offset, shoff);
}

static bool check_image(const struct image *img, const char *path, enum diag_id id, struct diag *d)
{
    loc_id loc = diag_file(d, path);
    bool ok = image_check_layout(img, id, loc, d);
    for (size_t i = 0; i < img->num_inputs; i++)
        ok &= image_check_io(img, &img->inputs[i], true, id, loc, d);
    for (size_t i = 0; i < img->num_outputs; i++)
        ok &= image_check_io(img, &img->outputs[i], false, id, loc, d);
    return ok;
}

bool image_write(const char *path, const struct image *img, struct arena *a, struct diag *d)
{
    if (!check_image(img, path, DIAG_IMAGE_FORMAT, d))
        return false;
    elf_version(EV_CURRENT);
    struct layout *lay = ARENA_NEW(a, struct layout);
    collect_contents(lay, img, a);
    make_names(lay, a);
    place_sections(lay, img->machine.ext);
    struct io_out *o = io_create(path, a, d);
    if (!o)
        return false;
    write_stream(lay, io_file(o), a);
    return io_commit(o, d);
}

// ---- Reading
// ---------------------------------------------------------------------------------------

struct source {
    const char *path;
    const struct io_map *map;
    struct diag *diag;
};

__attribute__((format(printf, 3, 4))) static bool refuse(const struct source *s, enum diag_id id,
                                                         const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return diag_report(s->diag, diag_file(s->diag, s->path), id, "%s", text);
}

static bool range_ok(const struct source *s, uint64_t offset, uint64_t len)
{
    return offset <= s->map->size && len <= s->map->size - offset;
}

// Before libelf sees the file: that it is one of ours, and that the section headers lie inside it.
static bool check_header(const struct source *s, Elf64_Ehdr *h)
{
    const uint8_t *p = s->map->data;
    if (s->map->size < sizeof *h || memcmp(p, ELFMAG, SELFMAG) != 0)
        return refuse(s, DIAG_IMAGE_FORMAT, "not a Bitlet binary: no ELF header");
    memcpy(h, p, sizeof *h);
    if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB ||
        h->e_ident[EI_VERSION] != EV_CURRENT || h->e_machine != IMAGE_ELF_MACHINE)
        return refuse(s, DIAG_IMAGE_FORMAT,
                      "not a Bitlet binary: an ELF file of machine 0x%x, not 0x%x", h->e_machine,
                      IMAGE_ELF_MACHINE);
    unsigned version = h->e_flags >> 8 & 0xff;
    if (version != IMAGE_VERSION)
        return refuse(s, DIAG_IMAGE_VERSION, "format version %u; this tool reads version %d",
                      version, IMAGE_VERSION);
    if (h->e_ehsize != sizeof *h || h->e_shentsize != sizeof(Elf64_Shdr) || h->e_shnum != SEC_NUM ||
        h->e_shstrndx != SEC_SHSTRTAB || h->e_phnum != 0)
        return refuse(s, DIAG_IMAGE_FORMAT, "the ELF header does not fit: %u sections of %u bytes",
                      h->e_shnum, h->e_shentsize);
    if (h->e_shoff % 8 != 0 || !range_ok(s, h->e_shoff, SEC_NUM * sizeof(Elf64_Shdr)))
        return refuse(s, DIAG_IMAGE_FORMAT, "the section headers lie outside the file");
    return true;
}

static bool check_section(const struct source *s, int i, const GElf_Shdr *sh, const char *name)
{
    const struct section_spec *want = &SPECS[i];
    if (!name || strcmp(name, want->name) != 0)
        return refuse(s, DIAG_IMAGE_FORMAT, "section %d is not %s", i, want->name);
    if (sh->sh_type != want->type || sh->sh_flags != want->flags || sh->sh_addr != want->addr ||
        sh->sh_addralign != want->align)
        return refuse(s, DIAG_IMAGE_FORMAT,
                      "section %s has an unexpected type, flags, address or alignment", name);
    if (!range_ok(s, sh->sh_offset, sh->sh_size) || sh->sh_size > IMAGE_SECTION_MAX)
        return refuse(s, DIAG_IMAGE_FORMAT,
                      "section %s (%" PRIu64 " bytes at offset %" PRIu64 ") lies outside the file",
                      name, sh->sh_size, sh->sh_offset);
    if (sh->sh_offset % want->align != 0)
        return refuse(s, DIAG_IMAGE_FORMAT, "section %s is not aligned to %" PRIu64 " bytes", name,
                      want->align);
    return true;
}

static bool find_sections(const struct source *s, struct image_bytes out[SEC_NUM])
{
    elf_version(EV_CURRENT);
    Elf *e = elf_memory((char *)s->map->data, s->map->size);
    if (!e)
        return refuse(s, DIAG_IMAGE_FORMAT, "libelf: %s", elf_errmsg(-1));
    bool ok = true;
    for (int i = 1; i < SEC_NUM && ok; i++) {
        GElf_Shdr sh;
        Elf_Scn *scn = elf_getscn(e, (size_t)i);
        if (!scn || !gelf_getshdr(scn, &sh)) {
            ok = refuse(s, DIAG_IMAGE_FORMAT, "libelf: section %d: %s", i, elf_errmsg(-1));
            break;
        }
        ok = check_section(s, i, &sh, elf_strptr(e, SEC_SHSTRTAB, sh.sh_name));
        if (ok)
            out[i] = (struct image_bytes){s->map->data + sh.sh_offset, sh.sh_size};
    }
    elf_end(e);
    return ok;
}

static bool check_sum(const struct source *s, struct image_bytes sum)
{
    if (sum.size != SUM_BYTES)
        return refuse(s, DIAG_IMAGE_FORMAT, "section .bitlet.sum has %zu bytes, not %d", sum.size,
                      SUM_BYTES);
    static const uint8_t ZEROS[SUM_BYTES];
    const uint8_t *begin = s->map->data, *after = sum.data + SUM_BYTES;
    uint32_t crc = image_crc32(0, begin, (size_t)(sum.data - begin));
    crc = image_crc32(crc, ZEROS, SUM_BYTES);
    crc = image_crc32(crc, after, s->map->size - (size_t)(after - begin));
    if (crc != io_get32(sum.data))
        return refuse(s, DIAG_IMAGE_FORMAT,
                      "the checksum is 0x%08" PRIx32 ", the file's bytes give 0x%08" PRIx32
                      ": it is damaged",
                      io_get32(sum.data), crc);
    return true;
}

static bool check_text(const struct source *s, const struct image *img)
{
    enum { SHOWN = 5 };
    int bad = 0;
    for (size_t pc = 0; pc + ISA_WORD_BYTES <= img->text_bytes; pc += ISA_WORD_BYTES) {
        const uint8_t *w = img->text + pc;
        struct isa_insn in;
        if (!isa_decode(w, &in) && bad++ < SHOWN)
            refuse(s, DIAG_IMAGE_FORMAT,
                   "pc 0x%zx: the word %016" PRIx64 "'%016" PRIx64 " is no instruction", pc,
                   io_get64(w + 8), io_get64(w));
    }
    if (bad > SHOWN)
        refuse(s, DIAG_IMAGE_FORMAT, "%d words of .text are no instructions", bad);
    return bad == 0;
}

static bool read_mapped(const struct source *s, struct image *out, struct arena *a)
{
    Elf64_Ehdr h;
    struct image_bytes sec[SEC_NUM] = {{0}};
    if (!check_header(s, &h) || !find_sections(s, sec) || !check_sum(s, sec[SEC_SUM]))
        return false;
    out->text = sec[SEC_TEXT].data;
    out->text_bytes = sec[SEC_TEXT].size;
    out->rodata = sec[SEC_RODATA].data;
    out->rodata_bytes = sec[SEC_RODATA].size;
    out->lanes = sec[SEC_LANES].data;
    out->lanes_bytes = sec[SEC_LANES].size;
    bool ok = true;
    for (int i = 0; i < IMAGE_META_NUM; i++)
        ok &= image_meta_decode(METAS[i].meta, sec[METAS[i].section], s->path, out, a, s->diag);
    if (ok && h.e_flags != elf_flags(out->machine.ext))
        return refuse(s, DIAG_IMAGE_FORMAT,
                      "the header's extensions are not those of section .bitlet.machine");
    return ok && check_text(s, out) && check_image(out, s->path, DIAG_IMAGE_FORMAT, s->diag);
}

bool image_read(const char *path, struct image *out, struct arena *a, struct diag *d)
{
    *out = (struct image){0};
    struct io_map map;
    if (!io_map_file(&map, path, FILE_MAX, d))
        return false;
    struct source s = {.path = path, .map = &map, .diag = d};
    io_map_ahead(&map);
    if (!read_mapped(&s, out, a)) {
        io_unmap(&map);
        *out = (struct image){0};
        return false;
    }
    out->map = map;
    return true;
}

void image_close(struct image *img)
{
    io_unmap(&img->map);
    *img = (struct image){0};
}

void image_join_lanes(struct image *img, struct arena *a)
{
    if (img->lanes || img->lanes_bytes == 0)
        return;
    uint8_t *all = arena_alloc_aligned(a, img->lanes_bytes, IMAGE_LANES_ALIGN);
    for (size_t i = 0; i < img->num_lane_pieces; i++)
        memcpy(all + img->lane_pieces[i].offset, img->lane_pieces[i].data,
               img->lane_pieces[i].bytes);
    img->lanes = all;
}

size_t image_list_sections(const struct image *img, struct arena *a, struct image_section **out)
{
    Elf64_Ehdr h;
    Elf64_Shdr sh[SEC_NUM];
    memcpy(&h, img->map.data, sizeof h);
    memcpy(sh, img->map.data + h.e_shoff, sizeof sh);
    *out = ARENA_ARRAY(a, SEC_NUM, struct image_section);
    for (int i = 1; i < SEC_NUM; i++)
        (*out)[i - 1] = (struct image_section){
            .name = SPECS[i].name,
            .addr = sh[i].sh_addr,
            .offset = sh[i].sh_offset,
            .size = sh[i].sh_size,
            .align = sh[i].sh_addralign,
            .in_memory = (sh[i].sh_flags & SHF_ALLOC) != 0,
        };
    return SEC_NUM - 1;
}
