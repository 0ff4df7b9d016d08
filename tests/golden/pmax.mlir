// pmax of f32: one
module @main {
func.func public @main(%arg0: tensor<3x2xf32>) -> (tensor<3x2xf32>) {
  %0 = "stablehlo.constant"() {value = dense<0xFF800000> : tensor<f32>} : () -> tensor<f32>
  %4 = "stablehlo.reduce"(%arg0, %0) ({
  ^bb0(%a1: tensor<f32>, %a2: tensor<f32>):
    %3 = "stablehlo.maximum"(%a1, %a2) : (tensor<f32>, tensor<f32>) -> tensor<f32>
    stablehlo.return %3 : tensor<f32>
  }) {dimensions = array<i64: 0>} : (tensor<3x2xf32>, tensor<f32>) -> tensor<2xf32>
  %5 = "stablehlo.broadcast_in_dim"(%4) {broadcast_dimensions = array<i64: 1>} : (tensor<2xf32>) -> tensor<3x2xf32>
  return %5 : tensor<3x2xf32>
}
}
