// RUN: bitlet-objdump -d %s
// EXIT: 1
// This text is no binary.
