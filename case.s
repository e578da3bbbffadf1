.heap 64
 .output "y" f32[16] @0x30000000000
 halt
