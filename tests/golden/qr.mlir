// qr of f32: square
module @main {
func.func public @main(%arg0: tensor<3x3xf32>) -> (tensor<3x3xf32>, tensor<3x3xf32>) {
  %0 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3x3xi32>
  %1 = "stablehlo.iota"() {iota_dimension = 1 : i64} : () -> tensor<3x3xi32>
  %2 = "stablehlo.compare"(%0, %1) {comparison_direction = #stablehlo<comparison_direction EQ>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi1>
  %3 = "stablehlo.convert"(%2) : (tensor<3x3xi1>) -> tensor<3x3xf32>
  %4 = "stablehlo.constant"() {value = dense<2.0> : tensor<3x3xf32>} : () -> tensor<3x3xf32>
  %5 = "stablehlo.multiply"(%3, %4) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %6 = "stablehlo.add"(%arg0, %5) : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %7:2 = "stablehlo.custom_call"(%6) {call_target_name = "Qr", backend_config = "", api_version = 1 : i32} : (tensor<3x3xf32>) -> (tensor<3x3xf32>, tensor<3xf32>)
  %8 = "stablehlo.constant"() {value = dense<> : tensor<3x0xf32>} : () -> tensor<3x0xf32>
  %9 = "stablehlo.custom_call"(%7#0, %7#1) {call_target_name = "ProductOfElementaryHouseholderReflectors", backend_config = "", api_version = 1 : i32} : (tensor<3x3xf32>, tensor<3xf32>) -> tensor<3x3xf32>
  %10 = "stablehlo.is_finite"(%6) : (tensor<3x3xf32>) -> tensor<3x3xi1>
  %11 = "stablehlo.constant"() {value = dense<true> : tensor<i1>} : () -> tensor<i1>
  %15 = "stablehlo.reduce"(%10, %11) ({
  ^bb0(%a12: tensor<i1>, %a13: tensor<i1>):
    %14 = "stablehlo.and"(%a12, %a13) : (tensor<i1>, tensor<i1>) -> tensor<i1>
    stablehlo.return %14 : tensor<i1>
  }) {dimensions = array<i64: 1, 0>} : (tensor<3x3xi1>, tensor<i1>) -> tensor<i1>
  %16 = "stablehlo.reshape"(%15) : (tensor<i1>) -> tensor<1xi1>
  %17 = "stablehlo.reshape"(%16) : (tensor<1xi1>) -> tensor<1x1xi1>
  %18 = "stablehlo.constant"() {value = dense<0x7FC00000> : tensor<3x3xf32>} : () -> tensor<3x3xf32>
  %19 = "stablehlo.broadcast_in_dim"(%17) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>) -> tensor<3x3xi1>
  %20 = "stablehlo.select"(%19, %9, %18) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %21 = "stablehlo.transpose"(%7#0) {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
  %22 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3x3xi32>
  %23 = "stablehlo.constant"() {value = dense<0> : tensor<3x3xi32>} : () -> tensor<3x3xi32>
  %24 = "stablehlo.add"(%22, %23) : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi32>
  %25 = "stablehlo.iota"() {iota_dimension = 1 : i64} : () -> tensor<3x3xi32>
  %26 = "stablehlo.compare"(%24, %25) {comparison_direction = #stablehlo<comparison_direction GE>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<3x3xi32>, tensor<3x3xi32>) -> tensor<3x3xi1>
  %27 = "stablehlo.constant"() {value = dense<0.0> : tensor<3x3xf32>} : () -> tensor<3x3xf32>
  %28 = "stablehlo.select"(%26, %21, %27) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  %29 = "stablehlo.transpose"(%28) {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
  %30 = "stablehlo.broadcast_in_dim"(%17) {broadcast_dimensions = array<i64: 0, 1>} : (tensor<1x1xi1>) -> tensor<3x3xi1>
  %31 = "stablehlo.select"(%30, %29, %18) : (tensor<3x3xi1>, tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>
  return %20, %31 : tensor<3x3xf32>, tensor<3x3xf32>
}
}
