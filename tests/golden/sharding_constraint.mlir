// sharding_constraint of f32: one device
module @main {
func.func public @main(%arg0: tensor<4x3xf32>) -> (tensor<4x3xf32>, tensor<4x3xf32>) {
  return %arg0, %arg0 : tensor<4x3xf32>, tensor<4x3xf32>
}
}
