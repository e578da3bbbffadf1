// RUN: bitlet-as %s -o %t.blt
// RUN: bitlet-isa-sim %t.blt -v --no-distill --seed 5
// One dot product of 64 ones with the input, every lane walking all 64: 64 + 13 cycles, and the weights' way into the PEs.
.machine "micro21"
.heap 0x1000
.input "x" f32[64] @0x30000000000
.output "y" f32[1] @0x30000000800
.layer "dense" "y" node 0 "fc" "Gemm"
.text
.loc 0
    tnew t0, x0, type=f32, rank=2, imm=0x10000000000
    tdim t0, dim=0, extent=1, stride=64
    tdim t0, dim=1, extent=64, stride=0
    wpack t0, x0, mode=fp32, lanes=24
    tnew t1, x0, type=f32, rank=1, imm=0x30000000000
    tdim t1, dim=0, extent=64, stride=1
    tnew t2, x0, type=f32, rank=1, imm=0x40000000000
    tdim t2, dim=0, extent=64, stride=1
    lda t2, t1
    bce t2, x0, x0, nk=1, mode=fp32, lanes=24, npe=1
    tnew t3, x0, type=f32, rank=2, imm=0x40000001000
    pack t3, t0, t0, x0, mode=fp32
    tnew t4, x0, type=f32, rank=2, imm=0x30000000800
    sta t4, t3
    halt
.rodata
    .f32 1
