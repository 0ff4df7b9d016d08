// stop_gradient of f32: values
module @main {
func.func public @main(%arg0: tensor<2x3xf32>) -> (tensor<2x3xf32>) {
  return %arg0 : tensor<2x3xf32>
}
}
