// RUN: bitlet-as %s -o %t.blt
// RUN: printf '\002' | dd of=%t.blt bs=1 seek=72 conv=notrunc status=none
// RUN: bitlet-objdump -d %t.blt
// EXIT: 1
// A byte of an instruction is changed behind the assembler's back.
    li x1, imm=1
    halt
