// eigh of f32: one
module @main {
func.func public @main(%arg0: tensor<3x3xf32>) -> (tensor<3x3xf32>, tensor<3xf32>) {
  %0 = "stablehlo.transpose"(%arg0) {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
  %1 = "stablehlo.add"(%arg0, %0) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %2 = "stablehlo.constant"() {value = dense<2.0> : tensor<3x3xf32>} : () -> tensor<3x3xf32>
  %3 = "stablehlo.divide"(%1, %2) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %4:2 = "stablehlo.custom_call"(%3) {call_target_name = "Eigh", backend_config = "1,1,100,1e-12", api_version = 1 : i32} : (tensor<3x3xf32>) -> (tensor<3x3xf32>, tensor<3xf32>)
  %5 = "stablehlo.is_finite"(%3) : (tensor<3x3xf32>) -> tensor<3x3xi1>
  %6 = "stablehlo.constant"() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
  %10 = "stablehlo.reduce"(%5, %6) ({
  ^bb0(%a7: tensor<i1>, %a8: tensor<i1>):
    %9 = "stablehlo.and"(%a7, %a8) : (tensor<i1>, tensor<i1>) -> tensor<i1>
    stablehlo.return %9 : tensor<i1>
  }) {dimensions = array<i64: 1, 0>} : (tensor<3x3xi1>, tensor<i1>) -> tensor<i1>
  %11 = "stablehlo.reshape"(%10) : (tensor<i1>) -> tensor<1xi1>
  %12 = "stablehlo.reshape"(%11) : (tensor<1xi1>) -> tensor<1x1xi1>
  %13 = "stablehlo.constant"() {value = dense<0x7FC00000> : tensor<3x3xf32>} : () -> tensor<3x3xf32>
  %14 = "stablehlo.broadcast_in_dim"(%12) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>) -> tensor<3x3xi1>
  %15 = "stablehlo.select"(%14, %4#0, %13) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %16 = "stablehlo.constant"() {value = dense<0x7FC00000> : tensor<3xf32>} : () -> tensor<3xf32>
  %17 = "stablehlo.broadcast_in_dim"(%11) {broadcast_dimensions = array<i64: 0>} : (tensor<1xi1>) -> tensor<3xi1>
  %18 = "stablehlo.select"(%17, %4#1, %16) : (tensor<3xi1>, tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  %19 = "stablehlo.sine"(%18) : (tensor<3xf32>) -> tensor<3xf32>
  %20 = "stablehlo.reshape"(%19) : (tensor<3xf32>) -> tensor<1x3xf32>
  %21 = "stablehlo.broadcast_in_dim"(%20) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x3xf32>) -> tensor<3x3xf32>
  %22 = "stablehlo.multiply"(%15, %21) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %23 = "stablehlo.transpose"(%15) {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
  %24 = "stablehlo.dot_general"(%22, %23) {dot_dimension_numbers = #stablehlo.dot<lhs_batching_dimensions = [], rhs_batching_dimensions = [], lhs_contracting_dimensions = [1], rhs_contracting_dimensions = [0]>, precision_config = [#stablehlo<precision HIGHEST>, #stablehlo<precision HIGHEST>]} : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  return %24, %18 : tensor<3x3xf32>, tensor<3xf32>
}
}
