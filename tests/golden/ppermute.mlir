// ppermute of f32: around
module @main {
func.func public @main(%arg0: tensor<3x2xf32>) -> (tensor<3x2xf32>) {
  %0 = "stablehlo.constant"() {value = dense<"0x020000000000000001000000"> : tensor<3xi32>} : () -> tensor<3xi32>
  %1 = "stablehlo.constant"() {value = dense<0.0> : tensor<1x2xf32>} : () -> tensor<1x2xf32>
  %2 = "stablehlo.concatenate"(%arg0, %1) {dimension = 0 : i64} : (tensor<3x2xf32>, tensor<1x2xf32>) -> tensor<4x2xf32>
  %3 = "stablehlo.reshape"(%0) : (tensor<3xi32>) -> tensor<3x1xi32>
  %4 = "stablehlo.gather"(%2, %3) {dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0], operand_batching_dims = [], start_indices_batching_dims = [], start_index_map = [0], index_vector_dim = 1>, slice_sizes = array<i64: 1, 2>, indices_are_sorted = false} : (tensor<4x2xf32>, tensor<3x1xi32>) -> tensor<3x2xf32>
  return %4 : tensor<3x2xf32>
}
}
