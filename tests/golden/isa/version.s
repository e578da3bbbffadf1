// RUN: bitlet-as --version
// RUN: bitlet-objdump --version
// CHECK: bitlet-as (Bitlet) {{[0-9]+}}.{{[0-9]+}}.{{[0-9]+}}
// CHECK-NEXT: bitlet-objdump (Bitlet)
