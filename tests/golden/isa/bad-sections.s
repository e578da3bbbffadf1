// RUN: bitlet-as %s -o %t.blt
// EXIT: 1
    .f32 1
    .zero 4
    .hex 00
.rodata
    halt
    .hex 123
    .i8 128, -129, 0x100, 1.5
    .u8 -1
    .f16 1.0
    .f32 maybe
    .zero 99999999999
