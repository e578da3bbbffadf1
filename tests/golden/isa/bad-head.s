// RUN: bitlet-as %s -o %t.blt
// EXIT: 1
.machine {"pez": 1, "pes": 0}
.machine "micro21"
.machine "nothing"
.heap 16
.heap 16
.input "x" f32[4] @0x30000000001
.input "y" f33[4] @0x30000000000
.input "z" f32[1,2,3,4,5,6,7,8,9] @0x30000000000
.output "a\q" f32[] @0x30000000000
.output "b" f32[] @0x10000000000
.layer "conv" "y" edge 0 "n" "Conv"
.layer "conv" "y" node -2 "n" "Conv"
.loc 7
.loc 0
.loc 1
