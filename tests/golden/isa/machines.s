// RUN: for m in micro21 micro21-fpga bitlet-x; do bitlet-as -m $m; done
