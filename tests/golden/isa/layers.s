// RUN: bitlet-as %s -o %t.blt
// RUN: bitlet-objdump -h -t -l -a --no-data %t.blt | grep -Ev '"pes"|\.bitlet|shstrtab'
// RUN: bitlet-objdump -h -t -l -a %t.blt | bitlet-as - -o %t2.blt
// RUN: cmp %t.blt %t2.blt
// Headers and symbols are comments beside a listing, so that it still assembles to equal bytes.
.machine "bitlet-x"
.heap 4096
.input "image" f32[1,1,8,8] @0x30000000000
.output "digit" i64[1] @0x30000000400
.host "example.kernel"
.layer "conv" "c1" node 0 "conv1" "Conv"
.layer "vun" "r" node 1 "" "Relu"
.layer "pad" "p"
.text
    nop
.loc 0
loop:
    add x1, x1, x0, imm=1
    slt x2, x1, x0, imm=10
    bne x2, x0, loop
.loc 2
    nop
.loc 0
    fence units=16
.loc 1
    halt
.rodata
    .f32 1, 2, 3
.lanes
    .zero 4096
    .hex ff
