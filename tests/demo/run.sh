#!/usr/bin/env bash
# The demonstration: compiles the digit classifier at fp32 and int8, runs it on real digits, shows what came out.
#
#   run.sh [WORK_DIR]        bitletc and bitlet-isa-sim are taken from PATH
#
# Exit status 1 when more than one of the digits is taken for another.
set -eu -o pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=${1:-$(mktemp -d)}
precisions=(fp32 int8)

for p in "${precisions[@]}"; do
    mkdir -p "$work/$p"
    bitletc "$here/digits.onnx" -p "$p" --calibrate "$here/digits" -o "$work/$p/digits.blt"
    for set in "$here"/digits/test_data_set_*; do
        out="$work/$p/$(basename "$set")"
        mkdir -p "$out"
        bitlet-isa-sim "$work/$p/digits.blt" --inputs "$set/input_0.npy" --outputs "$out" --stats "$out/stats.json" --quiet
    done
done
python3 "$here/show_digits.py" "$here/digits" "$work" "${precisions[@]}"
echo
echo "Binaries, outputs and statistics are in $work; to look inside:"
echo "    bitlet-objdump -d -l $work/int8/digits.blt | less"
