// RUN: bitlet-as %s -o %t.blt
// EXIT: 1
.layer "conv" "y"
.predict "micro21" 100
.time 0 50 10 0
    halt
