// RUN: bitlet-as %s -o %t.blt
// RUN: bitlet-isa-sim %t.blt --seed 1 --log-commits -v
// A tensor through the activation buffer and back; the log has a line an instruction.
.machine "micro21"
.heap 0x2000
.input "x" f32[4,8] @0x30000000000
.output "y" f32[4,8] @0x30000001000
.layer "move" "y" node 0 "n0" "Identity"
.text
.loc 0
    tnew t0, x0, type=f32, rank=1, imm=0x30000000000
    tdim t0, dim=0, extent=32, stride=1
    tnew t1, x0, type=f32, rank=1, imm=0x40000000000
    tdim t1, dim=0, extent=32, stride=1
    tnew t2, x0, type=f32, rank=1, imm=0x30000001000
    tdim t2, dim=0, extent=32, stride=1
    lda t1, t0
    sta t2, t1
    halt
