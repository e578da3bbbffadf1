// RUN: bitlet-as %s -o %t.blt
// RUN: bitlet-objdump -d %t.blt | tail -n +2
// Nothing but comments is a program, too: the default machine, no instructions.
# this one as well
