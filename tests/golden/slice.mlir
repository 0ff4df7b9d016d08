// slice of f32: inside
module @main {
func.func public @main(%arg0: tensor<4x5xf32>) -> (tensor<2x3xf32>) {
  %0 = "stablehlo.slice"(%arg0) {start_indices = array<i64: 1, 2>, limit_indices = array<i64: 3, 5>, strides = array<i64: 1, 1>} : (tensor<4x5xf32>) -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}
}
