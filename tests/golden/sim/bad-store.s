// RUN: bitlet-as %s -o %t.blt
// RUN: bitlet-isa-sim %t.blt
// EXIT: 1
// A fault names pc, instruction, address, layer and ONNX node.
// CHECK: error[sim-fault]: fault store at pc 0x10 (st x0, x1, type=i8), address 0x10000000000: a write of 1 bytes into read-only memory
// CHECK-NEXT: note: layer 'y' (conv), of ONNX node 3 'block/conv1' (Conv)
.machine "micro21"
.layer "conv" "y" node 3 "block/conv1" "Conv"
.rodata
    .i8 1
.text
.loc 0
    li x1, imm=0x10000000000
    st x0, x1, type=i8
    halt
