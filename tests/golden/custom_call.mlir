// custom_call
module @main {
func.func public @main(%arg0: tensor<2xf32>) -> (tensor<2xf32>) {
  %0 = "stablehlo.custom_call"(%arg0) {call_target_name = "scale", api_version = 4 : i32, backend_config = {"factor" = 2.5 : f32, "name" = "scale"}, has_side_effect = false, operand_layouts = [dense<[0]> : tensor<1xindex>], result_layouts = [dense<[0]> : tensor<1xindex>], output_operand_aliases = [#stablehlo.output_operand_alias<output_tuple_indices = [], operand_index = 0, operand_tuple_indices = []>]} : (tensor<2xf32>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}
}
