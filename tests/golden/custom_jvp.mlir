// custom_jvp of f32: product
module @main {
func.func public @main(%arg0: tensor<3xf32>, %arg1: tensor<3xf32>) -> (tensor<3xf32>, tensor<i32>) {
  %0 = "stablehlo.constant"() {value = dense<1> : tensor<i32>} : () -> tensor<i32>
  %1 = "stablehlo.sine"(%arg0) : (tensor<3xf32>) -> tensor<3xf32>
  %2 = "stablehlo.multiply"(%1, %arg1) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  %3 = "stablehlo.add"(%0, %0) : (tensor<i32>, tensor<i32>) -> tensor<i32>
  return %2, %3 : tensor<3xf32>, tensor<i32>
}
}
