// cumlogsumexp of f32: last
module @main {
func.func public @main(%arg0: tensor<2x7xf32>) -> (tensor<2x7xf32>) {
  %0 = "stablehlo.constant"() {value = dense<0xFF800000> : tensor<f32>} : () -> tensor<f32>
  %13 = "stablehlo.reduce_window"(%arg0, %0) ({
  ^bb0(%a1: tensor<f32>, %a2: tensor<f32>):
    %3 = "stablehlo.maximum"(%a1, %a2) : (tensor<f32>, tensor<f32>) -> tensor<f32>
    %4 = "stablehlo.subtract"(%a1, %a2) : (tensor<f32>, tensor<f32>) -> tensor<f32>
    %5 = "stablehlo.abs"(%4) : (tensor<f32>) -> tensor<f32>
    %6 = "stablehlo.negate"(%5) : (tensor<f32>) -> tensor<f32>
    %7 = "stablehlo.exponential"(%6) : (tensor<f32>) -> tensor<f32>
    %8 = "stablehlo.log_plus_one"(%7) : (tensor<f32>) -> tensor<f32>
    %9 = "stablehlo.add"(%3, %8) : (tensor<f32>, tensor<f32>) -> tensor<f32>
    %10 = "stablehlo.add"(%a1, %a2) : (tensor<f32>, tensor<f32>) -> tensor<f32>
    %11 = "stablehlo.compare"(%4, %4) {comparison_direction = #stablehlo<comparison_direction NE>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %12 = "stablehlo.select"(%11, %10, %9) : (tensor<i1>, tensor<f32>, tensor<f32>) -> tensor<f32>
    stablehlo.return %12 : tensor<f32>
  }) {window_dimensions = array<i64: 1, 7>, window_strides = array<i64: 1, 1>, base_dilations = array<i64: 1, 1>, window_dilations = array<i64: 1, 1>, padding = dense<[[0, 0], [6, 0]]> : tensor<2x2xi64>} : (tensor<2x7xf32>, tensor<f32>) -> tensor<2x7xf32>
  return %13 : tensor<2x7xf32>
}
}
