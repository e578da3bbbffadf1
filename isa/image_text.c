// An image as assembler text. Everything of the binary is there, in one canonical form, so that the
// assembler gives the same bytes again. Data is printed in rows of 32 bytes; rows of zeros are
// counted instead.
#include "image.h"
#include "isa.h"

#include <inttypes.h>

enum { ROW_BYTES = 32, NO_LABEL = 0 };

static void print_string(FILE *f, const char *s)
{
    fputc('"', f);
    for (; s && *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            fprintf(f, "\\%c", c);
        else if (c == '\n')
            fputs("\\n", f);
        else if (c < 0x20 || c == 0x7f)
            fprintf(f, "\\x%02x", c);
        else
            fputc(c, f);
    }
    fputc('"', f);
}

const char *image_io_text(const struct image_io *io, struct arena *a)
{
    const char *s = arena_printf(a, "%s[", dtype_text(io->dtype));
    for (int i = 0; i < io->rank; i++) {
        s = arena_printf(a, "%s%s%" PRId64, s, i ? "," : "", io->dim[i]);
        if (io->extent[i])
            s = arena_printf(a, "%s@0x%" PRIx64, s, io->extent[i]);
    }
    return arena_printf(a, "%s]", s);
}

static void print_io(FILE *f, const char *directive, const struct image_io *io,
                     struct arena *scratch)
{
    fprintf(f, "%s ", directive);
    print_string(f, io->name);
    fprintf(f, " %s @0x%" PRIx64 "\n", image_io_text(io, scratch), io->addr);
}

static void print_layer(FILE *f, const struct image_layer *l)
{
    fputs(".layer ", f);
    print_string(f, l->ir_op);
    fputc(' ', f);
    print_string(f, l->ir_value);
    if (l->node_index >= 0 || (l->node_name && l->node_name[0]) || (l->op_type && l->op_type[0])) {
        fprintf(f, " node %" PRId32 " ", l->node_index);
        print_string(f, l->node_name);
        fputc(' ', f);
        print_string(f, l->op_type);
    }
    fputc('\n', f);
}

static void print_time(const struct image_prediction *p, FILE *f)
{
    if (p->num_layers == 0)
        return;
    fputs(".predict ", f);
    print_string(f, p->timing);
    fprintf(f, " %" PRId64 "\n", p->cycles);
    for (size_t i = 0; i < p->num_layers; i++) {
        const struct image_time *t = &p->layers[i];
        fprintf(f, ".time %" PRId64 " %" PRId64 " %" PRId64 " %" PRIu32 "\n", t->first, t->last,
                t->array, t->effects);
    }
}

static void print_head(const struct image *img, FILE *f, struct arena *scratch)
{
    fprintf(f, ".machine %s\n.heap %" PRIu64 "\n", machine_json(&img->machine, scratch),
            img->heap_bytes);
    for (size_t i = 0; i < img->num_inputs; i++)
        print_io(f, ".input", &img->inputs[i], scratch);
    for (size_t i = 0; i < img->num_outputs; i++)
        print_io(f, ".output", &img->outputs[i], scratch);
    for (size_t i = 0; i < img->num_host; i++) {
        fputs(".host ", f);
        print_string(f, img->host[i]);
        fputc('\n', f);
    }
    for (size_t i = 0; i < img->num_layers; i++)
        print_layer(f, &img->layers[i]);
    print_time(&img->time, f);
}

// ---- Instructions
// ----------------------------------------------------------------------------------

// Position in the format of the branch distance, or -1.
static int offset_field(enum isa_op op)
{
    const struct isa_format_info *fmt = &isa_format_info[isa_op_info[op].format];
    for (int i = 0; i < fmt->num_fields; i++)
        if (fmt->fields[i].kind == ISA_KIND_OFF)
            return i;
    return -1;
}

// The instruction a branch at `index` goes to; false when it is no branch or leaves .text.
static bool branch_target(const struct isa_insn *in, size_t index, size_t count, size_t *target)
{
    int field = offset_field(in->op);
    if (field < 0 || in->f[field] % ISA_WORD_BYTES != 0)
        return false;
    int64_t to = (int64_t)index + in->f[field] / ISA_WORD_BYTES;
    if (to < 0 || to >= (int64_t)count)
        return false;
    *target = (size_t)to;
    return true;
}

