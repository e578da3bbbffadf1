// Assembler text. The grammar knows the shapes of statements; names of instructions, operands and types are looked up
// in their tables by the actions.
%require "3.6"
%define api.pure full
%define api.prefix {asm_yy}
%define api.token.prefix {ASM_TOK_}
%define parse.error detailed
%locations
%expect 0
%lex-param {void *scanner}
%parse-param {struct asm_ctx *ctx} {void *scanner}

%code requires {
#include "asm_build.h"
}

%union {
    struct asm_text text;
    struct asm_number number;
    enum dtype type;
}

%code {
#include "asm_lex.h"

static void asm_yyerror(const ASM_YYLTYPE *loc, struct asm_ctx *ctx, void *scanner, const char *message);

static struct asm_pos at(ASM_YYLTYPE loc)
{
    return (struct asm_pos){loc.first_line, loc.first_column};
}
}

%token END 0 "end of file"
%token NEWLINE "end of line"
%token <text> NAME "name"
%token <text> STRING "string"
%token <text> JSON "{...}"
%token <text> HEX ".hex"
%token <number> NUMBER "number"
%token <number> DISTANCE "branch distance"
%token <type> DATA "data directive"
%token MACHINE ".machine" HEAP ".heap" INPUT ".input" OUTPUT ".output" HOST ".host" LAYER ".layer" LOC ".loc"
%token PREDICT ".predict" TIME ".time"
%token TEXT ".text" RODATA ".rodata" LANES ".lanes" ZERO ".zero"
%type <text> type

%%

file: %empty
    | file line
    ;

line: labels NEWLINE
    | labels NAME operands NEWLINE { asm_add_insn(ctx, $2, at(@2)); }
    | labels directive NEWLINE
    | labels error NEWLINE { yyerrok; asm_drop_operands(ctx); }
    ;

labels: %empty
    | labels NAME ':' { asm_add_label(ctx, $2, at(@2)); }
    ;

operands: %empty
    | operand_list
    ;

operand_list: operand
    | operand_list ',' operand
    ;

operand: NAME { asm_add_operand(ctx, (struct asm_operand){.kind = ASM_BARE_NAME, .name = $1, .pos = at(@1)}); }
    | NUMBER { asm_add_operand(ctx, (struct asm_operand){.kind = ASM_BARE_NUMBER, .number = $1, .pos = at(@1)}); }
    | DISTANCE { asm_add_operand(ctx, (struct asm_operand){.kind = ASM_DISTANCE, .number = $1, .pos = at(@1)}); }
    | NAME '=' NAME
      { asm_add_operand(ctx, (struct asm_operand){.kind = ASM_NAMED_NAME, .name = $1, .value = $3, .pos = at(@1)}); }
    | NAME '=' NUMBER
      { asm_add_operand(ctx, (struct asm_operand){.kind = ASM_NAMED_NUMBER, .name = $1, .number = $3, .pos = at(@1)}); }
    ;

directive: MACHINE JSON { asm_set_machine(ctx, $2, at(@2)); }
    | MACHINE STRING { asm_set_preset(ctx, $2, at(@2)); }
    | HEAP NUMBER { asm_set_heap(ctx, $2, at(@2)); }
    | INPUT STRING type '@' NUMBER { asm_add_io(ctx, true, $2, $3, $5, at(@2)); }
    | OUTPUT STRING type '@' NUMBER { asm_add_io(ctx, false, $2, $3, $5, at(@2)); }
    | HOST STRING { asm_add_host(ctx, $2, at(@2)); }
    | LAYER STRING STRING { asm_add_layer(ctx, $2, $3, at(@1)); }
    | LAYER STRING STRING NAME NUMBER STRING STRING
      { asm_add_layer(ctx, $2, $3, at(@1)); asm_set_node(ctx, $4, $5, $6, $7, at(@4)); }
    | LOC NUMBER { asm_set_loc(ctx, $2, at(@1)); }
    | PREDICT STRING NUMBER { asm_set_prediction(ctx, $2, $3, at(@1)); }
    | TIME NUMBER NUMBER NUMBER NUMBER
      { asm_add_time(ctx, (struct asm_number[]){$2, $3, $4, $5}, at(@1)); }
    | TEXT { asm_set_section(ctx, ASM_TEXT); }
    | RODATA { asm_set_section(ctx, ASM_RODATA); }
    | LANES { asm_set_section(ctx, ASM_LANES); }
    | ZERO NUMBER { asm_add_zeros(ctx, $2, at(@2)); }
    | HEX { asm_add_hex(ctx, $1, at(@1)); }
    | DATA { ctx->data_type = $1; } values
    ;

type: NAME { ctx->rank = 0; } '[' dims ']' { $$ = $1; }
    ;

dims: %empty
    | dim_list
    ;

dim_list: dim
    | dim_list ',' dim
    ;

dim: NUMBER { asm_add_dim(ctx, $1, at(@1)); }
    | NUMBER '@' NUMBER { asm_add_dim(ctx, $1, at(@1)); asm_set_extent(ctx, $3, at(@3)); }
    ;

values: value
    | values ',' value
    ;

value: NUMBER { asm_add_number(ctx, $1, at(@1)); }
    | NAME { asm_add_named_number(ctx, $1, at(@1)); }
    ;

%%

static void asm_yyerror(const ASM_YYLTYPE *loc, struct asm_ctx *ctx, void *scanner, const char *message)
{
    (void)scanner;
    if (!ctx->scan_failed)
        asm_error(ctx, at(*loc), DIAG_ASM_SYNTAX, "%s", message);
}

bool asm_parse_source(struct asm_ctx *c)
{
    void *scanner;
    if (asm_yylex_init_extra(c, &scanner) != 0)
        bitlet_fatal("out of memory");
    bool ok = asm_yyparse(c, scanner) == 0;
    asm_yylex_destroy(scanner);
    return ok && c->errors == 0;
}
