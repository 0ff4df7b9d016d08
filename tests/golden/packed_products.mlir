// packed_products of f32: F32
module @main {
func.func public @main(%arg0: tensor<2x32xf32>, %arg1: tensor<1x1x2048xui8>) -> (tensor<2x3xf32>) {
  %0 = "stablehlo.custom_call"(%arg0, %arg1) {call_target_name = "raxla.product", api_version = 4 : i32, backend_config = {"formats" = "F32", "outputs" = array<i64: 3>, "arithmetic" = "exact"}, has_side_effect = false, operand_layouts = [dense<[1, 0]> : tensor<2xindex>, dense<[2, 1, 0]> : tensor<3xindex>], result_layouts = [dense<[1, 0]> : tensor<2xindex>]} : (tensor<2x32xf32>, tensor<1x1x2048xui8>) -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}
}
