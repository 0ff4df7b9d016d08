// optimization_barrier of f32: two
module @main {
func.func public @main(%arg0: tensor<2x3xf32>, %arg1: tensor<2xf64>) -> (tensor<2x3xf32>, tensor<2xf64>) {
  %0:2 = "stablehlo.optimization_barrier"(%arg0, %arg1) : (tensor<2x3xf32>, tensor<2xf64>) -> (tensor<2x3xf32>, tensor<2xf64>)
  return %0#0, %0#1 : tensor<2x3xf32>, tensor<2xf64>
}
}
