// RUN: bitlet-as %s -o %t.blt
// RUN: truncate -s 1000 %t.blt
// RUN: bitlet-objdump %t.blt
// EXIT: 1
.lanes
    .hex 01
