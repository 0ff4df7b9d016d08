// reduce_max of f32: middle
module @main {
func.func public @main(%arg0: tensor<2x3x4xf32>) -> (tensor<2x4xf32>) {
  %0 = "stablehlo.constant"() {value = dense<0xFF800000> : tensor<f32>} : () -> tensor<f32>
  %4 = "stablehlo.reduce"(%arg0, %0) ({
  ^bb0(%a1: tensor<f32>, %a2: tensor<f32>):
    %3 = "stablehlo.maximum"(%a1, %a2) : (tensor<f32>, tensor<f32>) -> tensor<f32>
    stablehlo.return %3 : tensor<f32>
  }) {dimensions = array<i64: 1>} : (tensor<2x3x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  return %4 : tensor<2x4xf32>
}
}
