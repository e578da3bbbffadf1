// RUN: bitlet-as %s -o %t.blt
// EXIT: 1
// Each line is one mistake; the next line is read as if nothing had been.
    frobnicate x1, x2
    add x1 x2, x3
    add x1, x2, x3,
    .frob 3
    .hex
    .hex 12g4
    li x1, imm=
    li x1, imm=99999999999999999999
    $
    .input "x" f32[1,2 @0x30000000000
    .input "never closed
    .layer "a"
    nop extra : x
label
