// shard_map of f32: all axes
module @main {
func.func public @main(%arg0: tensor<4x3xf32>, %arg1: tensor<3x2xf32>, %arg2: tensor<2xf32>) -> (tensor<4x2xf32>, tensor<2xf32>, tensor<4x2xf32>) {
  %0 = "stablehlo.dot_general"(%arg0, %arg1) {dot_dimension_numbers = #stablehlo.dot<lhs_batching_dimensions = [], rhs_batching_dimensions = [], lhs_contracting_dimensions = [1], rhs_contracting_dimensions = [0]>, precision_config = [#stablehlo<precision DEFAULT>, #stablehlo<precision DEFAULT>]} : (tensor<4x3xf32>, tensor<3x2xf32>) -> tensor<4x2xf32>
  %1 = "stablehlo.broadcast_in_dim"(%arg2) {broadcast_dimensions = array<i64: 1>} : (tensor<2xf32>) -> tensor<4x2xf32>
  %2 = "stablehlo.add"(%0, %1) : (tensor<4x2xf32>, tensor<4x2xf32>) -> tensor<4x2xf32>
  %3 = "stablehlo.sine"(%2) : (tensor<4x2xf32>) -> tensor<4x2xf32>
  %4 = "stablehlo.constant"() {value = dense<1.0> : tensor<4x2xf32>} : () -> tensor<4x2xf32>
  %5 = "stablehlo.divide"(%3, %4) : (tensor<4x2xf32>, tensor<4x2xf32>) -> tensor<4x2xf32>
  %6 = "stablehlo.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %10 = "stablehlo.reduce"(%5, %6) ({
  ^bb0(%a7: tensor<f32>, %a8: tensor<f32>):
    %9 = "stablehlo.add"(%a7, %a8) : (tensor<f32>, tensor<f32>) -> tensor<f32>
    stablehlo.return %9 : tensor<f32>
  }) {dimensions = array<i64: 0>} : (tensor<4x2xf32>, tensor<f32>) -> tensor<2xf32>
  %11 = "stablehlo.reshape"(%3) : (tensor<4x2xf32>) -> tensor<4x2xf32>
  return %3, %10, %11 : tensor<4x2xf32>, tensor<2xf32>, tensor<4x2xf32>
}
}
