// remat of f32: save nothing
module @main {
func.func public @main(%arg0: tensor<2x3xf32>, %arg1: tensor<3x2xf32>) -> (tensor<2x2xf32>, tensor<2xf32>) {
  %0 = "stablehlo.dot_general"(%arg0, %arg1) {dot_dimension_numbers = #stablehlo.dot<lhs_batching_dimensions = [], rhs_batching_dimensions = [], lhs_contracting_dimensions = [1], rhs_contracting_dimensions = [0]>, precision_config = [#stablehlo<precision DEFAULT>, #stablehlo<precision DEFAULT>]} : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<2x2xf32>
  %1 = "stablehlo.sine"(%0) : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %2 = "stablehlo.exponential"(%1) : (tensor<2x2xf32>) -> tensor<2x2xf32>
  %3 = "stablehlo.multiply"(%2, %0) : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %4 = "stablehlo.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %8 = "stablehlo.reduce"(%0, %4) ({
  ^bb0(%a5: tensor<f32>, %a6: tensor<f32>):
    %7 = "stablehlo.add"(%a5, %a6) : (tensor<f32>, tensor<f32>) -> tensor<f32>
    stablehlo.return %7 : tensor<f32>
  }) {dimensions = array<i64: 0>} : (tensor<2x2xf32>, tensor<f32>) -> tensor<2xf32>
  return %3, %8 : tensor<2x2xf32>, tensor<2xf32>
}
}
