// scan of f32: forward
module @main {
func.func public @main(%arg0: tensor<3xf32>, %arg1: tensor<5x3xf32>, %arg2: tensor<3xf32>) -> (tensor<3xf32>, tensor<5x3xf32>) {
  %0 = "stablehlo.constant"() {value = dense<0> : tensor<i32>} : () -> tensor<i32>
  %22:4 = "stablehlo.while"(%0, %arg0, %arg1, %arg2) ({
  ^bb0(%a1: tensor<i32>, %a2: tensor<3xf32>, %a3: tensor<5x3xf32>, %a4: tensor<3xf32>):
    %5 = "stablehlo.constant"() {value = dense<5> : tensor<i32>} : () -> tensor<i32>
    %6 = "stablehlo.compare"(%a1, %5) {comparison_direction = #stablehlo<comparison_direction LT>, compare_type = #stablehlo<comparison_type SIGNED>} : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %6 : tensor<i1>
  }, {
  ^bb0(%a7: tensor<i32>, %a8: tensor<3xf32>, %a9: tensor<5x3xf32>, %a10: tensor<3xf32>):
    %11 = "stablehlo.constant"() {value = dense<0> : tensor<i32>} : () -> tensor<i32>
    %12 = "stablehlo.dynamic_slice"(%a9, %a7, %11) {slice_sizes = array<i64: 1, 3>} : (tensor<5x3xf32>, tensor<i32>, tensor<i32>) -> tensor<1x3xf32>
    %13 = "stablehlo.reshape"(%12) : (tensor<1x3xf32>) -> tensor<3xf32>
    %14 = "stablehlo.multiply"(%a8, %a10) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
    %15 = "stablehlo.add"(%14, %13) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
    %16 = "stablehlo.tanh"(%15) : (tensor<3xf32>) -> tensor<3xf32>
    %17 = "stablehlo.multiply"(%a8, %13) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
    %18 = "stablehlo.reshape"(%17) : (tensor<3xf32>) -> tensor<1x3xf32>
    %19 = "stablehlo.dynamic_update_slice"(%a9, %18, %a7, %11) : (tensor<5x3xf32>, tensor<1x3xf32>, tensor<i32>, tensor<i32>) -> tensor<5x3xf32>
    %20 = "stablehlo.constant"() {value = dense<1> : tensor<i32>} : () -> tensor<i32>
    %21 = "stablehlo.add"(%a7, %20) : (tensor<i32>, tensor<i32>) -> tensor<i32>
    stablehlo.return %21, %16, %19, %a10 : tensor<i32>, tensor<3xf32>, tensor<5x3xf32>, tensor<3xf32>
  }) : (tensor<i32>, tensor<3xf32>, tensor<5x3xf32>, tensor<3xf32>) -> (tensor<i32>, tensor<3xf32>, tensor<5x3xf32>, tensor<3xf32>)
  return %22#1, %22#2 : tensor<3xf32>, tensor<5x3xf32>
}
}
