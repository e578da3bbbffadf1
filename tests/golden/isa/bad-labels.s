// RUN: bitlet-as %s -o %t.blt
// EXIT: 1
again:
    nop
again:
    beq x0, x0, nowhere
x5: nop
.rodata
in_data:
    .f32 1
