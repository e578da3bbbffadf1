// RUN: bitlet-as --help > %t.help
// RUN: sed -n '/^  .machine/,/^$/p' %t.help > %t.s
// RUN: bitlet-as %t.s -o %t.blt
// RUN: bitlet-objdump -d --no-data %t.blt | tail -n +2
// The program in the help text assembles.
