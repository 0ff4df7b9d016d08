// psum_scatter of f32: one
module @main {
func.func public @main(%arg0: tensor<3x2x3xf32>) -> (tensor<3x2xf32>) {
  %0 = "stablehlo.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %4 = "stablehlo.reduce"(%arg0, %0) ({
  ^bb0(%a1: tensor<f32>, %a2: tensor<f32>):
    %3 = "stablehlo.add"(%a1, %a2) : (tensor<f32>, tensor<f32>) -> tensor<f32>
    stablehlo.return %3 : tensor<f32>
  }) {dimensions = array<i64: 0>} : (tensor<3x2x3xf32>, tensor<f32>) -> tensor<2x3xf32>
  %5 = "stablehlo.transpose"(%4) {permutation = array<i64: 1, 0>} : (tensor<2x3xf32>) -> tensor<3x2xf32>
  return %5 : tensor<3x2xf32>
}
}
