// RUN: bitlet-as %s -o %t.blt
// RUN: bitlet-objdump %t.blt
// Without options: headers and symbols.
.heap 64
.output "y" bool[] @0x3000000003f
    halt
// CHECK: sections:
// CHECK-NEXT: name bytes offset align address
// CHECK-NEXT: .text 16 64 16 0x0
// CHECK-NEXT: .rodata 0 128 64 0x10000000000
// CHECK-NEXT: .lanes 0 4096 4096 0x20000000000
// CHECK: .bitlet.machine
// CHECK: .bitlet.time 4
// CHECK: .bitlet.sum 4
// CHECK: machine micro21, extensions none, format version 4
// CHECK: heap 64 bytes at 0x30000000000, 1 instructions
// CHECK-NEXT: output 0 y bool[]
// CHECK-NEXT: symbols:
// CHECK-NEXT: 000003000000003f 1 output y
