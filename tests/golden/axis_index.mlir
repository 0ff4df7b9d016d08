// axis_index of i32: one
module @main {
func.func public @main(%arg0: tensor<3x2xi32>) -> (tensor<3x2xi32>) {
  %0 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<3xi32>
  %1 = "stablehlo.broadcast_in_dim"(%0) {broadcast_dimensions = array<i64: 0>} : (tensor<3xi32>) -> tensor<3x2xi32>
  %2 = "stablehlo.multiply"(%arg0, %1) : (tensor<3x2xi32>, tensor<3x2xi32>) -> tensor<3x2xi32>
  return %2 : tensor<3x2xi32>
}
}
