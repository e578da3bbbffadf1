// RUN: bitlet-as %d/no-such-file.s -o %t.blt
// EXIT: 1
