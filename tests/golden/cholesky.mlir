// cholesky of f32: one
module @main {
func.func public @main(%arg0: tensor<3x3xf32>) -> (tensor<3x3xf32>) {
  %0 = "stablehlo.transpose"(%arg0) {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
  %1 = "stablehlo.dot_general"(%arg0, %0) {dot_dimension_numbers = #stablehlo.dot<lhs_batching_dimensions = [], rhs_batching_dimensions = [], lhs_contracting_dimensions = [1], rhs_contracting_dimensions = [0]>, precision_config = [#stablehlo<precision HIGHEST>, #stablehlo<precision HIGHEST>]} : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %2 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3x3xi32>
  %3 = "stablehlo.iota"() {iota_dimension = 1 : i64} : () -> tensor<3x3xi32>
  %4 = "stablehlo.compare"(%2, %3) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi1>
  %5 = "stablehlo.convert"(%4) : (tensor<3x3xi1>) -> tensor<3x3xf32>
  %6 = "stablehlo.add"(%1, %5) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %7 = "stablehlo.cholesky"(%6) {lower = true} : (tensor<3x3xf32>) -> tensor<3x3xf32>
  %8 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3x3xi32>
  %9 = "stablehlo.constant"() {value = dense<0> : tensor<3x3xi32>} : () -> tensor<3x3xi32>
  %10 = "stablehlo.add"(%8, %9) : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi32>
  %11 = "stablehlo.iota"() {iota_dimension = 1 : i64} : () -> tensor<3x3xi32>
  %12 = "stablehlo.compare"(%10, %11) {comparison_direction = #stablehlo<comparison_direction GE>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi1>
  %13 = "stablehlo.constant"() {value = dense<0.0> : tensor<3x3xf32>} : () -> tensor<3x3xf32>
  %14 = "stablehlo.select"(%12, %7, %13) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  return %14 : tensor<3x3xf32>
}
}
