// debug_assert of f32: holds
module @main {
func.func public @main(%arg0: tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<i32>) {
  %0 = "stablehlo.compare"(%arg0, %arg0) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type FLOAT>} : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xi1>
  %1 = "stablehlo.constant"() {value = dense<0> : tensor<i32>} : () -> tensor<i32>
  %2 = "stablehlo.custom_call"(%0, %arg0, %1) {call_target_name = "raxla_debug", api_version = 4 : i32, backend_config = {"at" = "src/prim/debug.rs", "batch" = array<i64>, "kind" = "debug_assert", "paths" = "", "text" = "x is {}"}, has_side_effect = true, operand_layouts = [dense<[1, 0]> : tensor<2xindex>, dense<[1, 0]> : tensor<2xindex>, dense<> : tensor<0xindex>], result_layouts = [dense<> : tensor<0xindex>]} : (tensor<2x3xi1>, tensor<2x3xf32>, tensor<i32>) -> tensor<i32>
  return %arg0, %2 : tensor<2x3xf32>, tensor<i32>
}
}
