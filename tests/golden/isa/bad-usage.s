// RUN: bitlet-as
// EXIT: 2