// For every instruction its label's number, 1 for the first; NO_LABEL where no branch goes to.
// NULL: a word is no instruction.
static uint32_t *find_labels(const struct image *img, size_t count, struct arena *scratch,
                             struct diag *d)
{
    uint32_t *labels = ARENA_ARRAY(scratch, count, uint32_t);
    for (size_t i = 0; i < count; i++) {
        struct isa_insn in;
        size_t to;
        if (!isa_decode(img->text + i * ISA_WORD_BYTES, &in)) {
            diag_report(d, LOC_NONE, DIAG_IMAGE_FORMAT, "pc 0x%zx: no instruction",
                        i * ISA_WORD_BYTES);
            return NULL;
        }
        if (branch_target(&in, i, count, &to))
            labels[to] = 1;
    }
    uint32_t next = 1;
    for (size_t i = 0; i < count; i++)
        if (labels[i])
            labels[i] = next++;
    return labels;
}

static void print_insn(const struct image *img, const uint32_t *labels, size_t i, size_t count,
                       bool addresses, FILE *f)
{
    const uint8_t *word = img->text + i * ISA_WORD_BYTES;
    struct isa_insn in;
    if (!isa_decode(word, &in))
        bitlet_bug("a word that was decoded before is no instruction");
    char text[ISA_TEXT_MAX], label[16];
    size_t to;
    bool named = branch_target(&in, i, count, &to);
    if (named)
        snprintf(label, sizeof label, "L%" PRIu32, labels[to]);
    isa_print(&in, named ? label : NULL, text, sizeof text);
    if (addresses)
        fprintf(f, "    %-60s # %06zx: %016" PRIx64 "'%016" PRIx64 "\n", text, i * ISA_WORD_BYTES,
                io_get64(word + 8), io_get64(word));
    else
        fprintf(f, "    %s\n", text);
}

static bool print_text(const struct image *img, const struct image_print *how, FILE *f,
                       struct arena *scratch, struct diag *d)
{
    size_t count = img->text_bytes / ISA_WORD_BYTES, loc = 0;
    const uint32_t *labels = find_labels(img, count, scratch, d);
    if (!labels)
        return false;
    fputs(".text\n", f);
    for (size_t i = 0; i < count; i++) {
        for (; loc < img->num_locs && img->locs[loc].pc == i * ISA_WORD_BYTES; loc++) {
            if (how->layers)
                fprintf(f, "# %s\n", image_layer_text(img, img->locs[loc].layer, scratch));
            fprintf(f, ".loc %" PRIu32 "\n", img->locs[loc].layer);
        }
        if (labels[i] != NO_LABEL)
            fprintf(f, "L%" PRIu32 ":\n", labels[i]);
        print_insn(img, labels, i, count, how->addresses, f);
    }
    return true;
}

// ---- Data
// ------------------------------------------------------------------------------------------

static bool is_zero(const uint8_t *p, size_t len)
{
    return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

static void print_row(const uint8_t *p, size_t len, FILE *f)
{
    static const char DIGITS[] = "0123456789abcdef";
    char row[8 + 2 * ROW_BYTES] = ".hex ";
    size_t n = 5;
    for (size_t i = 0; i < len; i++) {
        row[n++] = DIGITS[p[i] >> 4];
        row[n++] = DIGITS[p[i] & 15];
    }
    row[n++] = '\n';
    fwrite(row, 1, n, f);
}

static void print_zeros(size_t *count, FILE *f)
{
    if (*count)
        fprintf(f, ".zero %zu\n", *count);
    *count = 0;
}

static void print_data(const char *directive, const uint8_t *data, size_t size, FILE *f)
{
    if (size == 0)
        return;
    fprintf(f, "%s\n", directive);
    size_t zeros = 0;
    for (size_t at = 0; at < size; at += ROW_BYTES) {
        size_t len = size - at < ROW_BYTES ? size - at : ROW_BYTES;
        if (is_zero(data + at, len)) {
            zeros += len;
            continue;
        }
        print_zeros(&zeros, f);
        print_row(data + at, len, f);
    }
    print_zeros(&zeros, f);
}

bool image_print_listing(const struct image *img, const struct image_print *how, FILE *f,
                         struct diag *d)
{
    struct arena *scratch = arena_create();
    print_head(img, f, scratch);
    bool ok = print_text(img, how, f, scratch, d);
    if (ok && !how->no_data) {
        print_data(".rodata", img->rodata, img->rodata_bytes, f);
        print_data(".lanes", img->lanes, img->lanes_bytes, f);
    }
    arena_destroy(scratch);
    return ok;
}

bool image_print_asm(const struct image *img, FILE *f, struct diag *d)
{
    return image_print_listing(img, &(struct image_print){0}, f, d);
}
