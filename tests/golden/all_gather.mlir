// all_gather of f32: new axis
module @main {
func.func public @main(%arg0: tensor<3x2x2xf32>) -> (tensor<3x2x3x2xf32>) {
  %0 = "stablehlo.transpose"(%arg0) {permutation = array<i64: 1, 0, 2>} : (tensor<3x2x2xf32>) -> tensor<2x3x2xf32>
  %1 = "stablehlo.broadcast_in_dim"(%0) {broadcast_dimensions = array<i64: 1, 2, 3>} : (tensor<2x3x2xf32>) -> tensor<3x2x3x2xf32>
  return %1 : tensor<3x2x3x2xf32>
}
}
