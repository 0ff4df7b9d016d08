// dynamic_update_slice of f32: inside
module @main {
func.func public @main(%arg0: tensor<4x5xf32>, %arg1: tensor<2x3xf32>, %arg2: tensor<i8>, %arg3: tensor<i8>) -> (tensor<4x5xf32>) {
  %0 = "stablehlo.convert"(%arg2) : (tensor<i8>) -> tensor<i32>
  %1 = "stablehlo.constant"() {value = dense<0> : tensor<i32>} : () -> tensor<i32>
  %2 = "stablehlo.compare"(%0, %1) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<i32>, tensor<i32>) -> tensor<i1>
  %3 = "stablehlo.constant"() {value = dense<4> : tensor<i32>} : () -> tensor<i32>
  %4 = "stablehlo.add"(%0, %3) : (tensor<i32>, tensor<i32>) -> tensor<i32>
  %5 = "stablehlo.select"(%2, %4, %0) : (tensor<i1>, tensor<i32>, tensor<i32>) -> tensor<i32>
  %6 = "stablehlo.convert"(%arg3) : (tensor<i8>) -> tensor<i32>
  %7 = "stablehlo.compare"(%6, %1) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<i32>, tensor<i32>) -> tensor<i1>
  %8 = "stablehlo.constant"() {value = dense<5> : tensor<i32>} : () -> tensor<i32>
  %9 = "stablehlo.add"(%6, %8) : (tensor<i32>, tensor<i32>) -> tensor<i32>
  %10 = "stablehlo.select"(%7, %9, %6) : (tensor<i1>, tensor<i32>, tensor<i32>) -> tensor<i32>
  %11 = "stablehlo.constant"() {value = dense<2> : tensor<i32>} : () -> tensor<i32>
  %12 = "stablehlo.clamp"(%1, %5, %11) : (tensor<i32>, tensor<i32>, tensor<i32>) -> tensor<i32>
  %13 = "stablehlo.clamp"(%1, %10, %11) : (tensor<i32>, tensor<i32>, tensor<i32>) -> tensor<i32>
  %14 = "stablehlo.dynamic_update_slice"(%arg0, %arg1, %12, %13) : (tensor<4x5xf32>, tensor<2x3xf32>, tensor<i32>, tensor<i32>) -> tensor<4x5xf32>
  return %14 : tensor<4x5xf32>
}
}
