// cond of f32: yes
module @main {
func.func public @main(%arg0: tensor<i1>, %arg1: tensor<3xf32>, %arg2: tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) {
  %0 = "stablehlo.convert"(%arg0) : (tensor<i1>) -> tensor<i32>
  %6:3 = "stablehlo.case"(%0) ({
    %1 = "stablehlo.multiply"(%arg1, %arg1) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
    %2 = "stablehlo.exponential"(%arg1) : (tensor<3xf32>) -> tensor<3xf32>
    %3 = "stablehlo.constant"() {value = dense<1.0> : tensor<3xf32>} : () -> tensor<3xf32>
    stablehlo.return %1, %2, %3 : tensor<3xf32>, tensor<3xf32>, tensor<3xf32>
  }, {
    %4 = "stablehlo.sine"(%arg1) : (tensor<3xf32>) -> tensor<3xf32>
    %5 = "stablehlo.multiply"(%4, %arg2) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
    stablehlo.return %5, %arg2, %arg1 : tensor<3xf32>, tensor<3xf32>, tensor<3xf32>
  }) : (tensor<i32>) -> (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>)
  return %6#0, %6#1, %6#2 : tensor<3xf32>, tensor<3xf32>, tensor<3xf32>
}
}
