// reduce_and of i32: middle
module @main {
func.func public @main(%arg0: tensor<2x3x4xi32>) -> (tensor<2x4xi32>) {
  %0 = "stablehlo.constant"() {value = dense<-1> : tensor<i32>} : () -> tensor<i32>
  %4 = "stablehlo.reduce"(%arg0, %0) ({
  ^bb0(%a1: tensor<i32>, %a2: tensor<i32>):
    %3 = "stablehlo.and"(%a1, %a2) : (tensor<i32>, tensor<i32>) -> tensor<i32>
    stablehlo.return %3 : tensor<i32>
  }) {dimensions = array<i64: 1>} : (tensor<2x3x4xi32>, tensor<i32>) -> tensor<2x4xi32>
  return %4 : tensor<2x4xi32>
}
}
