// RUN: bitlet-as %s -o %t.blt
// RUN: readelf -hSW %t.blt
// REQUIRES: readelf
// The binary is an ELF file that other tools read without complaint.
.machine "bitlet-x"
    halt
// CHECK: Class: ELF64
// CHECK: Flags: 0x40f
// CHECK: .text PROGBITS 0000000000000000 000040 000010 00 AX 0 0 16
// CHECK: .lanes PROGBITS 0000020000000000 001000 000000 00 A 0 0 4096
// CHECK-NOT: {{[Ww]arning|[Ee]rror}}
