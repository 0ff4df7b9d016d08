// reshape of f32: split
module @main {
func.func public @main(%arg0: tensor<6x2xf32>) -> (tensor<2x3x2xf32>) {
  %0 = "stablehlo.reshape"(%arg0) : (tensor<6x2xf32>) -> tensor<2x3x2xf32>
  return %0 : tensor<2x3x2xf32>
}
}
