// dynamic_slice of f32: inside
module @main {
func.func public @main(%arg0: tensor<4x5xf32>, %arg1: tensor<i32>, %arg2: tensor<i32>) -> (tensor<2x3xf32>) {
  %0 = "stablehlo.constant"() {value = dense<0> : tensor<i32>} : () -> tensor<i32>
  %1 = "stablehlo.compare"(%arg1, %0) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<i32>, tensor<i32>) -> tensor<i1>
  %2 = "stablehlo.constant"() {value = dense<4> : tensor<i32>} : () -> tensor<i32>
  %3 = "stablehlo.add"(%arg1, %2) : (tensor<i32>, tensor<i32>) -> tensor<i32>
  %4 = "stablehlo.select"(%1, %3, %arg1) : (tensor<i1>, tensor<i32>, tensor<i32>) -> tensor<i32>
  %5 = "stablehlo.compare"(%arg2, %0) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<i32>, tensor<i32>) -> tensor<i1>
  %6 = "stablehlo.constant"() {value = dense<5> : tensor<i32>} : () -> tensor<i32>
  %7 = "stablehlo.add"(%arg2, %6) : (tensor<i32>, tensor<i32>) -> tensor<i32>
  %8 = "stablehlo.select"(%5, %7, %arg2) : (tensor<i1>, tensor<i32>, tensor<i32>) -> tensor<i32>
  %9 = "stablehlo.constant"() {value = dense<2> : tensor<i32>} : () -> tensor<i32>
  %10 = "stablehlo.clamp"(%0, %4, %9) : (tensor<i32>, tensor<i32>, tensor<i32>) -> tensor<i32>
  %11 = "stablehlo.clamp"(%0, %8, %9) : (tensor<i32>, tensor<i32>, tensor<i32>) -> tensor<i32>
  %12 = "stablehlo.dynamic_slice"(%arg0, %10, %11) {slice_sizes = array<i64: 2, 3>} : (tensor<4x5xf32>, tensor<i32>, tensor<i32>) -> tensor<2x3xf32>
  return %12 : tensor<2x3xf32>
}
}
