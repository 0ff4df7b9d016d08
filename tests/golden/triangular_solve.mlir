// triangular_solve of f32: lower
module @main {
func.func public @main(%arg0: tensor<1x3x3xf32>, %arg1: tensor<1x3x2xf32>) -> (tensor<1x3x2xf32>) {
  %0 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3x3xi32>
  %1 = "stablehlo.iota"() {iota_dimension = 1 : i64} : () -> tensor<3x3xi32>
  %2 = "stablehlo.compare"(%0, %1) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi1>
  %3 = "stablehlo.convert"(%2) : (tensor<3x3xi1>) -> tensor<3x3xf32>
  %4 = "stablehlo.constant"() {value = dense<3.0> : tensor<3x3xf32>} : () -> tensor<3x3xf32>
  %5 = "stablehlo.multiply"(%3, %4) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %6 = "stablehlo.broadcast_in_dim"(%5) {broadcast_dimensions = array<i64: 1, 2>} : (tensor<3x3xf32>) -> tensor<1x3x3xf32>
  %7 = "stablehlo.add"(%arg0, %6) : (tensor<1x3x3xf32>, tensor<1x3x3xf32>) -> tensor<1x3x3xf32>
  %8 = "stablehlo.triangular_solve"(%7, %arg1) {left_side = true, lower = true, transpose_a = #stablehlo<transpose NO_TRANSPOSE>, unit_diagonal = false} : (tensor<1x3x3xf32>, tensor<1x3x2xf32>) -> tensor<1x3x2xf32>
  return %8 : tensor<1x3x2xf32>
}
}
