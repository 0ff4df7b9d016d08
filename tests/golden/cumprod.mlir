// cumprod of f32: last
module @main {
func.func public @main(%arg0: tensor<2x7xf32>) -> (tensor<2x7xf32>) {
  %0 = "stablehlo.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %4 = "stablehlo.reduce_window"(%arg0, %0) ({
  ^bb0(%a1: tensor<f32>, %a2: tensor<f32>):
    %3 = "stablehlo.multiply"(%a1, %a2) : (tensor<f32>, tensor<f32>) -> tensor<f32>
    stablehlo.return %3 : tensor<f32>
  }) {window_dimensions = array<i64: 1, 7>, window_strides = array<i64: 1, 1>, base_dilations = array<i64: 1, 1>, window_dilations = array<i64: 1, 1>, padding = dense<[[0, 0], [6, 0]]> : tensor<2x2xi64>} : (tensor<2x7xf32>, tensor<f32>) -> tensor<2x7xf32>
  return %4 : tensor<2x7xf32>
}
}
