// debug_check of f32: two
module @main {
func.func public @main(%arg0: tensor<2x3xf32>, %arg1: tensor<f32>) -> (tensor<2x3xf32>, tensor<f32>, tensor<i32>) {
  %0 = "stablehlo.constant"() {value = dense<0> : tensor<i32>} : () -> tensor<i32>
  %1 = "stablehlo.custom_call"(%arg0, %arg1, %0) {call_target_name = "raxla_debug", api_version = 4 : i32, backend_config = {"at" = "src/prim/debug.rs", "batch" = array<i64>, "kind" = "debug_check", "paths" = "0\0A1", "text" = "x"}, has_side_effect = true, operand_layouts = [dense<[1, 0]> : tensor<2xindex>, dense<> : tensor<0xindex>, dense<> : tensor<0xindex>], result_layouts = [dense<> : tensor<0xindex>]} : (tensor<2x3xf32>, tensor<f32>, tensor<i32>) -> tensor<i32>
  return %arg0, %arg1, %1 : tensor<2x3xf32>, tensor<f32>, tensor<i32>
}
}
