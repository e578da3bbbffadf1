// RUN: bitlet-isa-sim %s --datapath quick --rtol -1 --no-such
// EXIT: 2
// CHECK: error[usage]: --datapath takes rtl, vector, fast, not 'quick'
// CHECK-NEXT: error[usage]: --rtol takes a number that is not negative, not '-1'
// CHECK-NEXT: error[usage]: unknown option '--no-such'
