// RUN: bitlet-as %s -o %t.blt
// EXIT: 1
.machine {"dram_bytes": 1048576}
.heap 1048577
    halt
