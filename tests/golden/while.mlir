// while of f32: shared condition
module @main {
func.func public @main(%arg0: tensor<3xf32>, %arg1: tensor<3xf32>) -> (tensor<3xf32>) {
  %0 = "stablehlo.constant"() {value = dense<4> : tensor<i32>} : () -> tensor<i32>
  %1 = "stablehlo.constant"() {value = dense<0> : tensor<i32>} : () -> tensor<i32>
  %14:3 = "stablehlo.while"(%arg1, %1, %arg0) ({
  ^bb0(%a2: tensor<3xf32>, %a3: tensor<i32>, %a4: tensor<3xf32>):
    %5 = "stablehlo.constant"() {value = dense<4> : tensor<i32>} : () -> tensor<i32>
    %6 = "stablehlo.compare"(%a3, %5) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %6 : tensor<i1>
  }, {
  ^bb0(%a7: tensor<3xf32>, %a8: tensor<i32>, %a9: tensor<3xf32>):
    %10 = "stablehlo.constant"() {value = dense<1> : tensor<i32>} : () -> tensor<i32>
    %11 = "stablehlo.add"(%a8, %10) : (tensor<i32>, tensor<i32>) -> tensor<i32>
    %12 = "stablehlo.multiply"(%a9, %a7) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
    %13 = "stablehlo.subtract"(%12, %a9) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
    stablehlo.return %a7, %11, %13 : tensor<3xf32>, tensor<i32>, tensor<3xf32>
  }) : (tensor<3xf32>, tensor<i32>, tensor<3xf32>) -> (tensor<3xf32>, tensor<i32>, tensor<3xf32>)
  return %14#2 : tensor<3xf32>
}
}
