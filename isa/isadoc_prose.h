// The chapters of ISA.md that no table holds, a line each, ended by NULL.
#ifndef BITLET_ISADOC_PROSE_H
#define BITLET_ISADOC_PROSE_H

extern const char *const ISADOC_HEAD[];
extern const char *const ISADOC_TAIL[];

#endif
