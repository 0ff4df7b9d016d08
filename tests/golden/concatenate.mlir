// concatenate of f32: columns
module @main {
func.func public @main(%arg0: tensor<2x3xf32>, %arg1: tensor<2x0xf32>, %arg2: tensor<2x2xf32>) -> (tensor<2x5xf32>) {
  %0 = "stablehlo.concatenate"(%arg0, %arg2) {dimension = 1 : i64} : (tensor<2x3xf32>, tensor<2x2xf32>) -> tensor<2x5xf32>
  return %0 : tensor<2x5xf32>
}
}
