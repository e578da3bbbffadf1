// RUN: bitlet-objdump --frobnicate x.blt
// EXIT: 2
