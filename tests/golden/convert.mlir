// convert of f32: bool
module @main {
func.func public @main(%arg0: tensor<3x4xf32>) -> (tensor<3x4xi1>) {
  %0 = "stablehlo.constant"() {value = dense<0.0> : tensor<3x4xf32>} : () -> tensor<3x4xf32>
  %1 = "stablehlo.compare"(%arg0, %0) {comparison_direction = #stablehlo<comparison_direction NE>} : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xi1>
  return %1 : tensor<3x4xi1>
}
}
