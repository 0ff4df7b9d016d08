// pad of f32: around
module @main {
func.func public @main(%arg0: tensor<2x3xf32>, %arg1: tensor<f32>) -> (tensor<5x4xf32>) {
  %0 = "stablehlo.pad"(%arg0, %arg1) {edge_padding_low = array<i64: 1, 0>, edge_padding_high = array<i64: 2, 1>, interior_padding = array<i64: 0, 0>} : (tensor<2x3xf32>, tensor<f32>) -> tensor<5x4xf32>
  return %0 : tensor<5x4xf32>
}
}
