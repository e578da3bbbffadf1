// RUN: bitlet-as %s -o %t.blt
// RUN: bitlet-objdump -d %t.blt | tail -n +2
// Every operand form, and a loop; the listing is the canonical text.
.machine "micro21"
.heap 0x2000
.input "x" f32[1,3,8,8] @0x30000000000
.input "a \"b\"\x09c" i8[] @0x30000001000
.output "y" f32[4] @0x30000001040
.output "z" f32[2@0x30000001080,3] @0x300000010c0
.host "image.decode"
.layer "conv" "y" node 0 "conv1" "Conv"
.layer "vmov" "z"
.predict "micro21" 1200
.time 3 0x300 700 5
.time 0 0 0 0
.time 768 1200 0 2
.text
    li x1, imm=3        # a counter
.loc 0
again:  add x1, x1, x0, imm=-1
    ld x2, x1, type=i8, imm=0x7fffffffffffffff
    tnew t0, x0, type=f32, rank=4, imm=0x30000000000
    tdim t0, dim=3, extent=8, stride=-1
    tfill t0, bits=0xffffffffffffffff
    trap x1, len=3, imm=0x10000000000
    pcfg bits=8, quant, clamp, min=-inf, max=6, q=0.1
    pcfg min=0x7fc00001, max=nan, q=-0.0
    bce t0, x0, x3, nk=3, mode=fp32, lanes=24, npe=32, acc, wbuf=4294967295
    bce t0, xp=x3, xw=x2
    pack t1, t2, t3, x0, mode=fixed, scale, bias, psum=7
    vbin t1, t2, t3, fn=add
    vred t1, t2, fn=max, skip
    vcvt t1, t2, round=rne, sat
    bne x1, x0, again
    beq x0, x0, .+0
.loc 1
    jal x1, .-1
    jal x0, end
    hcall kernel=0, nt=2
end: halt
.rodata
    .f32 1, -0.5, inf, 0x7fc00000
    .f64 0.1
    .i8 -128, 127, 0xff
    .bool 1, 0
    .u64 18446744073709551615
    .zero 100
    .i64 -1
.lanes
    .hex 00112233445566778899aabbccddeeff
    .hex FF
