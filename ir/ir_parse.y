// The grammar of IR text (LANG.md). Op and attribute names are words that ir_reader.c looks up in the tables, so that the
// grammar does not change when ops do. All lists are left-recursive: the stack stays small whatever the text.
%code requires {
#include "ir_reader.h"
}
%code provides {
// The lexer's header knows these types by their plain names.
#define YYSTYPE IR_YYSTYPE
#define YYLTYPE IR_YYLTYPE
}
%code {
#include "ir_lex.h"
#define YYLLOC_DEFAULT(Current, Rhs, N) ((Current) = YYRHSLOC((Rhs), (N) ? 1 : 0))
static void ir_yyerror(const struct reader_pos *at, void *scanner, struct ir_reader *r, const char *text);
}

%define api.prefix {ir_yy}
%define api.pure full
%define api.location.type {struct reader_pos}
%define parse.error verbose
%locations
%expect 0
%parse-param {void *scanner} {struct ir_reader *r}
%lex-param {void *scanner}
%initial-action { @$ = r->at; }

%union {
    struct reader_text text;
    struct reader_num num;
    size_t index;
}

%token <text> MODULE "module" GRAPH "graph" RETURN "return" LOC "loc" AS "as"
%token <text> WORD "word" VALUE "%value" SYMBOL "@name" STR "string"
%token <num> NUM "number" ADDR "@address"
%token LE "<="
%token NL "end of line" BAD "invalid token"
%type <index> mark
%type <text> op_type

%%

text: lines header graph lines
    ;
lines: %empty
    | lines NL
    ;

header: %empty
    | MODULE '{' attrs '}' NL lines { reader_header(r); }
    | MODULE error NL lines { reader_drop(r); }
    ;

graph: graph_head NL statements return '}'
    ;
graph_head: GRAPH SYMBOL '(' inputs ')' '{' { reader_graph(r, $2); }
    ;
inputs: %empty
    | input_list
    ;
input_list: input
    | input_list ',' input
    ;
input: VALUE ':' type { reader_add_result(r, $1); }
    ;

statements: %empty
    | statements statement
    ;
statement: NL
    | results '=' WORD call rest NL { reader_op(r, $3); }
    | WORD call rest NL { reader_op(r, $1); }
    | error NL { reader_drop(r); }
    ;
results: VALUE { reader_add_result(r, $1); }
    | results ',' VALUE { reader_add_result(r, $3); }
    ;
call: %empty
    | '(' ')'
    | '(' operands ')'
    ;
operands: operand
    | operands ',' operand
    ;
operand: VALUE { reader_add_operand(r, $1); }
    | '_' { reader_add_operand(r, (struct reader_text){.pos = @1}); }
    ;
rest: attrs_opt types_opt data_opt loc_opt
    ;

attrs_opt: %empty
    | '{' attrs '}'
    ;
attrs: %empty
    | attr_list
    ;
attr_list: attr
    | attr_list ',' attr
    ;
attr: WORD '=' mark item { reader_add_attr(r, $1, $3, false); }
    | WORD '=' mark '[' items ']' { reader_add_attr(r, $1, $3, true); }
    ;
mark: %empty { $$ = r->num_items; }
    ;
items: %empty
    | item_list
    ;
item_list: item
    | item_list ',' item
    ;
item: NUM { reader_add_item(r, READER_NUM, &$1, NULL); }
    | WORD { reader_add_item(r, READER_WORD, NULL, &$1); }
    | STR { reader_add_item(r, READER_STR, NULL, &$1); }
    | VALUE LE NUM { reader_add_item(r, READER_EXTENT, &$3, &$1); }
    ;

types_opt: %empty
    | ':' types
    ;
types: type
    | types ',' type
    ;
type: plain_type
    | plain_type ADDR { reader_set_addr(r, $2.magnitude); }
    ;
plain_type: WORD mark '[' items ']' { reader_add_type(r, &$1, $2); }
    | '?' { reader_add_type(r, NULL, 0); }
    ;

data_opt: %empty
    | '=' WORD { reader_set_data(r, READER_DATA_WORD, $2, r->num_items); }
    | '=' WORD mark '(' items ')' { reader_set_data(r, READER_DATA_CALL, $2, $3); }
    | '=' WORD mark '[' items ']' { reader_set_data(r, READER_DATA_LIST, $2, $3); }
    ;

loc_opt: %empty
    | LOC '(' loc_parts ')'
    ;
loc_parts: loc_part
    | loc_parts ',' loc_part
    ;
loc_part: NUM STR op_type NUM { reader_add_loc(r, $1, $2, $3, $4, NULL); }
    | NUM STR op_type NUM STR { reader_add_loc(r, $1, $2, $3, $4, $5.s); }
    ;
op_type: WORD
    | STR
    ;

return: RETURN NL lines { reader_return(r, @1); }
    | RETURN outputs NL lines { reader_return(r, @1); }
    ;
outputs: output
    | outputs ',' output
    ;
output: VALUE AS STR
    {
        reader_add_operand(r, $1);
        reader_add_item(r, READER_STR, NULL, &$3);
    }
    | VALUE
    {
        reader_add_operand(r, $1);
        reader_add_item(r, READER_STR, NULL, &$1);
    }
    ;

%%

static void ir_yyerror(const struct reader_pos *at, void *scanner, struct ir_reader *r, const char *text)
{
    static const char prefix[] = "syntax error, ";
    (void)scanner;
    if (r->bad_token) { // the lexer has said why
        r->bad_token = false;
        return;
    }
    reader_error(r, *at, DIAG_IR_SYNTAX, "%s",
                 strncmp(text, prefix, sizeof prefix - 1) == 0 ? text + sizeof prefix - 1 : text);
}
