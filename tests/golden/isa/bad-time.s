// RUN: bitlet-as %s -o %t.blt
// EXIT: 1
// What is predicted must be possible, and there for every layer.
.layer "conv" "y"
.time 0 1 0 0
.predict "micro21" 100
.predict "micro21" 100
.time 0 50 1.5 0
.time 0 50 10 4294967296
    halt
