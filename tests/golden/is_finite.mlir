// is_finite of f32: values
module @main {
func.func public @main(%arg0: tensor<3x4xf32>) -> (tensor<3x4xi1>) {
  %0 = "stablehlo.is_finite"(%arg0) : (tensor<3x4xf32>) -> tensor<3x4xi1>
  return %0 : tensor<3x4xi1>
}
}
