// RUN: bitlet-as %s -o %t.blt
// RUN: bitlet-isa-sim %t.blt --max-cycles 500
// EXIT: 1
// CHECK: error[sim-limit]: the bound on cycles is passed at pc 0x0 (beq x0, x0, .+0)
.machine "micro21"
.text
again: beq x0, x0, again
