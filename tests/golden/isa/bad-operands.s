// RUN: bitlet-as %s -o %t.blt
// EXIT: 1
    add x1, x2
    add x1, t2, x3
    add x32, x2, x3
    add x1, x2, x3, x4
    bce t0, x0, x0, npe=1024
    bce t0, x0, x0, npe=-1
    bce t0, x0, x0, npe=4, npe=4
    bce t0, x0, x0, mode=fp64
    bce t0, x0, x0, acc=2
    bce t0, x0, x0, ack
    bce t0, x0, x0, 12
    vun t1, t2, fn=exq
    tnew t0, x0, type=f31
    pcfg min=0x1ffffffff
    halt x1
    beq x1, x2, .+140737488355328
    taxis t0, axis=0, origin=-140737488355329
    li x1, .+16
