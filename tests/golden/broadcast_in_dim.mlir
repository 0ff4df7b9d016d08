// broadcast_in_dim of f32: new axes
module @main {
func.func public @main(%arg0: tensor<3xf32>) -> (tensor<2x3x4xf32>) {
  %0 = "stablehlo.broadcast_in_dim"(%arg0) {broadcast_dimensions = array<i64: 1>} : (tensor<3xf32>) -> tensor<2x3x4xf32>
  return %0 : tensor<2x3x4xf32>
}
}
